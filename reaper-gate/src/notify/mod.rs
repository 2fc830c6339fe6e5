//! Telling somebody.

use std::fmt::Debug;

use reaper_core::Alert;

/// Why a notification was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// It may be accepted later.
    #[error("not delivered: {0}")]
    Again(String),
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
