//! What PostgreSQL says, as a [`StoreError`].

use diesel::result::{DatabaseErrorKind, Error};

use super::{
    options::{Options, setting},
    url::Url,
};
use crate::{StoreError, database::Fault};

/// What a database is called in its errors, and how long one waits for it.
#[derive(Clone, Debug)]
pub(super) struct Named {
    /// The URL without its password.
    pub(super) database: String,
    lock_ms: u64,
    statement_ms: u64,
}

impl Named {
    pub(super) fn of(url: &Url, options: &Options) -> Self {
        let millis = |limit| u64::try_from(setting(limit)).unwrap_or(0);
        Self {
            database: url.shown.clone(),
            lock_ms: millis(options.lock_timeout),
            statement_ms: millis(options.statement_timeout),
        }
    }

    /// The error for whoever called.
    pub(super) fn error(&self, fault: Fault) -> StoreError {
        match fault {
            Fault::Store(error) => error,
            Fault::Driver(error) => self.driver(&error),
        }
    }

    /// Diesel gives PostgreSQL's message and no SQLSTATE, save for a few kinds. The messages below are English: a
    /// server that speaks another language (`lc_messages`) gives [`StoreError::Database`] in their place.
    fn driver(&self, error: &Error) -> StoreError {
        let Error::DatabaseError(kind, information) = error else {
            // As an error of BEGIN, COMMIT or ROLLBACK on a connection that is broken.
            return StoreError::Unreachable { database: self.database.clone(), problem: error.to_string() };
        };
        let message = information.message().trim();
        let unreachable = || StoreError::Unreachable { database: self.database.clone(), problem: message.into() };
        if matches!(kind, DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand) {
            return unreachable();
        }
        if matches!(kind, DatabaseErrorKind::ReadOnlyTransaction) {
            return StoreError::ReadOnly(self.database.clone());
        }
        if matches!(kind, DatabaseErrorKind::SerializationFailure) {
            return StoreError::Busy { waited_ms: 0 };
        }
        match message {
            "canceling statement due to lock timeout" => StoreError::Busy { waited_ms: self.lock_ms },
            "canceling statement due to statement timeout" => StoreError::Busy { waited_ms: self.statement_ms },
            "deadlock detected" => StoreError::Busy { waited_ms: 0 },
            _ if message.ends_with("No space left on device") => StoreError::Full(self.database.clone()),
            _ if is_gone(message) => unreachable(),
            _ if is_missing(message) => {
                StoreError::NotMigrated { database: self.database.clone(), problem: message.into() }
            }
            _ => StoreError::Database(message.into()),
        }
    }
}

/// Whether the connection or the server is gone, as the server's last words say it or libpq's own.
pub(super) fn is_gone(message: &str) -> bool {
    [
        "terminating connection",
        "server closed the connection",
        "the database system is",
        "no connection to the server",
    ]
    .iter()
    .any(|gone| message.starts_with(gone))
}

/// Whether a message names one of Reaper's own tables, columns or functions, or a table of the contract, as missing.
fn is_missing(message: &str) -> bool {
    let ours = message.contains("reaper_")
        || ["jobs", "tasks", "agent_runs"].iter().any(|table| message.contains(&format!("relation \"{table}\"")));
    ours && message.ends_with(" does not exist")
}

/// Whether an error is the whole database's and not one row's: splitting a set would not help.
pub(super) fn is_whole(error: &StoreError) -> bool {
    let StoreError::Database(message) = error else {
        return true;
    };
    message.starts_with("permission denied")
        || ["out of memory", "out of shared memory"].contains(&message.as_str())
}
