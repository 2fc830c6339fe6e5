//! Whether a database is prepared: by this version of Reaper, not by a newer one, and still.

use diesel::PgConnection;

use super::{
    options::setting,
    pool::{Pool, Session},
    script, sql,
};
use crate::{
    StoreError,
    database::{Fault, Statement, absent, check_version, row::RawRow},
};

/// Fails unless the latest migration that was run is this program's latest, and its triggers are there.
///
/// An owner who rebuilds a table takes its triggers away without knowing; without them a fence means nothing. So they
/// are counted at every call, and all that a migration makes is looked for once on every connection.
pub(super) fn check(session: &mut Session<'_>, database: &str) -> Result<(), Fault> {
    let mut row = Statement::new(sql::CHECK, []).first_row(session.connection)?;
    check_row(session, row.as_mut(), database)
}

/// Does the same at the beginning of a transaction that writes, and sets what holds for it alone.
pub(super) fn prepare(session: &mut Session<'_>, pool: &Pool) -> Result<(), Fault> {
    let options = pool.options();
    let limit = |limit| setting(limit).to_string();
    let (lock, statement, idle) =
        (limit(options.lock_timeout), limit(options.statement_timeout), limit(options.idle_timeout));
    let prepared = Statement::new(
        sql::PREPARE,
        [("lock_timeout", (&lock).into()), ("statement_timeout", (&statement).into()), ("idle", (&idle).into())],
    );
    let mut row = prepared.first_row(session.connection)?;
    check_row(session, row.as_mut(), &pool.named().database)
}

/// Judges the first two columns of a row: the latest version, and the number of triggers.
fn check_row(session: &mut Session<'_>, row: Option<&mut RawRow>, database: &str) -> Result<(), Fault> {
    let (version, triggers) = row.map_or((None, None), |row| (row.next_text(), row.next_int()));
    check_version::<PgConnection>(version.as_deref(), database)?;
    let is_whole = triggers == Some(script::triggers());
    if !is_whole || !*session.is_verified {
        let absent = absent(session.connection)?;
        if !absent.is_empty() || !is_whole {
            let problem = match absent.is_empty() {
                true => "one of its triggers has a name of Reaper's and is not Reaper's".into(),
                false => format!("it lacks {}", absent.join(", ")),
            };
            return Err(StoreError::NotMigrated { database: database.into(), problem }.into());
        }
        *session.is_verified = true;
    }
    Ok(())
}

/// Judges the first two columns of the first row, and gives the rows without them.
pub(super) fn checked(
    session: &mut Session<'_>,
    mut rows: Vec<RawRow>,
    database: &str,
) -> Result<Vec<RawRow>, Fault> {
    check_row(session, rows.first_mut(), database)?;
    rows.iter_mut().skip(1).for_each(skip_check);
    Ok(rows)
}

/// Leaves the first two columns of a row out.
pub(super) fn skip_check(row: &mut RawRow) {
    let (_version, _triggers) = (row.next(), row.next());
}
