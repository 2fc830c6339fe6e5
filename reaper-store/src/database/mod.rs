//! What is the same for every database behind diesel: the calls of a store, from their values to their rows.
//!
//! A database's own module has the rest: how it is connected to and prepared, its texts, the claim, the load and the
//! take, which each database does in its own way. This module asks for that through [`Database`], which is the store,
//! and [`Driver`], which is a connection of it.

use std::fmt::Debug;

use diesel::result::Error;

use crate::{
    Claim, StoreError,
    attempts::{Launcher, Taken, Wants},
    facts::{Cursor, Page, Upcoming, Wanted},
};
use reaper_core::Timestamp;

pub(crate) mod attempts;
mod bisect;
pub(crate) mod books;
mod claims;
mod control;
mod facts;
mod form;
mod history;
mod instances;
mod migrate;
mod nodes;
mod outbox;
pub(crate) mod parts;
pub(crate) mod row;
#[macro_use]
mod same;
#[macro_use]
pub(crate) mod script;
mod statement;
#[macro_use]
mod texts;
pub(crate) mod values;

pub(crate) use self::{
    claims::Requeue,
    migrate::{absent, check_version},
    outbox::Post,
    script::Script,
    statement::{Bound, Driver, Form, IsThere, Leased, Named, Statement, Value},
    texts::Texts,
};

#[cfg(all(test, feature = "sqlite"))]
pub(crate) use self::claims::after_commit;

/// A store behind diesel.
pub(crate) trait Database: Debug + Send + Sync {
    /// Its connections.
    type Driver: Driver;

    /// Reads, in a database that is prepared.
    fn read<T>(&self, read: impl FnOnce(&mut Self::Driver) -> Result<T, Fault>) -> Result<T, StoreError>;

    /// Writes all or nothing, in a database that is prepared, and says where it failed.
    fn write_in_phases<T>(&self, write: impl FnOnce(&mut Self::Driver) -> Result<T, Fault>) -> Result<T, Failed>;

    /// Writes all or nothing, in a database that is prepared.
    fn write<T>(&self, write: impl FnOnce(&mut Self::Driver) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.write_in_phases(write).map_err(Self::failure)
    }

    /// Reads, whatever state the schema is in.
    fn look<T>(&self, look: impl FnOnce(&mut Self::Driver) -> Result<T, Fault>) -> Result<T, StoreError>;

    /// Writes all or nothing, whatever state the schema is in: another Reaper's, a newer one's.
    fn write_as_is<T>(&self, write: impl FnOnce(&mut Self::Driver) -> Result<T, Fault>) -> Result<T, StoreError>;

    /// Changes the schema in one transaction, in which nobody else does; every connection looks at it anew afterwards.
    fn alter<T>(&self, alter: impl FnOnce(&mut Self::Driver) -> Result<T, Fault>) -> Result<T, StoreError>;

    /// Runs the first statement of a pass, in a database that is prepared, and goes on with its rows: a database that
    /// can looks at the schema in that very statement. Also given is the [version](crate::Facts::version) of what is
    /// read, where it can be told.
    fn begin<T>(
        &self,
        first: &Statement<'_>,
        then: impl FnOnce(&mut Self::Driver, Vec<row::RawRow>, Option<u64>) -> Result<T, Fault>,
    ) -> Result<T, StoreError>;

    /// A page of a load.
    fn page(&self, wanted: &Wanted, from: &Cursor, limit: usize) -> Result<Page, StoreError>;

    /// As [`Facts::version`](crate::Facts::version).
    fn token(&self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }

    /// As [`Facts::upcoming`](crate::Facts::upcoming).
    fn next_due(&self, exits_until: Timestamp, started_until: Timestamp) -> Result<Option<Upcoming>, StoreError> {
        let _untold = (exits_until, started_until);
        Ok(None)
    }

    /// Takes the oldest wanted job behind this id, and says which it has chosen before it writes anything of it.
    fn take_next(
        &self,
        wants: &Wants,
        behind: i64,
        launcher: &Launcher,
        chosen: &mut Option<i64>,
    ) -> Result<Option<Taken>, Failed>;

    /// Whether any of these claims has its event, by a look from a connection on which none of them was made.
    fn has_settled(&self, claims: &[Claim]) -> Result<bool, StoreError>;

    /// Makes the database ready to be migrated: one that need not exist is made.
    fn make(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whether there is a database; one that need not exist may be missing.
    fn is_there(&self) -> bool {
        true
    }

    /// The database, as errors name it.
    fn name(&self) -> &str;

    /// What a write that failed is to whoever called.
    fn failure(failed: Failed) -> StoreError;

    /// Whether an error is the whole database's and not one row's: splitting a set would not help.
    fn is_whole(error: &StoreError) -> bool;
}

/// What can end a step inside a store.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The driver's word.
    Driver(Error),
    /// One that is a store's error already.
    Store(StoreError),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A write that failed.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: StoreError,
    pub(crate) phase: Phase,
}

impl Failed {
    /// One that has changed nothing.
    pub(crate) const fn before(error: StoreError) -> Self {
        Self { error, phase: Phase::Before }
    }
}

/// Where a write failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Before or in BEGIN, or inside the transaction, which was rolled back: nothing was changed.
    Before,
    /// In COMMIT, which the database has answered with an error and undone: a constraint that was deferred, a standby
    /// that is gone.
    Refused,
    /// In COMMIT, in any other way: whether it took effect is not known.
    Commit,
}
