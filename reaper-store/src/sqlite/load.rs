//! The load of a pass: one statement over all sets, read in pages.

use std::sync::{Arc, OnceLock};

use diesel::SqliteConnection;
use reaper_core::{JobId, node::LostAttempts};

use super::{driver::json, sql};
use crate::{
    database::{
        Fault, Form, Statement,
        books::clock,
        parts::{Reading, since},
        values::sql_limit,
    },
    facts::{Cursor, Page, Wanted},
};

pub(super) fn load(
    connection: &mut SqliteConnection,
    wanted: &Wanted,
    from: &Cursor,
    limit: usize,
) -> Result<Page, Fault> {
    let limit = sql_limit(limit.max(1));
    let suspects = json(&wanted.suspects.iter().filter_map(JobId::as_int).collect::<Vec<_>>());
    let lost: Vec<_> =
        wanted.lost.iter().map(|lost| (&lost.host, &lost.prefix, lost.attempts == LostAttempts::All)).collect();
    let lost = json(&lost);
    let bare = i64::from(wanted.here.as_ref().is_some_and(|here| here.bare_pids));
    let (mut reading, places) = Reading::begin(wanted, from, limit);
    let mut values = vec![
        ("exits_until", wanted.exits_until.timestamp_millis().into()),
        ("started_until", wanted.started_until.timestamp_millis().into()),
        ("beats_until", wanted.beats_until.map(|until| until.timestamp_millis()).into()),
        ("suspects", (&suspects).into()),
        ("lost", (&lost).into()),
        ("bare", bare.into()),
        ("host", wanted.here.as_ref().map(|here| here.host.as_str()).into()),
        ("since", since(wanted).into()),
    ];
    values.extend(places.into_iter().map(|(name, value)| (name, value.into())));
    // The names are the same in every load, and there are many places for them.
    static FORM: OnceLock<Arc<Form>> = OnceLock::new();
    let statement = Statement::of(FORM.get_or_init(|| Arc::new(Form::new(sql::LOAD, &values))), values);
    let mut now = None;
    for mut row in statement.rows(connection)? {
        now = row.next_int().or(now);
        reading.take(&mut row);
    }
    Ok(reading.end(clock(now)?))
}
