//! The tables: the columns that every program knows, and those that Reaper adds.

use std::collections::{BTreeMap, BTreeSet};

use reaper_core::{
    Bond, Breakers, Effect, Incarnation, JobId, Mode, NodeId, ProcessIdentity, RunId, Status, TaskId, Timestamp,
    instance::Place,
    job::{Attach, Beat, Exit, Key},
};

use crate::{
    StoreError,
    claims::EventId,
    control::PassNote,
    history::Event,
    nodes::NodeRow,
    outbox::{EffectState, OutboxRow},
};

/// A time as another program wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stamp {
    /// NULL.
    #[default]
    Null,
    /// A time.
    At(Timestamp),
    /// A text that is none.
    Unreadable,
}

impl Stamp {
    /// What counts: the time, or the instant at which it was seen where there is none or it lies later.
    pub(super) fn seen(self, seen: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at.min(seen),
            Self::Null | Self::Unreadable => seen,
        }
    }
}

/// A recorded exit, mirrored from its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mirror {
    pub(super) code: i32,
    pub(super) finished_at: Stamp,
    /// When this code was seen first.
    pub(super) seen: Timestamp,
}

impl Mirror {
    pub(super) fn exit(self) -> Exit {
        Exit { code: self.code, at: self.finished_at.seen(self.seen) }
    }
}

/// Which values an attempt found on its row when it entered `running`, left there by the attempt before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Inherited {
    pub(super) run: bool,
    pub(super) pid: bool,
    pub(super) started_at: bool,
}

/// What Reaper adds to a job's row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Added {
    pub(super) fence: i64,
    /// When the row entered `running`.
    pub(super) entered: Option<Timestamp>,
    pub(super) inherited: Inherited,
    pub(super) exit: Option<Mirror>,
    pub(super) executor: Option<ProcessIdentity>,
    pub(super) monitor: Option<ProcessIdentity>,
    pub(super) attach: Attach,
    pub(super) bond: Bond,
    pub(super) beat: Option<Beat>,
    pub(super) terminating_at: Option<Timestamp>,
    pub(super) rescues: u32,
    pub(super) available_at: Option<Timestamp>,
    pub(super) source_key: Option<String>,
    pub(super) payload: Option<String>,
}

/// A row of `jobs`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct JobRow {
    pub(super) agent: String,
    pub(super) repo: String,
    pub(super) task: Option<TaskId>,
    /// Any word: other programs may have statuses of their own.
    pub(super) status: String,
    /// Signed, as a column is: what is negative does not parse.
    pub(super) attempts: i64,
    pub(super) max_attempts: i64,
    pub(super) run: Option<RunId>,
    pub(super) pid: Option<u32>,
    pub(super) started_at: Stamp,
    pub(super) last_error: Option<String>,
    pub(super) added: Added,
}

impl JobRow {
    pub(super) fn is(&self, status: Status) -> bool {
        self.status == status.as_str()
    }

    /// Takes the names of processes off the row, and what they said.
    pub(super) fn clear_processes(&mut self) {
        let added = &mut self.added;
        (added.executor, added.monitor, added.beat, added.terminating_at) = (None, None, None, None);
        (added.attach, added.bond) = (Attach::NotSaid, Bond::Free);
    }
}

/// A row of `agent_runs`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RunRow {
    pub(super) task: Option<TaskId>,
    pub(super) agent: Option<String>,
    pub(super) started_at: Stamp,
    pub(super) exit_code: Option<i32>,
    pub(super) finished_at: Stamp,
}

/// A row of `tasks`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TaskRow {
    pub(super) repo: String,
    pub(super) work_item: Option<String>,
    pub(super) branch: Option<String>,
    pub(super) stage: String,
    pub(super) version: i64,
}

/// A row of the outbox.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    /// Its place in the order in which effects were stored.
    pub(super) order: u64,
    pub(super) row: OutboxRow,
    /// The token of the lease that was given out last, and until when it holds.
    pub(super) lease: Option<(i64, Timestamp)>,
}

/// What an event is found by, beside what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// The run whose exit would say that the rescue was wrong.
    pub(super) run: Option<RunId>,
    /// Whether the attempt died young.
    pub(super) young: bool,
}

/// Everything that is stored, and the clock.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tables {
    pub(super) now: Timestamp,
    pub(super) tasks: BTreeMap<TaskId, TaskRow>,
    pub(super) jobs: BTreeMap<JobId, JobRow>,
    pub(super) runs: BTreeMap<RunId, RunRow>,
    pub(super) events: Vec<Event>,
    pub(super) marks: BTreeMap<EventId, Mark>,
    pub(super) outbox: BTreeMap<String, Stored>,
    /// The keys of the orders that were carried out.
    pub(super) advances: BTreeSet<String>,
    pub(super) mode: Mode,
    pub(super) breaker: Breakers,
    pub(super) pass: Option<PassNote>,
    pub(super) nodes: BTreeMap<NodeId, NodeRow>,
    pub(super) incarnations: BTreeMap<Place, Incarnation>,
    /// The rows of which the owner refuses every change.
    pub(super) refused: BTreeSet<JobId>,
    pub(super) stored: u64,
}

impl Tables {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now,
            tasks: BTreeMap::new(),
            jobs: BTreeMap::new(),
            runs: BTreeMap::new(),
            events: Vec::new(),
            marks: BTreeMap::new(),
            outbox: BTreeMap::new(),
            advances: BTreeSet::new(),
            mode: Mode::default(),
            breaker: Breakers::default(),
            pass: None,
            nodes: BTreeMap::new(),
            incarnations: BTreeMap::new(),
            refused: BTreeSet::new(),
            stored: 0,
        }
    }

    /// Stores an effect, unless one has its key. Answers whether it was new.
    pub(super) fn store_effect(&mut self, key: &str, effect: &Effect) -> bool {
        if self.outbox.contains_key(key) {
            return false;
        }
        self.stored = self.stored.saturating_add(1);
        let row = OutboxRow {
            key: key.into(),
            effect: effect.clone(),
            state: EffectState::Pending,
            tries: 0,
            created_at: self.now,
            due_at: self.now,
            note: None,
        };
        self.outbox.insert(key.into(), Stored { order: self.stored, row, lease: None });
        true
    }

    /// Fails as a trigger of the owner's does that raises.
    pub(super) fn refuse(&self, job: &JobId) -> Result<(), StoreError> {
        if self.refused.contains(job) {
            return Err(StoreError::Database(format!("a trigger refuses every change of job {job}")));
        }
        Ok(())
    }

    /// As SQLite draws ids: one above the highest, so that the id of a deleted row comes again.
    pub(super) fn next_id<'a>(keys: impl Iterator<Item = &'a Key>) -> i64 {
        let ints = keys.filter_map(|key| match key {
            Key::Int(id) => Some(*id),
            Key::Text(_) => None,
        });
        ints.max().unwrap_or(0).saturating_add(1)
    }
}

/// A row that is not there.
pub(super) fn missing(what: &str, id: &Key) -> StoreError {
    StoreError::Database(format!("there is no {what} {id}"))
}
