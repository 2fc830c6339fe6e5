//! What went wrong inside a transaction, and what it is called outside.

use std::path::Path;

use diesel::result::Error;

use crate::StoreError;

/// An error of the database, or one of ours that ends a transaction.
#[derive(Debug)]
pub(super) enum Fault {
    Database(Error),
    Store(StoreError),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Fault {
    /// Names the error. Diesel gives SQLite's words and not its codes, and those words are part of SQLite's interface
    /// (`sqlite3_errstr`).
    pub(super) fn name(self, path: &Path, waited_ms: u64) -> StoreError {
        let error = match self {
            Self::Store(error) => return error,
            Self::Database(error) => error,
        };
        let text = error.to_string();
        let says = |words: &str| text.contains(words);
        let database = || path.display().to_string();
        if says("database is locked") || says("database table is locked") {
            StoreError::Busy { waited_ms }
        } else if says("readonly database") {
            StoreError::ReadOnly(format!("{} or its folder: {text}", database()))
        } else if says("disk is full") {
            StoreError::Full(format!("{}: {text}", database()))
        } else if says("not a database") || says("malformed") {
            StoreError::NotADatabase(database())
        } else if says("unable to open") || says("disk I/O error") {
            StoreError::Unreachable { database: database(), problem: text }
        } else if says("no such table") || says("no such column") || says("no such index") {
            StoreError::NotMigrated { database: database(), problem: text }
        } else {
            StoreError::Database(text)
        }
    }
}
