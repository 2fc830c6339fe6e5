//! How a connection is made.

use diesel::{Connection as _, PgConnection, connection::CacheSize, result::ConnectionError};

use super::{
    fault::Named,
    options::{Options, Pooling},
    url::Url,
};
use crate::StoreError;

/// Makes a connection to an existing PostgreSQL database as the store's own are made: with its time limits and TCP
/// keepalives.
///
/// For code beside the store that writes to the same database, such as an advance in SQL. Behind a transaction pooler
/// ([`Pooling::Transaction`]) a transaction sets its own limits.
///
/// # Errors
///
/// [`StoreError::Unreachable`] where it does not answer or the URL is none. No error shows the password.
pub fn connect(url: &str, options: Options) -> Result<PgConnection, StoreError> {
    let url = Url::parse(url, &options)?;
    establish(&url, options.pooling, &Named::of(&url, &options))
}

pub(super) fn establish(url: &Url, pooling: Pooling, named: &Named) -> Result<PgConnection, StoreError> {
    let mut connection = PgConnection::establish(&url.full).map_err(|error| {
        // Diesel's own words add nothing to libpq's, which come in several lines.
        let problem =
            if let ConnectionError::BadConnection(problem) = error { problem } else { error.to_string() };
        let problem = problem.trim().lines().map(str::trim).collect::<Vec<_>>().join("; ");
        StoreError::Unreachable { database: named.database.clone(), problem }
    })?;
    if pooling == Pooling::Transaction {
        connection.set_prepared_statement_cache_size(CacheSize::Disabled);
    }
    Ok(connection)
}
