//! The load of a pass: one statement over all sets finds its rows, in pages; a second one reads them, if there are any.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use diesel::PgConnection;
use reaper_core::{JobId, node::LostAttempts};

use super::{pool::Session, schema, sql};
use crate::{
    database::{
        Fault, Form, Named, Statement, Value,
        books::clock,
        parts::{Reading, since},
        row::{RawRow, raw_job},
        values::sql_limit,
    },
    facts::{Cursor, Here, Page, Wanted},
};

/// A statement that finds rows, with its form. The names of its values are the same in every load, and there are many.
struct Finder {
    sql: &'static str,
    form: OnceLock<Arc<Form>>,
}

/// One for each kind of load.
struct Finders {
    all: Finder,
    healthy: Finder,
    watched: Finder,
    named: Finder,
    due: Finder,
}

impl Finder {
    const fn new(sql: &'static str) -> Self {
        Self { sql, form: OnceLock::new() }
    }
}

impl Finders {
    /// The one that looks at no more than what is wanted.
    const fn of(&self, wanted: &Wanted) -> &Finder {
        match &wanted.here {
            _ if !wanted.lost.is_empty() || wanted.beats_until.is_some() => &self.all,
            Some(Here { since: Some(_), .. }) => &self.watched,
            None if wanted.suspects.is_empty() => &self.due,
            None => &self.named,
            Some(_) if !wanted.suspects.is_empty() => &self.all,
            Some(here) if here.bare_pids => &self.all,
            Some(_) => &self.healthy,
        }
    }
}

/// These ask whether the database is prepared, too: a load that finds nothing is one round trip.
static CHECKED: Finders = Finders {
    all: Finder::new(sql::LOAD),
    healthy: Finder::new(sql::LOAD_HEALTHY),
    watched: Finder::new(sql::LOAD_WATCHED),
    named: Finder::new(sql::LOAD_NAMED),
    due: Finder::new(sql::LOAD_DUE),
};

static UNCHECKED: Finders = Finders {
    all: Finder::new(sql::LOAD_ON),
    healthy: Finder::new(sql::LOAD_HEALTHY_ON),
    watched: Finder::new(sql::LOAD_WATCHED_ON),
    named: Finder::new(sql::LOAD_NAMED_ON),
    due: Finder::new(sql::LOAD_DUE_ON),
};

/// A page.
pub(super) fn load(
    mut session: Session<'_>,
    database: &str,
    wanted: &Wanted,
    from: &Cursor,
    limit: usize,
) -> Result<Page, Fault> {
    let (found, reading) = find(session.connection, CHECKED.of(wanted), wanted, from, limit)?;
    let found = schema::checked(&mut session, found, database)?;
    read(session.connection, found, reading)
}

/// The first page within a call that has looked at the schema already.
pub(super) fn load_on(connection: &mut PgConnection, wanted: &Wanted, limit: usize) -> Result<Page, Fault> {
    let (mut found, reading) = find(connection, UNCHECKED.of(wanted), wanted, &Cursor::default(), limit)?;
    found.iter_mut().for_each(schema::skip_check);
    read(connection, found, reading)
}

fn find(
    connection: &mut PgConnection,
    Finder { sql, form }: &Finder,
    wanted: &Wanted,
    from: &Cursor,
    limit: usize,
) -> Result<(Vec<RawRow>, Reading), Fault> {
    let (reading, places) = Reading::begin(wanted, from, sql_limit(limit.max(1)));
    let mut values: Vec<Named<'_>> = vec![
        ("exits_until", wanted.exits_until.timestamp_millis().into()),
        ("started_until", wanted.started_until.timestamp_millis().into()),
        ("beats_until", wanted.beats_until.map(|until| until.timestamp_millis()).into()),
        ("suspects", Value::ints(&wanted.suspects, JobId::as_int)),
        ("lost_hosts", Value::texts(&wanted.lost, |lost| Some(lost.host.as_str()))),
        ("lost_prefixes", Value::texts(&wanted.lost, |lost| Some(lost.prefix.as_str()))),
        ("lost_whole", Value::ints(&wanted.lost, |lost| Some(i64::from(lost.attempts == LostAttempts::All)))),
        ("bare", i64::from(wanted.here.as_ref().is_some_and(|here| here.bare_pids)).into()),
        ("host", wanted.here.as_ref().map(|here| here.host.as_str()).into()),
        ("since", since(wanted).into()),
    ];
    values.extend(places.into_iter().map(|(name, value)| (name, value.into())));
    let form = form.get_or_init(|| Arc::new(Form::new(sql, &values)));
    Ok((Statement::of(form, values).rows(connection)?, reading))
}

/// Reads the rows that were found, in their order. One that was deleted meanwhile is passed by.
fn read(connection: &mut PgConnection, found: Vec<RawRow>, mut reading: Reading) -> Result<Page, Fault> {
    let (mut now, mut ids) = (None, Vec::new());
    for mut row in found {
        now = row.next_int().or(now);
        let (part, key, id) = (row.next_int(), row.next_int(), row.next_int());
        if let Some((part, id)) = part.zip(id) {
            reading.pass(part, key, id);
            ids.push(Some(id));
        }
    }
    if !ids.is_empty() {
        let order = ids.clone();
        let rows = Statement::new(sql::JOBS, [("jobs", Value::Ints(ids))]).rows(connection)?;
        let mut rows: BTreeMap<_, _> =
            rows.into_iter().filter_map(|mut row| raw_job(&mut row)).map(|raw| (raw.id, raw)).collect();
        for raw in order.into_iter().flatten().filter_map(|id| rows.remove(&id)) {
            reading.add(raw);
        }
    }
    Ok(reading.end(clock(now)?))
}
