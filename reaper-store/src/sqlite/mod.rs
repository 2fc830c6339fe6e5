//! The store on SQLite, through diesel, with its own bundled library.
//!
//! Every write is one `BEGIN IMMEDIATE` transaction: a deferred one that upgrades gets BUSY at once, whatever the
//! timeout. A read that finds nothing to do takes no lock. A connection that has seen an error is not used again.

mod attempts;
mod claims;
mod connection;
mod control;
mod facts;
mod fault;
mod history;
mod migrate;
mod outbox;
mod row;
mod sql;

use std::{path::Path, time::Duration};

use connection::Connections;
pub use connection::connect;

use crate::StoreError;

/// How a database is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long a statement waits for another program's lock. Default 5 s.
    pub busy_timeout: Duration,
    /// Whether nothing is ever written. Default false.
    pub read_only: bool,
    /// Whether a database that another program made is put into WAL mode by a migration. One that Reaper makes is
    /// always in it. Default false.
    pub wal: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { busy_timeout: Duration::from_secs(5), read_only: false, wal: false }
    }
}

/// A store on a SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    connections: Connections,
}

impl SqliteStore {
    /// Opens a file that is there. Does not prepare it: that is [`Schema::migrate`](crate::Schema::migrate).
    ///
    /// # Errors
    ///
    /// [`StoreError::Unreachable`] where there is no such file or it cannot be opened, and
    /// [`StoreError::NotADatabase`] where it holds something else.
    pub fn open(path: &Path, options: Options) -> Result<Self, StoreError> {
        Ok(Self { connections: Connections::open(path, options)? })
    }

    /// Opens a file, or makes it, in WAL mode.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and where the file cannot be made.
    pub fn create_or_open(path: &Path, options: Options) -> Result<Self, StoreError> {
        connection::create_if_missing(path, &options)?;
        Self::open(path, options)
    }
}
