//! The reads: one statement of index-driven parts for a pass, and what a person asks about.

use reaper_core::{JobId, TaskId, Timestamp, job::Key};

use super::{
    SqliteStore,
    row::{self, COLUMNS, timestamp},
    sql::{Bind, first, now_ms, rows},
};
use crate::{
    Facts, StoreError,
    facts::{Census, Cursor, Page, Position, Row, StalledTask, Wanted},
};

/// A part of a load: a set that has an index of its own, read in the index's order.
struct Part {
    text: &'static str,
    /// The values of the text, before the position and the limit.
    binds: fn(&Wanted) -> Option<Vec<Bind>>,
    /// Whether the set is ordered by a value before the id.
    keyed: bool,
}

/// What `here` and the suspects leave out: the rows that the parts by time have read.
macro_rules! not_due {
    () => {
        "(reaper_exit_code IS NULL OR reaper_exit_at > ?) AND (reaper_exit_code IS NOT NULL OR reaper_started_at > ?)"
    };
}

/// The parts, each with `LIMIT` of its own. Together they are every row on which `decide` could act, each once.
const PARTS: [Part; 9] = [
    // An exit whose time does not parse.
    Part {
        text: "SELECT 0 AS part, NULL AS key, id FROM jobs INDEXED BY reaper_due_exits \
               WHERE status = 'running' AND reaper_exit_code IS NOT NULL AND reaper_exit_at IS NULL AND id > ? \
               ORDER BY id LIMIT ?",
        binds: |_| Some(Vec::new()),
        keyed: false,
    },
    // An exit old enough for the shortest grace.
    Part {
        text: "SELECT 1 AS part, reaper_exit_at AS key, id FROM jobs INDEXED BY reaper_due_exits \
               WHERE status = 'running' AND reaper_exit_code IS NOT NULL AND reaper_exit_at <= ? \
               AND (reaper_exit_at, id) > (?, ?) ORDER BY reaper_exit_at, id LIMIT ?",
        binds: |wanted| Some(vec![ms(wanted.exits_until).into()]),
        keyed: true,
    },
    // A beginning that does not parse.
    Part {
        text: "SELECT 2 AS part, NULL AS key, id FROM jobs INDEXED BY reaper_due_ages \
               WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_started_at IS NULL AND id > ? \
               ORDER BY id LIMIT ?",
        binds: |_| Some(Vec::new()),
        keyed: false,
    },
    // Old enough for the shortest ceiling or start time-out.
    Part {
        text: "SELECT 3 AS part, reaper_started_at AS key, id FROM jobs INDEXED BY reaper_due_ages \
               WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_started_at <= ? \
               AND (reaper_started_at, id) > (?, ?) ORDER BY reaper_started_at, id LIMIT ?",
        binds: |wanted| Some(vec![ms(wanted.started_until).into()]),
        keyed: true,
    },
    // Late finishes.
    Part {
        text: "SELECT 4 AS part, NULL AS key, id FROM jobs INDEXED BY reaper_late \
               WHERE status = 'queued' AND reaper_exit_code = 0 AND id > ? ORDER BY id LIMIT ?",
        binds: |wanted| wanted.late_finishes.then(Vec::new),
        keyed: false,
    },
    // Suspects.
    Part {
        text: concat!(
            "SELECT 5 AS part, NULL AS key, id FROM jobs WHERE id IN (SELECT value FROM json_each(?)) ",
            "AND status = 'running' AND ",
            not_due!(),
            " AND id > ? ORDER BY id LIMIT ?"
        ),
        binds: |wanted| {
            let text = suspects(wanted)?;
            Some(vec![text.into(), ms(wanted.exits_until).into(), ms(wanted.started_until).into()])
        },
        keyed: false,
    },
    // This host's, by the host of their executor.
    Part {
        text: concat!(
            "SELECT 6 AS part, NULL AS key, id FROM jobs INDEXED BY reaper_here ",
            "WHERE status = 'running' AND reaper_host = ? AND id NOT IN (SELECT value FROM json_each(?)) AND ",
            not_due!(),
            " AND id > ? ORDER BY id LIMIT ?"
        ),
        binds: |wanted| here(wanted).map(|(host, rest)| [vec![host.into()], rest].concat()),
        keyed: false,
    },
    // This host's, by the host of their monitor, where the executor is not this host's too.
    Part {
        text: concat!(
            "SELECT 7 AS part, NULL AS key, id FROM jobs INDEXED BY reaper_monitors ",
            "WHERE status = 'running' AND reaper_monitor_host = ? AND reaper_host IS NOT ? ",
            "AND id NOT IN (SELECT value FROM json_each(?)) AND ",
            not_due!(),
            " AND id > ? ORDER BY id LIMIT ?"
        ),
        binds: |wanted| here(wanted).map(|(host, rest)| [vec![host.clone().into(), host.into()], rest].concat()),
        keyed: false,
    },
    // This host's, where a bare pid is believed to be.
    Part {
        text: concat!(
            "SELECT 8 AS part, NULL AS key, id FROM jobs INDEXED BY reaper_here ",
            "WHERE status = 'running' AND reaper_host IS NULL AND reaper_monitor_host IS NULL ",
            "AND pid IS NOT NULL AND reaper_inherited & 1 = 0 ",
            "AND id NOT IN (SELECT value FROM json_each(?)) AND ",
            not_due!(),
            " AND id > ? ORDER BY id LIMIT ?"
        ),
        binds: |wanted| {
            wanted.here.as_ref().filter(|here| here.bare_pids)?;
            here(wanted).map(|(_, rest)| rest)
        },
        keyed: false,
    },
];

