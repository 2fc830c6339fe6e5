#![doc = include_str!("../../docs/sqlite.md")]

use std::{path::Path, time::Duration};

use diesel::{SqliteConnection, connection::SimpleConnection as _};
use reaper_core::Timestamp;

mod claims;
mod connection;
mod driver;
mod events;
mod fault;
mod foreign;
mod load;
mod pool;
mod schema;
mod script;
mod sql;
mod take;

pub use connection::{OpenFile, connect};

use self::{
    connection::{Access, check_format},
    pool::Pool,
};
use crate::{
    Claim, StoreError,
    attempts::{Launcher, Taken, Wants},
    database::{
        Database, Failed, Fault, Phase, Statement, Value,
        books::int,
        row::{RawRow, instant},
    },
    facts::{Cursor, Page, Upcoming, Wanted},
};

/// What happens to the journal mode of a database that another program has made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Journal {
    /// It stays as it is.
    #[default]
    Keep,
    /// Write-ahead logging: readers and the writer do not wait for each other. It stays with the file.
    Wal,
}

/// How a database is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long a call waits for another program's lock before it is told [`StoreError::Busy`]. Default 5 s.
    pub busy_timeout: Duration,
    /// Nothing is ever written, and every call that would fails with [`StoreError::ReadOnly`].
    pub read_only: bool,
    /// The journal mode of a database that is adopted. One that Reaper creates has write-ahead logging.
    pub journal: Journal,
}

impl Default for Options {
    fn default() -> Self {
        Self { busy_timeout: Duration::from_secs(5), read_only: false, journal: Journal::Keep }
    }
}

/// A jobs table in a SQLite file: a whole [`Store`](crate::Store), with its [`Schema`](crate::Schema).
///
/// A few connections are kept, one for each call that is under way at once. Where the file is replaced, the new one is
/// opened; where it is gone, calls fail until it is there again.
#[derive(Debug)]
pub struct SqliteStore {
    pool: Pool,
    journal: Journal,
}

impl SqliteStore {
    /// Opens an existing database. It need not be prepared for Reaper yet.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] where there is no file, it cannot be opened, or it is no SQLite database. Nothing is created.
    pub fn open(path: &Path, options: Options) -> Result<Self, StoreError> {
        let access = if options.read_only { Access::Read } else { Access::Write };
        let store = Self { pool: Pool::new(path, access, options.busy_timeout)?, journal: options.journal };
        store.pool.read(|session| check_format(session.connection))?;
        Ok(store)
    }

    /// Opens a database that need not exist: [`Schema::migrate`](crate::Schema::migrate) creates it then, and only
    /// that.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), where there is a file.
    pub fn create_or_open(path: &Path, options: Options) -> Result<Self, StoreError> {
        if options.read_only {
            return Self::open(path, options);
        }
        let pool = Pool::new(path, Access::Create, options.busy_timeout)?;
        if pool.path().exists() {
            pool.read(|session| check_format(session.connection))?;
        }
        Ok(Self { pool, journal: options.journal })
    }

    /// Makes the file where there is none and it may be made, and sets the journal mode: of a new database, and of
    /// another where that was asked for.
    fn create(&self) -> Result<(), StoreError> {
        if self.pool.access() == Access::Read {
            return Err(StoreError::ReadOnly(self.name().into()));
        }
        let (mut connection, _file) = self.pool.fresh(self.pool.access())?;
        let created = (|| {
            check_format(&mut connection)?;
            let objects = Statement::new(sql::OBJECTS, []).first_row(&mut connection)?;
            if self.journal == Journal::Wal || objects.is_none() {
                connection.batch_execute("PRAGMA journal_mode = WAL")?;
            }
            Ok(())
        })();
        created.map_err(|fault: Fault| self.pool.named().error(fault))
    }

