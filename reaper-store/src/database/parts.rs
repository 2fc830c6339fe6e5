//! The parts that the statement of a load is the union of, and how far each of them is read.
//!
//! The statement's text is each database's own; its parts, their numbers and the names of their places are the same. One
//! whose index sorts a missing time before all others has no parts for those alone.

use reaper_core::Timestamp;

use super::row::RawJob;
#[cfg(feature = "sqlite")]
use super::row::{RawRow, raw_job};
use crate::facts::{Cursor, Here, Page, Position, Row, Wanted};

/// A part: the names of its places.
struct Part {
    /// For the key after which it is read, where it is ordered by more than the id.
    key: Option<&'static str>,
    /// For the id after which it is read.
    after: &'static str,
    limit: &'static str,
    is_wanted: fn(&Wanted) -> bool,
    /// The least key that is wanted.
    least: fn(&Wanted) -> i64,
}

macro_rules! part {
    ($name:literal, $is_wanted:expr) => {
        Part {
            key: None,
            after: concat!("after_", $name),
            limit: concat!("limit_", $name),
            is_wanted: $is_wanted,
            least: |_| i64::MIN,
        }
    };
    (by_key $name:literal) => {
        Part { key: Some(concat!("key_", $name)), ..part!($name, |_| true) }
    };
    (new $name:literal) => {
        Part {
            key: Some(concat!("key_", $name)),
            least: |wanted| since(wanted).unwrap_or(i64::MIN),
            ..part!($name, |wanted| since(wanted).is_some())
        }
    };
}

/// In the order in which the statements number them.
const PARTS: [Part; 14] = [
    part!("timeless_exits", |_| true),
    part!(by_key "exits"),
    part!("timeless_starts", |_| true),
    part!(by_key "starts"),
    part!("late", |wanted| wanted.late_finishes),
    part!("suspects", |wanted| !wanted.suspects.is_empty()),
    part!("executors", |wanted| all_here(wanted).is_some()),
    part!("monitors", |wanted| all_here(wanted).is_some()),
    part!("bare", |wanted| all_here(wanted).is_some_and(|here| here.bare_pids)),
    part!("lost_executors", |wanted| !wanted.lost.is_empty()),
    part!("lost_monitors", |wanted| !wanted.lost.is_empty()),
    part!(new "new_starts"),
    part!(new "new_exits"),
    // Where no beats are wanted, none is from before that missing instant.
    part!(by_key "beats"),
];

/// This host, where all of its attempts are wanted.
fn all_here(wanted: &Wanted) -> Option<&Here> {
    wanted.here.as_ref().filter(|here| here.since.is_none())
}

/// Since when this host's attempts are wanted, where those from before are not.
pub(crate) fn since(wanted: &Wanted) -> Option<i64> {
    wanted.here.as_ref()?.since.map(|since| since.timestamp_millis())
}

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
            None | Some(Position::Start) => Start { key: (self.least)(wanted), after: i64::MIN, limit },
            Some(Position::After { key, id }) => {
                Start { key: key.unwrap_or(i64::MIN), after: id.as_int().unwrap_or(i64::MAX), limit }
            }
            Some(Position::End) => nothing,
        }
    }
}

/// A page that is being read.
#[derive(Debug)]
pub(crate) struct Reading {
    /// What each part may still give, and where it stands.
    parts: Vec<(i64, Position)>,
    rows: Vec<Row>,
}

impl Reading {
    /// Begins a page of at most `limit` rows of each part, with the values for the parts' places.
    pub(crate) fn begin(wanted: &Wanted, from: &Cursor, limit: i64) -> (Self, Vec<(&'static str, i64)>) {
        let (mut parts, mut places) = (Vec::with_capacity(PARTS.len()), Vec::new());
        for (at, part) in PARTS.iter().enumerate() {
            let start = part.start(wanted, from.0.get(at), limit);
            places.extend([(part.after, start.after), (part.limit, start.limit)]);
            places.extend(part.key.map(|name| (name, start.key)));
            parts.push((start.limit, Position::End));
        }
        (Self { parts, rows: Vec::new() }, places)
    }

    /// Takes a row in: the part's number, its key, the job. The row that stands for an empty load has none of them.
    #[cfg(feature = "sqlite")]
    pub(crate) fn take(&mut self, row: &mut RawRow) {
        let Some(part) = row.next_int() else { return };
        let key = row.next_int();
        let Some(raw) = raw_job(row) else { return };
        self.pass(part, key, raw.id);
        self.add(raw);
    }

    /// Notes that a part has given this row, under this key.
    pub(crate) fn pass(&mut self, part: i64, key: Option<i64>, id: i64) {
        if let Some((left, position)) = usize::try_from(part).ok().and_then(|part| self.parts.get_mut(part)) {
            *left = left.saturating_sub(1);
            *position = Position::After { key, id: id.into() };
        }
    }

    /// Adds a row that a part has given.
    pub(crate) fn add(&mut self, raw: RawJob) {
        self.rows.push(raw.parse());
    }

    /// The page, read at this instant.
    pub(crate) fn end(self, now: Timestamp) -> Page {
        // A part that was not wanted has a limit of 0 and stands at its end; one that gave fewer rows than it might
        // have is read to its end.
        let stands = |(left, position)| if left == 0 { position } else { Position::End };
        let next: Vec<_> = self.parts.into_iter().map(stands).collect();
        let next = next.iter().any(|position| *position != Position::End).then_some(Cursor(next));
        Page { now, rows: self.rows, next }
    }
}
