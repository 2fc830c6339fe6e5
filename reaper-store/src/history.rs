//! The recorded events: every change that was made to a job, and by whom.

#![expect(clippy::missing_errors_doc, reason = "the trait states the errors of its methods once")]

use std::fmt::Debug;

use reaper_core::{Fence, JobId, Timestamp, job::Exit};
use serde::{Deserialize, Serialize};

use crate::{StoreError, claims::EventId};

/// An event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// When, by the database's clock.
    pub at: Timestamp,
    /// The job, where it is about one.
    pub job: Option<JobId>,
    /// The attempt's fence.
    pub fence: Option<Fence>,
    /// Who: `reaper`, `monitor`, `person`.
    pub by: String,
    /// What: a settlement's name, `exit` where one was recorded on the word of a witness, `requeue_all`, `mode`.
    pub action: String,
    /// The rule that fired, or empty.
    pub rule: String,
    /// Why.
    pub reason: String,
    /// The status that the job came from.
    pub from: Option<String>,
    /// The status that it went to.
    pub to: Option<String>,
    /// Figures and findings.
    pub evidence: serde_json::Value,
    /// Whose job it was, of an attempt that ended badly.
    #[serde(default)]
    pub agent: Option<String>,
    /// How the attempt ended, where it ended badly.
    #[serde(default)]
    pub signature: Option<String>,
    /// The exit that the attempt has recorded after a reaper had requeued it without one and the job had been taken again;
    /// with the instant at which it was seen.
    #[serde(default)]
    pub late: Option<Exit>,
}

impl Event {
    /// Whether this rescue was wrong: the attempt went on and recorded an exit after its job had been taken again.
    ///
    /// One that ended badly only counts where its executor was not certainly dead: a monitor that comes back late may
    /// report the very death that the rescue rested on. An exit 0 counts always, because its work was done twice.
    #[must_use]
    pub fn is_false_rescue(&self) -> bool {
        let certain = self.evidence.pointer("/executor/liveness/dead").and_then(serde_json::Value::as_str);
        self.late.is_some_and(|exit| exit.is_success() || certain != Some("verified"))
    }
}

/// Attempts of one agent that ended badly in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deaths {
    /// The agent.
    pub agent: String,
    /// How they ended.
    pub signature: String,
    /// How many there were.
    pub count: u64,
    /// When the first of them was settled.
    pub first: Timestamp,
    /// When the latest was.
    pub last: Timestamp,
    /// Jobs of the latest three, the latest first, each once.
    pub examples: Vec<JobId>,
}

/// How many of the latest deaths of a group are examples.
pub(crate) const EXAMPLES: u64 = 3;

/// How reapers' requeues turned out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rescues {
    /// Attempts that reapers have requeued.
    pub rescues: u64,
    /// Requeued attempts whose exit 0 came before anyone took the job again, and that were finished by it.
    pub late_finishes: u64,
    /// Rescues that were wrong, as [`Event::is_false_rescue`] says; counted up to [`COUNTED`].
    pub false_rescues: u64,
}

impl Rescues {
    /// How many of these rescues were wrong.
    #[must_use]
    pub fn false_among(late_exits: &[Event]) -> u64 {
        let wrong = late_exits.iter().filter(|event| event.is_false_rescue());
        u64::try_from(wrong.count()).unwrap_or(u64::MAX)
    }
}

/// How many late exits are looked at to count the false rescues.
pub const COUNTED: usize = 10_000;

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Those of one job.
    pub job: Option<JobId>,
    /// Those at or after an instant.
    pub since: Option<Timestamp>,
    /// The latest so many.
    pub limit: usize,
}

/// Reads and prunes the events.
///
/// # Errors
///
/// Every method fails with a [`StoreError`] where the database does; nothing was changed then.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait History: Debug + Send + Sync {
    /// The events that a query asks for, the oldest first.
    fn events(&self, query: &Query) -> Result<Vec<Event>, StoreError>;

    /// When attempts of an agent died young, since an instant, in the order of the instants: the latest so many.
    fn crashes(&self, agent: &str, since: Timestamp, limit: usize) -> Result<Vec<Timestamp>, StoreError>;

    /// The attempts that ended badly since an instant, by agent and signature, the most frequent first; those of one
    /// agent, or of all.
    fn deaths(&self, since: Timestamp, agent: Option<String>) -> Result<Vec<Deaths>, StoreError>;

    /// How many attempts reapers have requeued since an instant, and how many late finishes and late exits were seen.
    fn rescues(&self, since: Timestamp) -> Result<Rescues, StoreError>;

    /// The rescues of which a late exit was seen since an instant, in the order in which they were seen: the latest so
    /// many.
    fn late_exits(&self, since: Timestamp, limit: usize) -> Result<Vec<Event>, StoreError>;

    /// Removes the events and the delivered effects from before an instant, and the nodes that have not beaten since it,
    /// and says how many rows went.
    ///
    /// A node stays for as long as a running job names it, and one that was declared dead for as long as the event that
    /// says so: until then it is told when it comes back.
    fn prune(&self, before: Timestamp) -> Result<u64, StoreError>;
}
