//! Whether a database is prepared: by this version of Reaper, not by a newer one, and still.

use diesel::SqliteConnection;

use super::{
    fault::Fault,
    migrate,
    migrate::LATEST,
    pool::{Session, Verified},
    sql,
    statement::Statement,
};
use crate::StoreError;

/// Fails unless the latest migration that was run is this program's latest, and all that it made is there.
///
/// An owner who rebuilds a table takes its triggers away without knowing; without them a fence means nothing. So
/// whenever the schema has another number than when it was last looked through, it is looked through again.
pub(super) fn check(session: &mut Session<'_>, database: &str) -> Result<(), Fault> {
    // Nobody else has written since it was looked through, and this connection changes no schema: it is as it was.
    let data = first_int(session.connection, sql::DATA_VERSION)?;
    if let Some(verified) = session.verified
        && data == Some(verified.data)
    {
        return Ok(());
    }
    let schema = first_int(session.connection, sql::SCHEMA_VERSION)?;
    let version = Statement::new(sql::VERSION, []).first_row(session.connection)?;
    check_version(version.and_then(|mut row| row.next_text()).as_deref(), database)?;
    if session.verified.map(|verified| verified.schema) != schema {
        let absent = migrate::absent(session.connection)?;
        if !absent.is_empty() {
            let problem = format!("it lacks {}", absent.join(", "));
            return Err(StoreError::NotMigrated { database: database.into(), problem }.into());
        }
    }
    *session.verified = schema.zip(data).map(|(schema, data)| Verified { schema, data });
    Ok(())
}

fn check_version(version: Option<&str>, database: &str) -> Result<(), Fault> {
    let not_migrated = |problem: String| StoreError::NotMigrated { database: database.into(), problem };
    match version {
        Some(LATEST) => Ok(()),
        Some(newer) if newer > LATEST => {
            Err(StoreError::NewerSchema { database: database.into(), found: newer.into() }.into())
        }
        Some(older) => Err(not_migrated(format!("it is at migration {older}, not {LATEST}")).into()),
        None => Err(not_migrated("no migration was run".into()).into()),
    }
}

fn first_int(connection: &mut SqliteConnection, sql: &'static str) -> Result<Option<i64>, Fault> {
    Ok(Statement::new(sql, []).first_row(connection)?.and_then(|mut row| row.next_int()))
}