const RUNNING: &str =
    "SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY reaper_here WHERE status = 'running' LIMIT ?)";
const CENSUS: &str = "SELECT CAST(status AS TEXT), count(*) FROM jobs GROUP BY 1 ORDER BY 1";
const OLDEST: &str = "SELECT id, reaper_started_at FROM jobs \
                      WHERE status = 'running' AND reaper_started_at IS NOT NULL ORDER BY reaper_started_at, id LIMIT 1";
const STALLED: &str = "SELECT t.id, t.work_item_id, t.stage FROM tasks t \
    WHERE t.stage NOT IN (SELECT value FROM json_each(?)) \
    AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.task_id = t.id AND j.status IN ('queued', 'running')) \
    AND NOT EXISTS (SELECT 1 FROM reaper_outbox o WHERE o.task_id = t.id AND o.state = 'pending') \
    ORDER BY t.id LIMIT ?";

impl Facts for SqliteStore {
    fn now(&self) -> Result<Timestamp, StoreError> {
        self.connections.read(|connection| Ok(timestamp(now_ms(connection)?)))
    }

    fn load(&self, wanted: &Wanted, from: &Cursor, limit: usize) -> Result<Page, StoreError> {
        let limit = i64::try_from(limit.max(1)).unwrap_or(i64::MAX);
        let positions: Vec<Position> =
            (0..PARTS.len()).map(|at| from.0.get(at).cloned().unwrap_or_default()).collect();
        let (text, binds) = statement(wanted, &positions, limit);
        let (now, found) = self.connections.read(|connection| {
            let now = timestamp(now_ms(connection)?);
            let found = if text.is_empty() { Vec::new() } else { rows(connection, &text, &binds)? };
            Ok((now, found))
        })?;
        let mut page = Page { now, rows: Vec::with_capacity(found.len()), next: None };
        let mut read = vec![0_i64; PARTS.len()];
        let mut next: Vec<Position> = vec![Position::End; PARTS.len()];
        for row in found {
            let part = row.int(0).and_then(|part| usize::try_from(part).ok()).unwrap_or(usize::MAX);
            if let (Some(read), Some(next), Some(id)) = (read.get_mut(part), next.get_mut(part), row.int(2)) {
                *read = read.saturating_add(1);
                if *read >= limit {
                    *next = Position::After { key: row.int(1), id: JobId::from(id) };
                }
            }
            page.rows.push(row::parse(&row, 3));
        }
        if next.iter().any(|position| *position != Position::End) {
            page.next = Some(Cursor(next));
        }
        Ok(page)
    }

    fn job(&self, job: &JobId) -> Result<Option<Row>, StoreError> {
        let Some(id) = job.as_int() else {
            return Ok(None);
        };
        self.connections.read(|connection| Ok(read_job(connection, id)?))
    }

