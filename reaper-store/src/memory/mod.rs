//! A store in memory: every trait, every rule of the triggers, and a clock that is told the time.
//!
//! It holds no file and no connection and reads no clock, so that a test or a trial of a pipeline is exact and
//! repeatable. It is a whole store: what the database adapters leave to triggers is code here, and it passes the
//! same suite as they do. It also takes the writes of a program that knows nothing of Reaper, through [`Foreign`].
//!
//! **Invariant:** one lock covers all tables, so every call is one transaction; nothing is changed by a call that
//! fails.
//!
//! [`Foreign`]: crate::foreign::Foreign

mod advance;
mod attempts;
mod claims;
mod control;
mod facts;
mod foreign;
mod history;
mod instances;
mod nodes;
mod outbox;
mod snapshot;
mod tables;
mod triggers;

#[cfg(test)]
mod tests;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use reaper_core::Timestamp;

pub use advance::CarriedOut;
use tables::Tables;

/// A store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
    /// How often the tables were seen to be others than before, and how they were then, apart from the clock.
    seen: Mutex<(u64, Option<Tables>)>,
}

impl MemoryStore {
    /// An empty store whose clock stands at this instant until it is told otherwise.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { tables: Mutex::new(Tables::new(now)), seen: Mutex::default() }
    }

    /// Sets the clock, forwards or backwards.
    pub fn set_now(&self, now: Timestamp) {
        self.tables().now = now;
    }

    /// Moves the clock forward, at most to the end of time.
    pub fn advance(&self, by: Duration) {
        let mut tables = self.tables();
        tables.now = later(tables.now, by);
    }

    /// All tables, under the lock. A panic elsewhere cannot have left half a change: every change is made after
    /// all that can fail.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An instant and a while, at most the end of time.
fn later(at: Timestamp, by: Duration) -> Timestamp {
    TimeDelta::from_std(by).ok().and_then(|by| at.checked_add_signed(by)).unwrap_or(Timestamp::MAX_UTC)
}
