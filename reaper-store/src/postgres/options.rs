//! How a database is opened.

use std::time::Duration;

/// What stands between the store and its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooling {
    /// Nothing, or a pooler that gives each client a session of its own: time limits are sent when the connection is
    /// made, and statements stay prepared.
    #[default]
    Session,
    /// A pooler that gives a client another session for each transaction: nothing is sent at the start, every call is
    /// a transaction that sets its own limits, and no statement stays prepared.
    Transaction,
}

/// How a database is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long a statement waits for another program's lock before the call is told
    /// [`StoreError::Busy`](crate::StoreError::Busy). Default 5 s.
    pub lock_timeout: Duration,
    /// How long a statement may take. Default 60 s.
    pub statement_timeout: Duration,
    /// How long the server lets a transaction of this store stand idle before it ends the connection: a store that
    /// was stopped in the middle of a claim holds its rows no longer than that. Default 60 s.
    pub idle_timeout: Duration,
    /// How long making a connection may take. Default 10 s, in whole seconds and at least 2.
    pub connect_timeout: Duration,
    /// Nothing is ever written, and every call that would fails with
    /// [`StoreError::ReadOnly`](crate::StoreError::ReadOnly).
    pub read_only: bool,
    /// What stands between.
    pub pooling: Pooling,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lock_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            read_only: false,
            pooling: Pooling::Session,
        }
    }
}

/// A duration in milliseconds, as PostgreSQL's settings take it: at least 1, because 0 is "no limit".
pub(super) fn setting(limit: Duration) -> i64 {
    i64::try_from(limit.as_millis()).unwrap_or(i64::MAX).clamp(1, i64::from(i32::MAX))
}
