//! What is recorded, read raw and parsed row by row.

use std::collections::BTreeMap;

use diesel::SqliteConnection;
use reaper_core::{JobId, TaskId, Timestamp};

use super::{
    SqliteStore,
    fault::Fault,
    schema::check_version,
    sql,
    statement::{RawRow, Statement},
};
use crate::{
    Facts, StoreError,
    facts::{Census, Cursor, Page, Position, Row, StalledTask, Wanted},
    row::{Raw, RawJob, instant, shown},
};

/// The parts of a load, as they are numbered in its statement.
const PARTS: usize = 9;

/// Which parts are read for late finishes, suspects, and processes of this host.
const LATE: usize = 4;
const SUSPECTS: usize = 5;
const EXECUTORS: usize = 6;
const MONITORS: usize = 7;
const BARE: usize = 8;

impl Facts for SqliteStore {
    fn now(&self) -> Result<Timestamp, StoreError> {
        self.pool.read(now)
    }

    fn load(&self, wanted: &Wanted, from: &Cursor, limit: usize) -> Result<Page, StoreError> {
        self.pool.read(|connection| load(connection, wanted, from, limit, self.database()))
    }

    fn job(&self, job: &JobId) -> Result<Option<Row>, StoreError> {
        self.read(|connection| {
            let row = Statement::new(sql::JOB, [("job", (&job.0).into())]).first_row(connection)?;
            Ok(row.and_then(|mut row| raw_job(&mut row)).map(RawJob::parse))
        })
    }

    fn running(&self, at_most: u64) -> Result<u64, StoreError> {
        let limit = i64::try_from(at_most).unwrap_or(i64::MAX);
        self.read(|connection| {
            let counted = Statement::new(sql::RUNNING, [("limit", limit.into())]);
            Ok(int(counted.first_row(connection)?).min(at_most))
        })
    }

    fn census(&self) -> Result<Census, StoreError> {
        self.read(|connection| {
            let mut jobs = BTreeMap::<_, u64>::new();
            for mut row in Statement::new(sql::CENSUS, []).rows(connection)? {
                let status = match row.next() {
                    Raw::Text(status) => status,
                    other @ (Raw::Null | Raw::Int(_) | Raw::Real(_) | Raw::Bytes(..) | Raw::Long(_)) => {
                        shown(&other)
                    }
                };
                let count = jobs.entry(status).or_default();
                *count = count.saturating_add(int(Some(row)));
            }
            let oldest = Statement::new(sql::OLDEST_RUNNING, []).first_row(connection)?;
            let oldest_running = oldest.and_then(|mut row| {
                let id = row.next_int()?;
                Some((JobId::from(id), instant(row.next_int()?)?))
            });
            Ok(Census { now: now(connection)?, jobs, oldest_running })
        })
    }

    fn stalled(&self, final_stages: &[String], limit: usize) -> Result<Vec<StalledTask>, StoreError> {
        let (stages, limit) = (json(&final_stages), sql_limit(limit));
        self.read(|connection| {
            let stalled =
                Statement::new(sql::STALLED, [("final_stages", (&stages).into()), ("limit", limit.into())]);
            let tasks = stalled.rows(connection)?.into_iter().filter_map(|mut row| {
                let task = TaskId::from(row.next_int()?);
                let work_item = match row.next() {
                    Raw::Null => None,
                    Raw::Text(name) => Some(name),
                    other @ (Raw::Int(_) | Raw::Real(_) | Raw::Bytes(..) | Raw::Long(_)) => Some(shown(&other)),
                };
                let stage = match row.next() {
                    Raw::Text(stage) => stage,
                    other @ (Raw::Null | Raw::Int(_) | Raw::Real(_) | Raw::Bytes(..) | Raw::Long(_)) => {
                        shown(&other)
                    }
                };
                Some(StalledTask { task, work_item, stage })
            });
            Ok(tasks.collect())
        })
    }
}

/// The database's clock.
pub(super) fn now(connection: &mut SqliteConnection) -> Result<Timestamp, Fault> {
    let row = Statement::new(sql::NOW, []).first_row(connection)?;
    clock(row.and_then(|mut row| row.next_int()))
}

fn clock(millis: Option<i64>) -> Result<Timestamp, Fault> {
    let now = millis.and_then(instant);
    Ok(now.ok_or_else(|| StoreError::Corrupt { what: "clock", problem: format!("it says {millis:?} ms") })?)
}

/// Where a part begins: after this key and id, and how many rows of it are read.
struct Start {
    key: i64,
    after: i64,
    limit: i64,
}

