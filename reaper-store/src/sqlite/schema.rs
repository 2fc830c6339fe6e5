//! Whether a database is prepared: by this version of Reaper, not by a newer one, and still.

use diesel::SqliteConnection;

use super::{
    pool::{Session, Verified},
    sql,
};
use crate::{
    StoreError,
    database::{Fault, Statement, absent, check_version},
};

/// Fails unless the latest migration that was run is this program's latest, and all that it made is there.
///
/// An owner who rebuilds a table takes its triggers away without knowing; without them a fence means nothing. So
/// whenever the schema has another number than when it was last looked through, it is looked through again.
///
/// Answers with the version of the data on this connection.
pub(super) fn check(session: &mut Session<'_>, database: &str) -> Result<i64, Fault> {
    // Nobody else has written since it was looked through, and this connection changes no schema: it is as it was.
    let data = data_version(session.connection)?;
    if session.verified.is_some_and(|verified| verified.data == data) {
        return Ok(data);
    }
    let schema = first_int(session.connection, sql::SCHEMA_VERSION)?;
    let version = Statement::new(sql::VERSION, []).first_row(session.connection)?;
    check_version::<SqliteConnection>(version.and_then(|mut row| row.next_text()).as_deref(), database)?;
    if session.verified.map(|verified| verified.schema) != schema {
        let absent = absent(session.connection)?;
        if !absent.is_empty() {
            let problem = format!("it lacks {}", absent.join(", "));
            return Err(StoreError::NotMigrated { database: database.into(), problem }.into());
        }
    }
    *session.verified = schema.map(|schema| Verified { schema, data });
    Ok(data)
}

/// The [version](crate::Facts::version) of the database: another one whenever anybody has written.
///
/// SQLite's own is a connection's: it leaves out what that connection writes itself, and stands still while it has a
/// transaction open. A checkpoint that truncates the log raises it too, which costs a pass and is no harm.
pub(super) fn version(session: Session<'_>) -> Result<u64, Fault> {
    let data = data_version(session.connection)?;
    Ok(session.version(data))
}

fn data_version(connection: &mut SqliteConnection) -> Result<i64, Fault> {
    let untold = || StoreError::Corrupt { what: "data version", problem: "SQLite does not tell it".into() };
    Ok(first_int(connection, sql::DATA_VERSION)?.ok_or_else(untold)?)
}

fn first_int(connection: &mut SqliteConnection, sql: &'static str) -> Result<Option<i64>, Fault> {
    Ok(Statement::new(sql, []).first_row(connection)?.and_then(|mut row| row.next_int()))
}
