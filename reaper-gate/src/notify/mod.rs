//! Telling somebody.

use std::{fmt::Debug, time::Duration};

use reaper_core::Alert;

mod broadcast;
mod log;
#[cfg(feature = "telegram")]
pub mod telegram;

pub use broadcast::Broadcast;
pub use log::LogNotify;
#[cfg(feature = "telegram")]
pub use telegram::Telegram;

/// Why a notification was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// It may be accepted later.
    #[error("not delivered: {0}")]
    Again(String),
    /// It may be accepted later, and the receiver does not want to be asked before this wait is over.
    #[error("not delivered, to be tried again in {wait:?}: {problem}")]
    Later {
        /// How long to wait.
        wait: Duration,
        /// What the receiver says.
        problem: String,
    },
    /// It never will be.
    #[error("refused: {0}")]
    Refused(String),
}

/// Tells somebody.
///
/// # Obligations
///
/// Answers within a time limit of its own. A secret never stands in an error, a log line or a `Debug` form. Delivery is
/// at least once: the key is the idempotency key, for receivers that can use one.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Notify: Debug + Send + Sync {
    /// Sends an alert.
    ///
    /// # Errors
    ///
    /// A [`NotifyError`] that says whether trying again makes sense.
    fn notify(&self, key: &str, alert: &Alert) -> Result<(), NotifyError>;
}
