//! A row of `jobs` with its task, read raw and parsed here, so that one that does not parse harms no other.

use std::{fmt::Display, str::FromStr};

use chrono::DateTime;
use reaper_core::{
    Attempt, Fence, JobId, JobSnapshot, RunId, StageVersion, Status, TaskId, Timestamp,
    effect::Plain,
    job::{Attach, BadRow, Beat, Exit, Place, Task},
};

use super::sql::{Raw, Row};

/// The columns, in the order in which [`parse`] reads them.
pub(super) const COLUMNS: &str = "j.id, j.reaper_fence, j.status, j.agent, j.repo, j.task_id, \
    j.attempts, j.max_attempts, j.reaper_rescues, \
    CASE WHEN j.reaper_inherited & 2 THEN NULL ELSE j.run_id END, \
    CASE WHEN j.reaper_inherited & 1 THEN NULL ELSE j.pid END, \
    j.started_at, j.reaper_started_at, j.reaper_exit_code, j.reaper_exit_at, j.reaper_executor, j.reaper_monitor, \
    j.reaper_attach, j.reaper_beat, j.reaper_beat_at, j.reaper_terminating_at, \
    t.id, t.stage, t.reaper_stage_version, t.branch, t.work_item_id";

/// An instant from milliseconds since 1970; the nearest one that there is for figures beyond the calendar.
pub(super) fn timestamp(ms: i64) -> Timestamp {
    DateTime::from_timestamp_millis(ms).unwrap_or(if ms < 0 { Timestamp::MIN_UTC } else { Timestamp::MAX_UTC })
}

/// Reads the columns from `first` on.
pub(super) fn parse(row: &Row, first: usize) -> crate::facts::Row {
    let read = Reader { row, first, job: JobId::from(row.int(first).unwrap_or(0)) };
    let task = match read.maybe_int(5, "task_id")? {
        None => None,
        Some(id) => Some(Task {
            id: TaskId::from(id),
            place: read.place()?,
            branch: read.maybe_text(24, "tasks.branch")?,
            work_item: read.maybe_text(25, "tasks.work_item_id")?,
        }),
    };
    let status: Status = read.parsed(2, "status")?.ok_or_else(|| read.bad(2, "status", "is missing"))?;
    Ok(JobSnapshot {
        attempt: Attempt {
            job: read.job.clone(),
            // A job that never ran has no fence; 0 stands for that.
            fence: Fence::from(read.maybe_int(1, "reaper_fence")?.unwrap_or(0)),
        },
        status,
        agent: read.maybe_text(3, "agent")?.unwrap_or_default(),
        repo: read.maybe_text(4, "repo")?.unwrap_or_default(),
        task,
        attempts: read.count(6, "attempts")?,
        max_attempts: read.count(7, "max_attempts")?,
        rescues: read.count(8, "reaper_rescues")?,
        run: read.maybe_int(9, "run_id")?.map(RunId::from),
        pid: read.maybe_int(10, "pid")?.map(|pid| read.fits(pid, 10, "pid")).transpose()?,
        started_at: read.started_at(status)?,
        exit: read.exit()?,
        executor: read.parsed(15, "reaper_executor")?,
        monitor: read.parsed(16, "reaper_monitor")?,
        attach: match read.maybe_text(17, "reaper_attach")?.as_deref() {
            None => Attach::NotSaid,
            Some("pending") => Attach::Pending,
            Some("done") => Attach::Done,
            Some(_) => return Err(read.bad(17, "reaper_attach", "is neither pending nor done")),
        },
        beat: read
            .maybe_int(18, "reaper_beat")?
            .zip(read.maybe_int(19, "reaper_beat_at")?)
            .map(|(count, at)| Beat { count, at: timestamp(at) }),
        terminating_at: read.maybe_int(20, "reaper_terminating_at")?.map(timestamp),
    })
}

struct Reader<'a> {
    row: &'a Row,
    first: usize,
    job: JobId,
}

impl Reader<'_> {
    fn raw(&self, column: usize) -> &Raw {
        self.row.at(self.first.saturating_add(column))
    }

    fn bad(&self, column: usize, name: &str, problem: &str) -> BadRow {
        let value = match self.raw(column) {
            Raw::Null => "NULL".to_owned(),
            Raw::Int(value) => value.to_string(),
            Raw::Real(value) => value.to_string(),
            Raw::Text(bytes) => {
                // Enough of it to be recognised, however long it is.
                let head = bytes.get(..200).unwrap_or(bytes);
                format!("`{}`", Plain { text: &String::from_utf8_lossy(head), max: 40 })
            }
            Raw::Blob => "a blob".to_owned(),
        };
        BadRow { job: self.job.clone(), column: name.to_owned(), problem: format!("{problem}: {value}") }
    }

    fn maybe_int(&self, column: usize, name: &str) -> Result<Option<i64>, BadRow> {
        match self.raw(column) {
            Raw::Null => Ok(None),
            Raw::Int(value) => Ok(Some(*value)),
            Raw::Real(_) | Raw::Text(_) | Raw::Blob => Err(self.bad(column, name, "is no whole number")),
        }
    }

    fn maybe_text(&self, column: usize, name: &str) -> Result<Option<String>, BadRow> {
        match self.raw(column) {
            Raw::Null => Ok(None),
            Raw::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Some(text.to_owned())),
                Err(_) => Err(self.bad(column, name, "is no valid UTF-8")),
            },
            // A number in a text column is its own text: SQLite's columns hold what they are given.
            Raw::Int(value) => Ok(Some(value.to_string())),
            Raw::Real(_) | Raw::Blob => Err(self.bad(column, name, "is no text")),
        }
    }

    fn parsed<T: FromStr<Err: Display>>(&self, column: usize, name: &str) -> Result<Option<T>, BadRow> {
        let parse =
            |text: String| text.parse().map_err(|problem: T::Err| self.bad(column, name, &problem.to_string()));
        self.maybe_text(column, name)?.map(parse).transpose()
    }

    fn fits<T: TryFrom<i64>>(&self, value: i64, column: usize, name: &str) -> Result<T, BadRow> {
        T::try_from(value).map_err(|_| self.bad(column, name, "is out of range"))
    }

    /// A count; none counts as 0.
    fn count(&self, column: usize, name: &str) -> Result<u32, BadRow> {
        let value = self.maybe_int(column, name)?.unwrap_or(0);
        self.fits(value, column, name)
    }

    fn started_at(&self, status: Status) -> Result<Option<Timestamp>, BadRow> {
        let at = self.maybe_int(12, "reaper_started_at")?.map(timestamp);
        if at.is_none() && status == Status::Running {
            return Err(self.bad(11, "started_at", "is no time"));
        }
        Ok(at)
    }

    fn exit(&self) -> Result<Option<Exit>, BadRow> {
        let Some(code) = self.maybe_int(13, "agent_runs.exit_code")? else {
            return Ok(None);
        };
        let code = self.fits(code, 13, "agent_runs.exit_code")?;
        match self.maybe_int(14, "reaper_exit_at")? {
            Some(at) => Ok(Some(Exit { code, at: timestamp(at) })),
            None => Err(self.bad(14, "agent_runs.finished_at", "is no time, seen as")),
        }
    }

    fn place(&self) -> Result<Option<Place>, BadRow> {
        if *self.raw(21) == Raw::Null {
            return Ok(None);
        }
        let stage = self.maybe_text(22, "tasks.stage")?.unwrap_or_default();
        let version = self.maybe_int(23, "tasks.reaper_stage_version")?.unwrap_or(0);
        Ok(Some(Place { stage, version: StageVersion::from(version) }))
    }
}
