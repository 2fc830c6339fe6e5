//! The load of a pass: one statement over all sets, read in pages.

use std::sync::{Arc, OnceLock};

use diesel::SqliteConnection;
use reaper_core::{
    JobId,
    node::{LostAttempts, LostNode},
};

use super::{
    facts::{clock, json, sql_limit},
    fault::Fault,
    sql,
    statement::{Form, Statement, Value},
};
use crate::{
    facts::{Cursor, Page, Position, Wanted},
    row::raw_job,
};

/// A part of the load's statement: the names of its places.
struct Part {
    /// For the key after which it is read, where it is ordered by more than the id.
    key: Option<&'static str>,
    /// For the id after which it is read.
    after: &'static str,
    limit: &'static str,
    is_wanted: fn(&Wanted) -> bool,
}

macro_rules! part {
    ($name:literal, $is_wanted:expr) => {
        Part { key: None, after: concat!("after_", $name), limit: concat!("limit_", $name), is_wanted: $is_wanted }
    };
    (by_key $name:literal) => {
        Part { key: Some(concat!("key_", $name)), ..part!($name, |_| true) }
    };
}

/// In the order in which the statement numbers them.
const PARTS: [Part; 11] = [
    part!("timeless_exits", |_| true),
    part!(by_key "exits"),
    part!("timeless_starts", |_| true),
    part!(by_key "starts"),
    part!("late", |wanted| wanted.late_finishes),
    part!("suspects", |wanted| !wanted.suspects.is_empty()),
    part!("executors", |wanted| wanted.here.is_some()),
    part!("monitors", |wanted| wanted.here.is_some()),
    part!("bare", |wanted| wanted.here.as_ref().is_some_and(|here| here.bare_pids)),
    part!("lost_executors", |wanted| !wanted.lost.is_empty()),
    part!("lost_monitors", |wanted| !wanted.lost.is_empty()),
];

/// Where a part begins: after this key and id, and how many rows of it are read.
struct Start {
    key: i64,
    after: i64,
    limit: i64,
}

impl Part {
    fn start(&self, wanted: &Wanted, position: Option<&Position>, limit: i64) -> Start {
        let nothing = Start { key: i64::MAX, after: i64::MAX, limit: 0 };
        if !(self.is_wanted)(wanted) {
            return nothing;
        }
        match position {
            None | Some(Position::Start) => Start { key: i64::MIN, after: i64::MIN, limit },
            Some(Position::After { key, id }) => {
                Start { key: key.unwrap_or(i64::MIN), after: id.as_int().unwrap_or(i64::MAX), limit }
            }
            Some(Position::End) => nothing,
        }
    }

    fn values<'v>(&self, start: &Start) -> impl Iterator<Item = (&'static str, Value<'v>)> + use<'v> {
        let key = self.key.map(|name| (name, start.key.into()));
        [(self.after, start.after.into()), (self.limit, start.limit.into())].into_iter().chain(key)
    }
}

/// How the identities of a node's processes begin.
fn prefix(lost: &LostNode) -> String {
    format!("{}/", lost.id)
}

pub(super) fn load(
    connection: &mut SqliteConnection,
    wanted: &Wanted,
    from: &Cursor,
    limit: usize,
) -> Result<Page, Fault> {
    let limit = sql_limit(limit.max(1));
    let suspects = json(&wanted.suspects.iter().filter_map(JobId::as_int).collect::<Vec<_>>());
    let lost: Vec<_> =
        wanted.lost.iter().map(|lost| (&lost.id.host, prefix(lost), lost.attempts == LostAttempts::All)).collect();
    let lost = json(&lost);
    let bare = i64::from(wanted.here.as_ref().is_some_and(|here| here.bare_pids));
    let mut values = vec![
        ("exits_until", wanted.exits_until.timestamp_millis().into()),
        ("started_until", wanted.started_until.timestamp_millis().into()),
        ("suspects", (&suspects).into()),
        ("lost", (&lost).into()),
        ("bare", bare.into()),
        ("host", wanted.here.as_ref().map(|here| here.host.as_str()).into()),
    ];
    // What each part may still give, and where it stands.
    let mut parts = Vec::with_capacity(PARTS.len());
    for (at, part) in PARTS.iter().enumerate() {
        let start = part.start(wanted, from.0.get(at), limit);
        values.extend(part.values(&start));
        parts.push((start.limit, Position::End));
    }
    // The names are the same in every load, and there are many places for them.
    static FORM: OnceLock<Arc<Form>> = OnceLock::new();
    let statement = Statement::of(FORM.get_or_init(|| Arc::new(Form::new(sql::LOAD, &values))), values);
    let mut now = None;
    let mut rows = Vec::new();
    for mut row in statement.rows(connection)? {
        now = row.next_int().or(now);
        // The row that stands for an empty load has a clock and nothing else.
        let Some(part) = row.next_int() else { continue };
        let key = row.next_int();
        let Some(raw) = raw_job(&mut row) else { continue };
        if let Some((left, position)) = usize::try_from(part).ok().and_then(|part| parts.get_mut(part)) {
            *left = left.saturating_sub(1);
            *position = Position::After { key, id: raw.id.into() };
        }
        rows.push(raw.parse());
    }
    // A part that was not wanted has a limit of 0 and stands at its end; one that gave fewer rows than it might
    // have is read to its end.
    let next: Vec<_> =
        parts.into_iter().map(|(left, position)| if left == 0 { position } else { Position::End }).collect();
    let next = next.iter().any(|position| *position != Position::End).then_some(Cursor(next));
    Ok(Page { now: clock(now)?, rows, next })
}
