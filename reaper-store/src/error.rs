//! What can go wrong between a store and its database.

/// Why a store could not do what it was asked. Nothing was changed, unless the error is
/// [`OutcomeUnknown`](Self::OutcomeUnknown).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no database, or it does not answer.
    #[error("cannot open {database}: {problem}")]
    Unreachable {
        /// The database, without its password.
        database: String,
        /// What the driver says.
        problem: String,
    },
    /// The file is no database.
    #[error("{0} is not a SQLite database")]
    NotADatabase(String),
    /// The database lacks what Reaper adds to it.
    #[error("{database} is not prepared for reaper ({problem}): run `reaper migrate`")]
    NotMigrated {
        /// The database.
        database: String,
        /// What is missing.
        problem: String,
    },
    /// A newer Reaper has prepared the database. This one must not write to a schema that it does not know.
    #[error(
        "{database} was prepared by a newer reaper (it knows migration {found}, this program does not): upgrade this program"
    )]
    NewerSchema {
        /// The database.
        database: String,
        /// The unknown migration.
        found: String,
    },
    /// Another program's tables are not as they must be.
    #[error("table {table}: {problem}")]
    ForeignTable {
        /// The table.
        table: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// Somebody else holds the database's lock.
    #[error("the database is locked by another program: it stayed busy for {waited_ms} ms")]
    Busy {
        /// How long was waited, in milliseconds.
        waited_ms: u64,
    },
    /// The database or its folder cannot be written.
    #[error("the database is read-only: {0}")]
    ReadOnly(String),
    /// The disk, or the room that the database may take, is full.
    #[error("the disk is full: {0}")]
    Full(String),
    /// The connection broke while a commit was on its way, and what became of it could not be looked up.
    #[error("the commit's outcome is unknown: {0}")]
    OutcomeUnknown(String),
    /// A value of Reaper's own tables does not parse.
    #[error("reaper's own {what} does not parse: {problem}")]
    Corrupt {
        /// Which value.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A payload that no store could give back.
    #[error("the payload {0}")]
    Payload(String),
    /// Anything else that the database says.
    #[error("the database refused: {0}")]
    Database(String),
}
