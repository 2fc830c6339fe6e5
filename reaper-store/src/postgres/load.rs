//! The load of a pass: one statement over all sets, read in pages.

use std::sync::{Arc, OnceLock};

use diesel::PgConnection;
use reaper_core::{JobId, node::LostAttempts};

use super::{
    fault::Fault,
    pool::Session,
    schema, sql,
    statement::{Form, Named, RawRow, Statement, Value},
};
use crate::{
    books::clock,
    facts::{Cursor, Page, Wanted},
    parts::Reading,
    values::sql_limit,
};

/// A page. Whether the database is prepared is asked by the same statement: it is one round trip.
pub(super) fn load(
    mut session: Session<'_>,
    database: &str,
    wanted: &Wanted,
    from: &Cursor,
    limit: usize,
) -> Result<Page, Fault> {
    static FORM: OnceLock<Arc<Form>> = OnceLock::new();
    let reading = Reading::begin(wanted, from, sql_limit(limit.max(1)));
    let (rows, reading) = read(session.connection, sql::LOAD, &FORM, wanted, reading)?;
    page(rows, reading, |row| schema::check_row(&mut session, Some(row), database))
}

/// The first page within a call that has looked at the schema already.
pub(super) fn load_on(connection: &mut PgConnection, wanted: &Wanted, limit: usize) -> Result<Page, Fault> {
    static FORM: OnceLock<Arc<Form>> = OnceLock::new();
    let reading = Reading::begin(wanted, &Cursor::default(), sql_limit(limit.max(1)));
    let (rows, reading) = read(connection, sql::LOAD_ON, &FORM, wanted, reading)?;
    page(rows, reading, |row| {
        skip_check(row);
        Ok(())
    })
}

fn read(
    connection: &mut PgConnection,
    sql: &'static str,
    form: &OnceLock<Arc<Form>>,
    wanted: &Wanted,
    (reading, places): (Reading, Vec<(&'static str, i64)>),
) -> Result<(Vec<RawRow>, Reading), Fault> {
    let prefixes: Vec<_> = wanted.lost.iter().map(|lost| lost.id.prefix()).collect();
    let mut values: Vec<Named<'_>> = vec![
        ("exits_until", wanted.exits_until.timestamp_millis().into()),
        ("started_until", wanted.started_until.timestamp_millis().into()),
        ("suspects", Value::ints(&wanted.suspects, JobId::as_int)),
        ("lost_hosts", Value::texts(&wanted.lost, |lost| Some(lost.id.host.as_str()))),
        ("lost_prefixes", Value::texts(&prefixes, |prefix| Some(prefix.as_str()))),
        ("lost_whole", Value::ints(&wanted.lost, |lost| Some(i64::from(lost.attempts == LostAttempts::All)))),
        ("bare", i64::from(wanted.here.as_ref().is_some_and(|here| here.bare_pids)).into()),
        ("host", wanted.here.as_ref().map(|here| here.host.as_str()).into()),
    ];
    values.extend(places.into_iter().map(|(name, value)| (name, value.into())));
    // The names are the same in every load, and there are many places for them.
    let form = form.get_or_init(|| Arc::new(Form::new(sql, &values)));
    Ok((Statement::of(form, values).rows(connection)?, reading))
}

/// The rows as a page; `first` takes from the first of them what it says of the schema.
fn page(
    rows: Vec<RawRow>,
    mut reading: Reading,
    first: impl FnOnce(&mut RawRow) -> Result<(), Fault>,
) -> Result<Page, Fault> {
    let (mut first, mut now) = (Some(first), None);
    for mut row in rows {
        match first.take() {
            Some(first) => first(&mut row)?,
            None => skip_check(&mut row),
        }
        now = row.next_int().or(now);
        reading.take(&mut row);
    }
    Ok(reading.end(clock(now)?))
}

fn skip_check(row: &mut RawRow) {
    let (_version, _triggers) = (row.next(), row.next());
}
