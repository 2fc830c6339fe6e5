//! What is recorded: the rows that a pass looks at, and what a person asks about.

#![expect(clippy::missing_errors_doc, reason = "the trait states the errors of its methods once")]

use std::{collections::BTreeMap, fmt::Debug};

use reaper_core::{JobId, JobSnapshot, Status, TaskId, Timestamp, job::BadRow, node::Lost};
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// A row that parsed, or what is wrong with it.
pub type Row = Result<JobSnapshot, BadRow>;

/// The attempts of one host, which its reaper probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here {
    /// The host, as it stands in the identities.
    pub host: String,
    /// Whether a bare pid without any identity belongs to this host.
    pub bare_pids: bool,
    /// Only those that began, or whose exit was recorded, at this instant or later: whoever wants no more has seen the
    /// others and is told when they change. `None`: all of them.
    pub since: Option<Timestamp>,
}

/// The rows that a pass wants: the union of these sets. It must hide none on which `decide` would act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Running rows whose mirrored exit is not younger than this instant, or has none that parses.
    pub exits_until: Timestamp,
    /// Running rows without an exit whose beginning is not younger than this instant, or has none that parses.
    pub started_until: Timestamp,
    /// Running rows without an exit whose latest beat is not younger than this instant. `None`: no beat is judged.
    pub beats_until: Option<Timestamp>,
    /// Late finishes: queued rows with a mirrored exit 0.
    pub late_finishes: bool,
    /// Attempts that were seen dead in an earlier tick.
    pub suspects: Vec<JobId>,
    /// Running attempts to be probed.
    pub here: Option<Here>,
    /// Running attempts of which a process belongs to one of these nodes or places.
    pub lost: Vec<Lost>,
}

/// How far one of the sets has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Position {
    /// Not at all.
    #[default]
    Start,
    /// Up to and including this row.
    After {
        /// The value that the set is ordered by first, where it is not the id alone.
        key: Option<i64>,
        /// The row.
        id: JobId,
    },
    /// To its end.
    End,
}

/// How far a load has come: a position in each of the sets that the store reads. Empty at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor(pub Vec<Position>);

/// A page of rows.
#[derive(Clone, Debug)]
pub struct Page {
    /// The database's clock when the page was read.
    pub now: Timestamp,
    /// Each row of the sets at most once per load, bad ones among them.
    pub rows: Vec<Row>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
}

/// When time alone will bring something up: the earliest instants that are not yet come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upcoming {
    /// The earliest exit of a running row that is younger than was asked for.
    pub exit: Option<Timestamp>,
    /// The earliest beginning of a running row without an exit that is younger than was asked for.
    pub start: Option<Timestamp>,
    /// When the next effect is due, those that are due already included.
    pub effect: Option<Timestamp>,
}

/// A task in no final stage that nothing works on, waits for or will move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StalledTask {
    /// The task.
    pub task: TaskId,
    /// Its work item's name.
    pub work_item: Option<String>,
    /// The stage that it stands in.
    pub stage: String,
}

/// Figures about the whole table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// The database's clock.
    pub now: Timestamp,
    /// Jobs by status; statuses of other programs' making are counted under their own names.
    pub jobs: BTreeMap<String, u64>,
    /// The running job that began first, and when.
    pub oldest_running: Option<(JobId, Timestamp)>,
}

impl Census {
    /// How many jobs have this status.
    #[must_use]
    pub fn count(&self, status: Status) -> u64 {
        self.jobs.get(status.as_str()).copied().unwrap_or(0)
    }
}

/// Reads what is recorded.
///
/// An implementation reads every row raw and parses it by itself, so that one that does not parse becomes a
/// [`BadRow`] and hinders no other. It holds no lock and no transaction after it returned.
///
/// # Errors
///
/// Every method fails with a [`StoreError`] where the database does; a pass that sees one decides nothing.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Facts: Debug + Send + Sync {
    /// The database's clock.
    fn now(&self) -> Result<Timestamp, StoreError>;

    /// The next page, of at most `limit` rows from each set, so that rows which cannot be acted on never starve
    /// those behind them. Begins at [`Cursor::default`].
    fn load(&self, wanted: &Wanted, from: &Cursor, limit: usize) -> Result<Page, StoreError>;

    /// A token that is the same only if nothing was written to the database, by whomever, since this store gave it
    /// before. `None` (the default) where the store cannot tell. Tokens of two stores mean nothing to each other.
    fn version(&self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }

    /// When time alone will bring something up that a load with these limits leaves out. `None` (the default) where
    /// the store cannot tell.
    fn upcoming(&self, exits_until: Timestamp, started_until: Timestamp) -> Result<Option<Upcoming>, StoreError> {
        let _untold = (exits_until, started_until);
        Ok(None)
    }

    /// One job, whatever its status.
    fn job(&self, job: &JobId) -> Result<Option<Row>, StoreError>;

    /// How many jobs are running, counted no further than `at_most`.
    fn running(&self, at_most: u64) -> Result<u64, StoreError>;

    /// How many running attempts without an exit have beaten after an instant and are not `here`'s (its `since` says
    /// nothing), counted no further than `at_most`. It is beside these that a number of stopped beats is few or many.
    fn beating(&self, here: &Here, after: Timestamp, at_most: u64) -> Result<u64, StoreError>;

    /// Figures about the whole table.
    fn census(&self) -> Result<Census, StoreError>;

    /// Queued jobs that no take gives, because their payload is longer than a worker reads or no text; the oldest first, at
    /// most `limit`. (A text of SQLite's that is no UTF-8 is found by the take alone.)
    fn unreadable_payloads(&self, limit: usize) -> Result<Vec<JobId>, StoreError>;

    /// Tasks whose stage is none of `final_stages` and that have neither a queued nor a running job nor an
    /// advance on its way, the oldest first, at most `limit`.
    fn stalled(&self, final_stages: &[String], limit: usize) -> Result<Vec<StalledTask>, StoreError>;
}
