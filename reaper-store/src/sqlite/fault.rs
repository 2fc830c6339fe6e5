//! What SQLite says, as a [`StoreError`].

use diesel::result::Error;

use crate::{StoreError, database::Fault};

/// What a database is called in its errors, and how long one waits for it.
#[derive(Clone, Debug)]
pub(super) struct Named {
    /// The path.
    pub(super) database: String,
    /// The busy timeout.
    pub(super) waited_ms: u64,
}

impl Named {
    /// The error for whoever called.
    pub(super) fn error(&self, fault: Fault) -> StoreError {
        match fault {
            Fault::Store(error) => error,
            Fault::Driver(error) => self.driver(&error),
        }
    }

    /// Diesel gives SQLite's message and no code. The messages below are SQLite's own for its result codes
    /// (`sqlite3_errstr`), which are stable, so they are compared whole.
    fn driver(&self, error: &Error) -> StoreError {
        let Error::DatabaseError(_, information) = error else {
            return StoreError::Database(error.to_string());
        };
        let message = information.message();
        match message {
            "database is locked" | "database table is locked" => StoreError::Busy { waited_ms: self.waited_ms },
            "database or disk is full" => StoreError::Full(self.database.clone()),
            "attempt to write a readonly database" => StoreError::ReadOnly(self.database.clone()),
            "file is not a database" => StoreError::NotADatabase(self.database.clone()),
            // The file itself was opened; what cannot be opened is its journal.
            "unable to open database file" => StoreError::ReadOnly(format!(
                "{}: its journal cannot be opened, which needs write access to its folder",
                self.database
            )),
            _ if is_missing(message) => {
                StoreError::NotMigrated { database: self.database.clone(), problem: message.into() }
            }
            _ => StoreError::Database(message.into()),
        }
    }
}

/// Whether a message names one of Reaper's own tables or columns, or a table of the contract, as missing.
fn is_missing(message: &str) -> bool {
    let missing = message.starts_with("no such ") || message.contains(" has no column named ");
    let ours = message.contains("reaper_")
        || ["no such table: jobs", "no such table: tasks", "no such table: agent_runs"].contains(&message);
    missing && ours
}

/// Whether an error is the whole database's and not one row's: splitting a set would not help.
pub(super) fn is_whole(error: &StoreError) -> bool {
    let StoreError::Database(message) = error else {
        return true;
    };
    ["disk I/O error", "database disk image is malformed", "out of memory", "interrupted", "locking protocol"]
        .iter()
        .any(|whole| message == whole)
}
