#![doc = include_str!("../../docs/postgres.md")]

use diesel::PgConnection;

mod attempts;
mod claims;
mod connection;
mod control;
mod facts;
mod fault;
mod foreign;
mod history;
mod instances;
mod load;
mod migrate;
mod nodes;
mod options;
mod outbox;
mod pool;
mod schema;
mod script;
mod sql;
mod statement;
mod url;

pub use connection::connect;
pub use options::{Options, Pooling};

#[cfg(feature = "contract")]
pub(crate) use migrate::scripts;

use self::{
    fault::Fault,
    pool::{Failed, Phase, Pool},
};
use crate::StoreError;

/// A jobs table in a PostgreSQL database.
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

    /// The database, as errors name it.
    fn database(&self) -> &str {
        &self.pool.named().database
    }

    /// Reads, in a database that is prepared.
    fn read<T>(&self, read: impl FnOnce(&mut PgConnection) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.pool.read(|mut session| {
            schema::check(&mut session, self.database())?;
            read(session.connection)
        })
    }

    /// Writes, in a database that is prepared, and says where it failed.
    fn write_in_phases<T>(&self, write: impl FnOnce(&mut PgConnection) -> Result<T, Fault>) -> Result<T, Failed> {
        self.pool.write(|mut session| {
            schema::prepare(&mut session, &self.pool)?;
            write(session.connection)
        })
    }

    /// Writes, in a database that is prepared.
    fn write<T>(&self, write: impl FnOnce(&mut PgConnection) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.write_in_phases(write).map_err(Self::failure)
    }

    /// What a write that failed is to whoever called.
    fn failure(failed: Failed) -> StoreError {
        let Failed { error, phase } = failed;
        match phase {
            // The server said no, so it has rolled back.
            Phase::Before | Phase::Refused => error,
            Phase::Commit => StoreError::OutcomeUnknown(error.to_string()),
        }
    }
}

#[cfg(all(test, feature = "contract"))]
mod tests;