    /// Reads, in a database that is prepared. All statements see one state of it; they also share one lock, which costs
    /// more than a short statement. Also given is the version of what is read.
    fn read_version<T>(
        &self,
        read: impl FnOnce(&mut SqliteConnection, u64) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.pool.read(|mut session| {
            // Where anything fails the connection is dropped, and the transaction with it.
            Statement::new(sql::BEGIN, []).run(session.connection)?;
            let data = schema::check(&mut session, self.name())?;
            let value = read(session.connection, session.version(data))?;
            Statement::new(sql::END, []).run(session.connection)?;
            Ok(value)
        })
    }
}

impl Database for SqliteStore {
    type Driver = SqliteConnection;

    fn read<T>(&self, read: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.read_version(|connection, _| read(connection))
    }

    fn write_in_phases<T>(
        &self,
        write: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, Failed> {
        self.pool.write(|mut session| {
            schema::check(&mut session, self.name())?;
            write(session.connection)
        })
    }

    fn look<T>(&self, look: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.pool.read(|session| {
            check_format(session.connection)?;
            look(session.connection)
        })
    }

    fn write_as_is<T>(
        &self,
        write: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.pool.write(|session| write(session.connection)).map_err(Self::failure)
    }

    fn alter<T>(&self, alter: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>) -> Result<T, StoreError> {
        let altered = self.pool.write(|session| {
            check_format(session.connection)?;
            alter(session.connection)
        });
        self.pool.forget();
        altered.map_err(Self::failure)
    }

    fn begin<T>(
        &self,
        first: &Statement<'_>,
        then: impl FnOnce(&mut SqliteConnection, Vec<RawRow>, Option<u64>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.read_version(|connection, version| {
            let rows = first.rows(connection)?;
            then(connection, rows, Some(version))
        })
    }

    fn page(&self, wanted: &Wanted, from: &Cursor, limit: usize) -> Result<Page, StoreError> {
        self.read(|connection| load::load(connection, wanted, from, limit))
    }

    fn token(&self) -> Result<Option<u64>, StoreError> {
        self.pool.read(schema::version).map(Some)
    }

    fn next_due(&self, exits_until: Timestamp, started_until: Timestamp) -> Result<Option<Upcoming>, StoreError> {
        let limits = [
            ("exits_until", exits_until.timestamp_millis().into()),
            ("started_until", started_until.timestamp_millis().into()),
        ];
        self.read(|connection| {
            let row = Statement::new(sql::UPCOMING, limits).first_row(connection)?;
            Ok(row.map(|mut row| {
                let mut next = || row.next_int().and_then(instant);
                Upcoming { exit: next(), start: next(), effect: next() }
            }))
        })
    }

    fn take_next(
        &self,
        wants: &Wants,
        behind: i64,
        launcher: &Launcher,
        chosen: &mut Option<i64>,
    ) -> Result<Option<Taken>, Failed> {
        take::take_next(self, wants, behind, launcher, chosen)
    }

    fn has_settled(&self, claims: &[Claim]) -> Result<bool, StoreError> {
        let ids = Value::ints(claims, |claim| Some(claim.event.0));
        let known = Statement::new(sql::EVENTS_KNOWN, [("ids", ids)]);
        self.read(|connection| Ok(int(known.first_row(connection)?) > 0))
    }

    fn make(&self) -> Result<(), StoreError> {
        self.create()
    }

    fn is_there(&self) -> bool {
        self.pool.access() != Access::Create || self.pool.path().exists()
    }

    fn name(&self) -> &str {
        &self.pool.named().database
    }

    fn failure(failed: Failed) -> StoreError {
        let Failed { error, phase } = failed;
        // SQLite says these before anything of the commit is done, and rolls back.
        let undone = matches!(error, StoreError::Busy { .. } | StoreError::Full(_) | StoreError::ReadOnly(_));
        match phase {
            Phase::Before | Phase::Refused => error,
            Phase::Commit if undone => error,
            Phase::Commit => StoreError::OutcomeUnknown(error.to_string()),
        }
    }

    fn is_whole(error: &StoreError) -> bool {
        fault::is_whole(error)
    }
}

#[cfg(test)]
mod tests;
