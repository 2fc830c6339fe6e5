//! The recorded events: every change that was made to a job, and by whom.

#![expect(clippy::missing_errors_doc, reason = "the trait states the errors of its methods once")]

use std::fmt::Debug;

use reaper_core::{Fence, JobId, Timestamp};
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
}

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

    /// Removes the events and the delivered effects from before an instant, and the nodes that have not beaten since it,
    /// and says how many rows went.
    ///
    /// A node stays for as long as a running job names it, and one that was declared dead for as long as the event that
    /// says so: until then it is told when it comes back.
    fn prune(&self, before: Timestamp) -> Result<u64, StoreError>;
}