    fn running(&self, at_most: u64) -> Result<u64, StoreError> {
        let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
        self.connections.read(|connection| {
            let row = first(connection, RUNNING, &[at_most.into()])?;
            Ok(row.and_then(|row| row.int(0)).and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
        })
    }

    fn census(&self) -> Result<Census, StoreError> {
        self.connections.read(|connection| {
            let now = timestamp(now_ms(connection)?);
            let counts = rows(connection, CENSUS, &[])?;
            let oldest = first(connection, OLDEST, &[])?;
            let count = |row: &super::sql::Row| {
                let count = row.int(1).and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
                (row.text(0).unwrap_or_else(|| "null".to_owned()), count)
            };
            Ok(Census {
                now,
                jobs: counts.iter().map(count).collect(),
                oldest_running: oldest.and_then(|row| Some((JobId::from(row.int(0)?), timestamp(row.int(1)?)))),
            })
        })
    }

    fn stalled(&self, final_stages: &[String], limit: usize) -> Result<Vec<StalledTask>, StoreError> {
        let stages = serde_json::Value::from(final_stages).to_string();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.connections.read(|connection| {
            let found = rows(connection, STALLED, &[stages.into(), limit.into()])?;
            let task = |row: &super::sql::Row| {
                Some(StalledTask {
                    task: TaskId::from(row.int(0)?),
                    work_item: row.text(1),
                    stage: row.text(2).unwrap_or_default(),
                })
            };
            Ok(found.iter().filter_map(task).collect())
        })
    }
}

/// One job by its id.
pub(super) fn read_job(connection: &mut diesel::SqliteConnection, id: i64) -> diesel::QueryResult<Option<Row>> {
    let text = format!("SELECT {COLUMNS} FROM jobs j LEFT JOIN tasks t ON t.id = j.task_id WHERE j.id = ?");
    Ok(first(connection, &text, &[id.into()])?.map(|row| row::parse(&row, 0)))
}

/// The statement of a page, and its values: the parts that are wanted and not at their end. Empty if there are none.
pub(super) fn statement(wanted: &Wanted, positions: &[Position], limit: i64) -> (String, Vec<Bind>) {
    let (mut parts, mut binds) = (Vec::new(), Vec::new());
    for (part, position) in PARTS.iter().zip(positions) {
        let (key, id) = match position {
            Position::End => continue,
            Position::Start => (i64::MIN, i64::MIN),
            Position::After { key, id } => (key.unwrap_or(i64::MIN), id.as_int().unwrap_or(i64::MIN)),
        };
        let Some(own) = (part.binds)(wanted) else {
            continue;
        };
        parts.push(format!("SELECT * FROM ({})", part.text));
        binds.extend(own);
        if part.keyed {
            binds.push(key.into());
        }
        binds.extend([id.into(), limit.into()]);
    }
    if parts.is_empty() {
        return (String::new(), binds);
    }
    let union = parts.join(" UNION ALL ");
    let text = format!(
        "SELECT d.part, d.key, d.id, {COLUMNS} FROM ({union}) d JOIN jobs j ON j.id = d.id \
         LEFT JOIN tasks t ON t.id = j.task_id"
    );
    (text, binds)
}

/// The host, and the values with which the parts of this host leave out what others have read.
fn here(wanted: &Wanted) -> Option<(String, Vec<Bind>)> {
    let host = wanted.here.as_ref()?.host.clone();
    let suspects = suspects(wanted).unwrap_or_else(|| "[]".to_owned());
    Some((host, vec![suspects.into(), ms(wanted.exits_until).into(), ms(wanted.started_until).into()]))
}

/// The suspects as a JSON list; `None` where there are none.
fn suspects(wanted: &Wanted) -> Option<String> {
    let ids: Vec<i64> = wanted
        .suspects
        .iter()
        .filter_map(|job| match job.0 {
            Key::Int(id) => Some(id),
            Key::Text(_) => None,
        })
        .collect();
    (!ids.is_empty()).then(|| serde_json::Value::from(ids).to_string())
}

fn ms(at: Timestamp) -> i64 {
    at.timestamp_millis()
}
