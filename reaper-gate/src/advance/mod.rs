//! Moving a task to its next stage and enqueueing the next job.

use std::fmt::Debug;

use reaper_core::{AdvanceOrder, JobId};

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod database;
#[cfg(feature = "postgres")]
mod postgres;
mod recording;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use database::Check;
#[cfg(feature = "postgres")]
pub use postgres::{Connect as PostgresConnect, PostgresAdvance};
pub use recording::RecordingAdvance;
#[cfg(feature = "sqlite")]
pub use sqlite::{Connect, SqliteAdvance};

/// How an advance ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Advanced {
    /// The task was moved, and the next job enqueued where the next stage has one.
    Advanced {
        /// The next job.
        next: Option<JobId>,
    },
    /// This very order was carried out before.
    AlreadyDone,
    /// The task has moved by other hands since: nothing was changed.
    Superseded {
        /// Where it stands now; `None` if its row is gone.
        stage: Option<String>,
    },
}

/// Why an advance could not be tried. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("could not advance: {problem}")]
pub struct AdvanceError {
    /// What went wrong.
    pub problem: String,
}

/// Advances tasks.
///
/// # Obligations
///
/// An order takes effect at most once, however often it is delivered: the move is a compare-and-set on the stage and
/// its version, and the next job carries [`AdvanceOrder::source_key`], unique, in the same transaction.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Advance: Debug + Send + Sync {
    /// Carries an order out.
    ///
    /// # Errors
    ///
    /// An [`AdvanceError`] where it could not be tried; it may be delivered again.
    fn advance(&self, order: &AdvanceOrder) -> Result<Advanced, AdvanceError>;
}
