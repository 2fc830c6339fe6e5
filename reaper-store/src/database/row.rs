//! From raw columns to a job, or to what is wrong with them.
//!
//! Other programs write these tables too, so no column is believed to hold what its type says: each value comes with
//! the class in which the database stores it, and is parsed by hand. A row that does not parse is a [`BadRow`] that
//! names the column, and harms no other.

use std::str::FromStr;

use reaper_core::{
    Attempt, Bond, Fence, JobId, JobSnapshot, RunId, StageVersion, Status, TaskId, Timestamp,
    effect::Plain,
    job::{Attach, BadRow, Beat, Exit, Place, Task},
};

use crate::facts::Row;

/// A value as it is stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Raw {
    #[default]
    Null,
    Int(i64),
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "PostgreSQL's columns hold none that is read"))]
    Real(f64),
    Text(String),
    /// A text or a blob that is no UTF-8, cut short, with its whole length in bytes.
    Bytes(Vec<u8>, usize),
    /// A text that is too long to be read, by its length in bytes.
    Long(usize),
}

/// The columns of a job's row, and of its task's where there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawJob {
    pub(crate) id: i64,
    pub(crate) fence: Raw,
    pub(crate) status: Raw,
    pub(crate) agent: Raw,
    pub(crate) repo: Raw,
    pub(crate) task: Raw,
    pub(crate) attempts: Raw,
    pub(crate) max_attempts: Raw,
    pub(crate) rescues: Raw,
    pub(crate) run: Raw,
    pub(crate) pid: Raw,
    /// Bit 1: the pid, bit 2: the run is the attempt's before.
    pub(crate) inherited: Raw,
    pub(crate) started_at: Raw,
    pub(crate) exit_code: Raw,
    pub(crate) exit_at: Raw,
    pub(crate) executor: Raw,
    pub(crate) monitor: Raw,
    pub(crate) attach: Raw,
    /// 1 where the attempt is bound to its node.
    pub(crate) node_bound: Raw,
    pub(crate) beat: Raw,
    pub(crate) beat_at: Raw,
    pub(crate) terminating_at: Raw,
    /// NULL where the task's row is gone.
    pub(crate) task_id: Raw,
    pub(crate) stage: Raw,
    pub(crate) stage_version: Raw,
    pub(crate) branch: Raw,
    pub(crate) work_item: Raw,
}

