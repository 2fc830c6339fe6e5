//! The load of a pass: one statement over all sets, read in pages.

use reaper_core::{JobId, node::LostAttempts};

use super::{
    fault::Fault,
    pool::Session,
    schema, sql,
    statement::{Statement, Value},
};
use crate::{
    books::clock,
    facts::{Cursor, Page, Wanted},
    parts::Reading,
    values::sql_limit,
};

pub(super) fn load(
    mut session: Session<'_>,
    database: &str,
    wanted: &Wanted,
    from: &Cursor,
    limit: usize,
) -> Result<Page, Fault> {
    let limit = sql_limit(limit.max(1));
    let suspects = Value::ints(&wanted.suspects, JobId::as_int);
    let prefixes: Vec<_> = wanted.lost.iter().map(|lost| lost.id.prefix()).collect();
    let statement = Statement::new(
        sql::LOAD,
        [
            ("exits_until", wanted.exits_until.timestamp_millis().into()),
            ("started_until", wanted.started_until.timestamp_millis().into()),
            ("suspects", suspects),
            ("lost_hosts", Value::texts(&wanted.lost, |lost| Some(lost.id.host.as_str()))),
            ("lost_prefixes", Value::texts(&prefixes, |prefix| Some(prefix.as_str()))),
            ("lost_whole", Value::ints(&wanted.lost, |lost| Some(i64::from(lost.attempts == LostAttempts::All)))),
            ("bare", i64::from(wanted.here.as_ref().is_some_and(|here| here.bare_pids)).into()),
            ("host", wanted.here.as_ref().map(|here| here.host.as_str()).into()),
        ],
    );
    let (mut reading, places) = Reading::begin(wanted, from, limit);
    let statement = statement.with(places.into_iter().map(|(name, value)| (name, value.into())));
    let mut now = None;
    for (at, mut row) in statement.rows(session.connection)?.into_iter().enumerate() {
        // Whether the database is prepared is asked by the same statement: an idle pass is one round trip.
        if at == 0 {
            schema::check_row(&mut session, Some(&mut row), database)?;
        } else {
            let (_version, _triggers) = (row.next(), row.next());
        }
        now = row.next_int().or(now);
        reading.take(&mut row);
    }
    Ok(reading.end(clock(now)?))
}
