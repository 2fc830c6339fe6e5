//! Whether a database is prepared, by this version of Reaper and not by a newer one.

use diesel::SqliteConnection;

use super::{fault::Fault, migrate::LATEST, sql, statement::Statement};
use crate::StoreError;

/// Fails unless the latest migration that was run is this program's latest.
pub(super) fn check(connection: &mut SqliteConnection, database: &str) -> Result<(), Fault> {
    let row = Statement::new(sql::VERSION, []).first_row(connection)?;
    check_version(row.and_then(|mut row| row.next_text()).as_deref(), database)
}

/// The same, of a version that was read already.
pub(super) fn check_version(version: Option<&str>, database: &str) -> Result<(), Fault> {
    let not_migrated = |problem: String| StoreError::NotMigrated { database: database.into(), problem };
    match version {
        Some(LATEST) => Ok(()),
        Some(newer) if newer > LATEST => {
            Err(StoreError::NewerSchema { database: database.into(), found: newer.into() }.into())
        }
        Some(older) => Err(not_migrated(format!("it is at migration {older}, not {LATEST}")).into()),
        None => Err(not_migrated("it has no migration".into()).into()),
    }
}
