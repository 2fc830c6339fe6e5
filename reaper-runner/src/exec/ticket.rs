//! What a supervisor is told on its standard input: one line, the payload, and further lines while it runs.
//!
//! End of file before all of the payload is read runs nothing. Later it means that the monitor is gone.

use std::{path::PathBuf, time::Duration};

use reaper_core::{Attempt, ProcessIdentity, RunId};
use serde::{Deserialize, Serialize};

/// The line that lets a supervisor go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// How many bytes of payload follow the line; `None` where the command is given an empty standard input.
    pub payload: Option<usize>,
    /// How long the command may run.
    pub limit: Option<Duration>,
    /// How long it may take to end when it is stopped, before it is killed.
    pub grace: Duration,
    /// Until when its node's beat is confirmed, where it is bound to it, on `CLOCK_BOOTTIME`. It is stopped in time
    /// before that unless a [`Renewal`] comes, and when its monitor is gone.
    pub bound_until: Option<Duration>,
    /// Where its exit is written.
    pub file: PathBuf,
    /// The attempt.
    pub attempt: Attempt,
    /// The run that records it.
    pub run: RunId,
    /// The supervisor's own identity, as it is stored.
    pub executor: ProcessIdentity,
}

/// A later line: the node's beat is confirmed until another instant on `CLOCK_BOOTTIME`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// The instant.
    pub until: Duration,
}

/// How long a kill may take: what is bound to its node is killed so long before its time is over.
pub(crate) const KILL_MARGIN: Duration = Duration::from_secs(2);
