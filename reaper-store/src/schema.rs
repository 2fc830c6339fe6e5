//! Bringing a database up to what Reaper needs, and taking it away again.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use crate::StoreError;

/// A migration with its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// Its name, which begins with its version.
    pub name: String,
    /// What it runs.
    pub sql: String,
}

/// What Reaper adds to a database.
///
/// Nothing of the owner's is dropped or rewritten; all that is added bears a name that begins with `reaper_`, save
/// the three tables of the contract where they are missing.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Schema: Debug + Send + Sync {
    /// The migrations that would run.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] where the database cannot be read, or is a newer Reaper's.
    fn pending(&self) -> Result<Vec<Migration>, StoreError>;

    /// The migrations that were run, the latest first, each with what would take it away.
    ///
    /// # Errors
    ///
    /// As [`pending`](Self::pending).
    fn installed(&self) -> Result<Vec<Migration>, StoreError>;

    /// Runs them, all or none, and says which.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] where the database cannot be written, holds tables that cannot be adopted, or is a newer
    /// Reaper's; nothing was changed.
    fn migrate(&self) -> Result<Vec<Migration>, StoreError>;

    /// Takes away all that was added, all or nothing, and says what was run. The owner's tables and rows stay.
    ///
    /// # Errors
    ///
    /// As [`migrate`](Self::migrate).
    fn uninstall(&self) -> Result<Vec<Migration>, StoreError>;
}
