#![doc = include_str!("../../docs/postgres.md")]

use diesel::PgConnection;

mod claims;
mod connection;
mod driver;
mod fault;
mod foreign;
mod load;
mod options;
mod pool;
mod schema;
mod script;
mod sql;
mod take;
mod url;

pub use connection::connect;
pub use options::{Options, Pooling};

#[cfg(feature = "contract")]
pub(crate) use script::scripts;

use self::pool::Pool;
use crate::{
    Claim, StoreError,
    attempts::{Launcher, Taken, Wants},
    database::{Database, Failed, Fault, Phase, Statement, Value, books::int, row::RawRow},
    facts::{Cursor, Page, Wanted},
};

/// A jobs table in a PostgreSQL database: a whole [`Store`](crate::Store), with its [`Schema`](crate::Schema).
///
/// A few connections are kept, one for each call that is under way at once. One that broke is dropped, and those that
/// are kept with it: the next call makes a new one.
#[derive(Debug)]
pub struct PostgresStore {
    pool: Pool,
}

impl PostgresStore {
    /// Opens an existing database by its `postgres://` URL, and makes sure that it answers. It need not be prepared
    /// for Reaper yet.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unreachable`] where it does not answer or the URL is none. No error shows the password.
    pub fn open(url: &str, options: Options) -> Result<Self, StoreError> {
        let store = Self { pool: Pool::new(url, options)? };
        store.pool.read(|_| Ok(()))?;
        Ok(store)
    }
}

impl Database for PostgresStore {
    type Driver = PgConnection;

    fn read<T>(&self, read: impl FnOnce(&mut PgConnection) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.pool.read(|mut session| {
            schema::check(&mut session, self.name())?;
            read(session.connection)
        })
    }

    fn write_in_phases<T>(&self, write: impl FnOnce(&mut PgConnection) -> Result<T, Fault>) -> Result<T, Failed> {
        self.pool.write(|mut session| {
            schema::prepare(&mut session, &self.pool)?;
            write(session.connection)
        })
    }

    fn look<T>(&self, look: impl FnOnce(&mut PgConnection) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.pool.read(|session| look(session.connection))
    }

    fn write_as_is<T>(&self, write: impl FnOnce(&mut PgConnection) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.pool.write(|session| write(session.connection)).map_err(Self::failure)
    }

    fn alter<T>(&self, alter: impl FnOnce(&mut PgConnection) -> Result<T, Fault>) -> Result<T, StoreError> {
        let altered = self.pool.write(|session| {
            let connection = session.connection;
            Statement::new(sql::MIGRATION_LOCK, []).first_row(connection)?;
            alter(connection)
        });
        self.pool.forget();
        altered.map_err(Self::failure)
    }

    fn begin<T>(
        &self,
        first: &Statement<'_>,
        then: impl FnOnce(&mut PgConnection, Vec<RawRow>, Option<u64>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.pool.read(|mut session| {
            let rows = first.rows(session.connection)?;
            let rows = schema::checked(&mut session, rows, self.name())?;
            then(session.connection, rows, None)
        })
    }

    fn page(&self, wanted: &Wanted, from: &Cursor, limit: usize) -> Result<Page, StoreError> {
        self.pool.read(|session| load::load(session, self.name(), wanted, from, limit))
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

    /// A transaction that is still on its way to its end holds its rows, so they are waited for first.
    fn has_settled(&self, claims: &[Claim]) -> Result<bool, StoreError> {
        self.pool.apart(|connection| {
            self.await_end(connection, Value::ints(claims, |claim| claim.attempt.job.as_int()))?;
            let ids = Value::ints(claims, |claim| Some(claim.event.0));
            Ok(int(Statement::new(sql::EVENTS_KNOWN, [("ids", ids)]).first_row(connection)?) > 0)
        })
    }

    fn name(&self) -> &str {
        &self.pool.named().database
    }

    fn failure(failed: Failed) -> StoreError {
        let Failed { error, phase } = failed;
        match phase {
            // The server said no, so it has rolled back.
            Phase::Before | Phase::Refused => error,
            Phase::Commit => StoreError::OutcomeUnknown(error.to_string()),
        }
    }

    fn is_whole(error: &StoreError) -> bool {
        fault::is_whole(error)
    }
}

#[cfg(all(test, feature = "contract"))]
mod tests;
