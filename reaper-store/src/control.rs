//! What reapers and people share through the database: the mode, the breaker, the latest pass.

#![expect(clippy::missing_errors_doc, reason = "the trait states the errors of its methods once")]

use std::fmt::Debug;

use reaper_core::{Breaker, Mode, Timestamp};
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// What the latest pass of any reaper left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassNote {
    /// When it ended, by the database's clock.
    pub at: Timestamp,
    /// Which reaper: host and pid.
    pub reaper: String,
    /// How many claims it won.
    pub won: u64,
    /// How many it lost.
    pub lost: u64,
    /// The error that ended it, where one did.
    pub error: Option<String>,
}

/// What a pass has to know before it loads anything, read at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outset {
    /// The database's clock.
    pub now: Timestamp,
    /// The stored mode, as [`Control::mode`].
    pub mode: Mode,
    /// The stored breaker, as [`Control::breaker`].
    pub breaker: Breaker,
    /// Whether any effect in the outbox is due.
    pub effects_due: bool,
}

/// Reads and writes what is shared.
///
/// # Errors
///
/// Every method fails with a [`StoreError`] where the database does; nothing was changed then.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Control: Debug + Send + Sync {
    /// What a pass has to know first, in one statement. `None` (the default) where the store has no such statement;
    /// then each is asked for by itself.
    fn outset(&self) -> Result<Option<Outset>, StoreError> {
        Ok(None)
    }

    /// The stored mode; `enforce` where none was ever stored.
    fn mode(&self) -> Result<Mode, StoreError>;

    /// Stores the mode, and an event that says so. Answers with the one before.
    fn set_mode(&self, mode: Mode) -> Result<Mode, StoreError>;

    /// The stored breaker; closed where none was ever stored.
    fn breaker(&self) -> Result<Breaker, StoreError>;

    /// Stores the breaker.
    fn set_breaker(&self, breaker: &Breaker) -> Result<(), StoreError>;

    /// The note of the latest pass.
    fn latest_pass(&self) -> Result<Option<PassNote>, StoreError>;

    /// Leaves a note of a pass.
    fn note_pass(&self, note: &PassNote) -> Result<(), StoreError>;
}