/// A job from its columns; `None` where there is no row.
pub(crate) fn raw_job(row: &mut RawRow) -> Option<RawJob> {
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
        node_bound: row.next(),
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

/// A row as it is stored, read column by column.
#[derive(Debug)]
pub(crate) struct RawRow(std::vec::IntoIter<Raw>);

impl From<Vec<Raw>> for RawRow {
    fn from(columns: Vec<Raw>) -> Self {
        Self(columns.into_iter())
    }
}

impl RawRow {
    /// The next column.
    pub(crate) fn next(&mut self) -> Raw {
        self.0.next().unwrap_or_default()
    }

    /// The next column, where it is an integer.
    pub(crate) fn next_int(&mut self) -> Option<i64> {
        match self.next() {
            Raw::Int(n) => Some(n),
            Raw::Null | Raw::Real(_) | Raw::Text(_) | Raw::Bytes(..) | Raw::Long(_) => None,
        }
    }

    /// The next column for people: a text as it is, anything else as what it is.
    pub(crate) fn next_shown(&mut self) -> Option<String> {
        match self.next() {
            Raw::Null => None,
            Raw::Text(text) => Some(text),
            other @ (Raw::Int(_) | Raw::Real(_) | Raw::Bytes(..) | Raw::Long(_)) => Some(shown(&other)),
        }
    }

    /// The next column, where it is a text.
    pub(crate) fn next_text(&mut self) -> Option<String> {
        match self.next() {
            Raw::Text(text) => Some(text),
            Raw::Null | Raw::Int(_) | Raw::Real(_) | Raw::Bytes(..) | Raw::Long(_) => None,
        }
    }
}

/// Bits of [`RawJob::inherited`].
const INHERITED_PID: i64 = 1;
const INHERITED_RUN: i64 = 2;

/// What is wrong with a value, and in which column.
struct Wrong {
    column: &'static str,
    problem: String,
}

impl RawJob {
    /// Parses the row.
    pub(crate) fn parse(self) -> Row {
        let job = JobId::from(self.id);
        self.snapshot(job.clone()).map_err(|wrong| BadRow {
            job,
            column: wrong.column.into(),
            problem: wrong.problem,
        })
    }

    fn snapshot(self, job: JobId) -> Result<JobSnapshot, Wrong> {
        let status: Status = word("status", &self.status)?;
        let running = status == Status::Running;
        let inherited = maybe_int("reaper_inherited", &self.inherited)?.unwrap_or(0);
        let fence = match maybe_int("reaper_fence", &self.fence)? {
            None if running => return Err(unseen("reaper_fence")),
            fence => Fence::from(fence.unwrap_or(0)),
        };
        let started_at = match maybe_instant("reaper_started_at", &self.started_at)? {
            None if running => return Err(unseen("reaper_started_at")),
            started_at => started_at,
        };
        Ok(JobSnapshot {
            attempt: Attempt { job, fence },
            status,
            agent: text("agent", &self.agent)?,
            repo: text("repo", &self.repo)?,
            task: self.task()?,
            attempts: count("attempts", &self.attempts)?,
            max_attempts: count("max_attempts", &self.max_attempts)?,
            rescues: if self.rescues == Raw::Null { 0 } else { count("reaper_rescues", &self.rescues)? },
            run: match inherited & INHERITED_RUN {
                0 => maybe_int("run_id", &self.run)?.map(RunId::from),
                _ => None,
            },
            pid: if inherited & INHERITED_PID == 0 { pid(&self.pid)? } else { None },
            started_at,
            exit: self.exit()?,
            executor: maybe_word("reaper_executor", &self.executor)?,
            monitor: maybe_word("reaper_monitor", &self.monitor)?,
            attach: attach(&self.attach)?,
            bond: match maybe_int("reaper_node_bound", &self.node_bound)? {
                None | Some(0) => Bond::Free,
                Some(_) => Bond::NodeBound,
            },
            beat: self.beat()?,
            terminating_at: maybe_instant("reaper_terminating_at", &self.terminating_at)?,
        })
    }

    fn task(&self) -> Result<Option<Task>, Wrong> {
        let Some(id) = maybe_int("task_id", &self.task)? else {
            return Ok(None);
        };
        let place = match self.task_id {
            Raw::Null => None,
            Raw::Int(_) | Raw::Real(_) | Raw::Text(_) | Raw::Bytes(..) | Raw::Long(_) => {
                let version = maybe_int("tasks.reaper_stage_version", &self.stage_version)?;
                Some(Place {
                    stage: text("tasks.stage", &self.stage)?,
                    // One that was there before Reaper has none until it moves.
                    version: StageVersion::from(version.unwrap_or(0)),
                })
            }
        };
        Ok(Some(Task {
            id: TaskId::from(id),
            place,
            branch: maybe_name("tasks.branch", &self.branch)?,
            work_item: maybe_name("tasks.work_item_id", &self.work_item)?,
        }))
    }

    fn exit(&self) -> Result<Option<Exit>, Wrong> {
        let Some(code) = maybe_int("agent_runs.exit_code", &self.exit_code)? else {
            return Ok(None);
        };
        let code = i32::try_from(code)
            .map_err(|_| wrong("agent_runs.exit_code", format!("is {code}, which is no exit code")))?;
        let at = maybe_instant("reaper_exit_at", &self.exit_at)?.ok_or_else(|| unseen("reaper_exit_at"))?;
        Ok(Some(Exit { code, at }))
    }

    fn beat(&self) -> Result<Option<Beat>, Wrong> {
        let Some(count) = maybe_int("reaper_beat", &self.beat)? else {
            return Ok(None);
        };
        let at = maybe_instant("reaper_beat_at", &self.beat_at)?.ok_or_else(|| unseen("reaper_beat_at"))?;
        Ok(Some(Beat { count, at }))
    }
}

/// An instant from milliseconds since 1970-01-01 00:00 UTC.
pub(crate) fn instant(millis: i64) -> Option<Timestamp> {
    Timestamp::from_timestamp_millis(millis)
}

fn wrong(column: &'static str, problem: String) -> Wrong {
    Wrong { column, problem }
}

/// Whatever the triggers keep is there, unless the triggers are not.
fn unseen(column: &'static str) -> Wrong {
    wrong(column, "is NULL: reaper's triggers did not see the row, run `reaper migrate`".into())
}

fn maybe_int(column: &'static str, raw: &Raw) -> Result<Option<i64>, Wrong> {
    match raw {
        Raw::Null => Ok(None),
        Raw::Int(n) => Ok(Some(*n)),
        Raw::Real(_) | Raw::Text(_) | Raw::Bytes(..) | Raw::Long(_) => {
            Err(wrong(column, format!("is {}, not an integer", shown(raw))))
        }
    }
}

fn count(column: &'static str, raw: &Raw) -> Result<u32, Wrong> {
    let n = maybe_int(column, raw)?.ok_or_else(|| wrong(column, "is NULL, not a count".into()))?;
    u32::try_from(n).map_err(|_| wrong(column, format!("is {n}, which is no count")))
}

fn pid(raw: &Raw) -> Result<Option<u32>, Wrong> {
    let Some(n) = maybe_int("pid", raw)? else {
        return Ok(None);
    };
    match u32::try_from(n) {
        Ok(pid) if pid > 0 => Ok(Some(pid)),
        Ok(_) | Err(_) => Err(wrong("pid", format!("is {n}, which no process can have"))),
    }
}

fn maybe_instant(column: &'static str, raw: &Raw) -> Result<Option<Timestamp>, Wrong> {
    let Some(millis) = maybe_int(column, raw)? else {
        return Ok(None);
    };
    let at = instant(millis).ok_or_else(|| wrong(column, format!("is {millis} ms, which is no instant")))?;
    Ok(Some(at))
}

fn maybe_text<'r>(column: &'static str, raw: &'r Raw) -> Result<Option<&'r str>, Wrong> {
    match raw {
        Raw::Null => Ok(None),
        Raw::Text(text) => Ok(Some(text)),
        Raw::Int(_) | Raw::Real(_) | Raw::Bytes(..) | Raw::Long(_) => {
            Err(wrong(column, format!("is {}, not a text", shown(raw))))
        }
    }
}

fn text(column: &'static str, raw: &Raw) -> Result<String, Wrong> {
    let text = maybe_text(column, raw)?.ok_or_else(|| wrong(column, "is NULL, not a text".into()))?;
    Ok(text.to_owned())
}

/// A name that people gave: a text, or a number where the owner's column holds numbers.
fn maybe_name(column: &'static str, raw: &Raw) -> Result<Option<String>, Wrong> {
    if let Raw::Int(n) = raw {
        return Ok(Some(n.to_string()));
    }
    Ok(maybe_text(column, raw)?.map(str::to_owned))
}

fn maybe_word<T: FromStr<Err: std::fmt::Display>>(column: &'static str, raw: &Raw) -> Result<Option<T>, Wrong> {
    let Some(word) = maybe_text(column, raw)? else {
        return Ok(None);
    };
    word.parse().map(Some).map_err(|error| wrong(column, format!("is {}: {error}", shown(raw))))
}

fn word<T: FromStr<Err: std::fmt::Display>>(column: &'static str, raw: &Raw) -> Result<T, Wrong> {
    maybe_word(column, raw)?.ok_or_else(|| wrong(column, "is NULL".into()))
}

fn attach(raw: &Raw) -> Result<Attach, Wrong> {
    match maybe_text("reaper_attach", raw)? {
        None => Ok(Attach::NotSaid),
        Some("pending") => Ok(Attach::Pending),
        Some("done") => Ok(Attach::Done),
        Some(_) => Err(wrong("reaper_attach", format!("is {}, neither `pending` nor `done`", shown(raw)))),
    }
}

/// A value for people: escaped and cut short.
pub(crate) fn shown(raw: &Raw) -> String {
    match raw {
        Raw::Null => "NULL".into(),
        Raw::Int(n) => n.to_string(),
        Raw::Real(n) => n.to_string(),
        Raw::Text(text) => format!("`{}`", Plain { text, max: SHOWN }),
        Raw::Bytes(bytes, length) => {
            let text = String::from_utf8_lossy(bytes);
            format!("`{}` ({length} bytes that are no UTF-8)", Plain { text: &text, max: SHOWN })
        }
        Raw::Long(length) => format!("{length} bytes long"),
    }
}

/// Texts longer than this are not read: memory stays bounded by the number of rows. In bytes.
pub(crate) const LONGEST: usize = 1 << 18;

/// How many bytes of a value that is no text are kept to be shown.
pub(crate) const KEPT: usize = 64;

/// How many characters of a bad value are shown.
const SHOWN: usize = 40;