fn start(position: Option<&Position>, wanted: bool, limit: i64) -> Start {
    match position {
        Some(Position::Start) | None if wanted => Start { key: i64::MIN, after: i64::MIN, limit },
        Some(Position::After { key, id }) if wanted => {
            Start { key: key.unwrap_or(i64::MIN), after: id.as_int().unwrap_or(i64::MAX), limit }
        }
        Some(Position::Start | Position::After { .. } | Position::End) | None => {
            Start { key: i64::MAX, after: i64::MAX, limit: 0 }
        }
    }
}

fn load(
    connection: &mut SqliteConnection,
    wanted: &Wanted,
    from: &Cursor,
    limit: usize,
    database: &str,
) -> Result<Page, Fault> {
    let limit = sql_limit(limit.max(1));
    let here = wanted.here.as_ref();
    let is_wanted = |part: usize| match part {
        LATE => wanted.late_finishes,
        SUSPECTS => !wanted.suspects.is_empty(),
        EXECUTORS | MONITORS => here.is_some(),
        BARE => here.is_some_and(|here| here.bare_pids),
        _ => true,
    };
    let [a, b, c, d, e, f, g, h, i]: [Start; PARTS] =
        std::array::from_fn(|part| start(from.0.get(part), is_wanted(part), limit));
    let limits = [&a, &b, &c, &d, &e, &f, &g, &h, &i].map(|start| start.limit);
    let suspects = json(&wanted.suspects.iter().filter_map(JobId::as_int).collect::<Vec<_>>());
    let statement = Statement::new(
        sql::LOAD,
        [
            ("exits_until", wanted.exits_until.timestamp_millis().into()),
            ("started_until", wanted.started_until.timestamp_millis().into()),
            ("suspects", (&suspects).into()),
            ("host", here.map(|here| here.host.as_str()).into()),
            ("after_a", a.after.into()),
            ("limit_a", a.limit.into()),
            ("key_b", b.key.into()),
            ("after_b", b.after.into()),
            ("limit_b", b.limit.into()),
            ("after_c", c.after.into()),
            ("limit_c", c.limit.into()),
            ("key_d", d.key.into()),
            ("after_d", d.after.into()),
            ("limit_d", d.limit.into()),
            ("after_e", e.after.into()),
            ("limit_e", e.limit.into()),
            ("after_f", f.after.into()),
            ("limit_f", f.limit.into()),
            ("after_g", g.after.into()),
            ("limit_g", g.limit.into()),
            ("after_h", h.after.into()),
            ("limit_h", h.limit.into()),
            ("after_i", i.after.into()),
            ("limit_i", i.limit.into()),
        ],
    );
    let mut now = None;
    let mut rows = Vec::new();
    // What each part gave, and where it ended.
    let mut read = limits.map(|limit| (limit, Position::End));
    for mut row in statement.rows(connection)? {
        now = row.next_int().or(now);
        if rows.is_empty() {
            check_version(row.next_text().as_deref(), database)?;
        } else {
            drop(row.next());
        }
        let Some(part) = row.next_int() else { continue };
        let key = row.next_int();
        let Some(raw) = raw_job(&mut row) else { continue };
        if let Some((left, position)) = usize::try_from(part).ok().and_then(|part| read.get_mut(part)) {
            *left = left.saturating_sub(1);
            *position = Position::After { key, id: raw.id.into() };
        }
        rows.push(raw.parse());
    }
    // A part that gave fewer rows than it might have is read to its end.
    let next: Vec<_> =
        read.into_iter().map(|(left, position)| if left == 0 { position } else { Position::End }).collect();
    let next = next.iter().any(|position| *position != Position::End).then_some(Cursor(next));
    Ok(Page { now: clock(now)?, rows, next })
}

/// A job from its columns; `None` where there is no row.
pub(super) fn raw_job(row: &mut RawRow) -> Option<RawJob> {
    Some(RawJob {
        id: row.next_int()?,
        fence: row.next(),
        status: row.next(),
        agent: row.next(),
        repo: row.next(),
        task: row.next(),
        attempts: row.next(),
        max_attempts: row.next(),
        rescues: row.next(),
        run: row.next(),
        pid: row.next(),
        inherited: row.next(),
        started_at: row.next(),
        exit_code: row.next(),
        exit_at: row.next(),
        executor: row.next(),
        monitor: row.next(),
        attach: row.next(),
        beat: row.next(),
        beat_at: row.next(),
        terminating_at: row.next(),
        task_id: row.next(),
        stage: row.next(),
        stage_version: row.next(),
        branch: row.next(),
        work_item: row.next(),
    })
}

/// The count in a row's next column.
pub(super) fn int(row: Option<RawRow>) -> u64 {
    row.and_then(|mut row| row.next_int()).and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}

/// A list as JSON, for `json_each`. Lists of numbers and texts cannot fail to be written.
pub(super) fn json<T: serde::Serialize>(list: &T) -> String {
    serde_json::to_string(list).unwrap_or_else(|_| "[]".into())
}

/// A limit as SQLite takes it.
pub(super) fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
