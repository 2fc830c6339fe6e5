//! A job as the reaper sees it: who it is, which attempt is under way, what is recorded about it.

use alloc::string::{String, ToString};
use core::{fmt, str::FromStr};

use crate::{Bond, ProcessIdentity, Timestamp};

#[cfg(test)]
mod tests;

/// A value of somebody's table that is only ever compared: an integer or a text.
///
/// Nothing is computed from it and nobody orders by its meaning; the order exists so that plans and
/// reports are deterministic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(untagged))]
pub enum Key {
    /// An integer key, as SQLite's rowids and PostgreSQL's `bigint` are.
    Int(i64),
    /// A text key, as a UUID is.
    Text(String),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(n) => n.fmt(f),
            Self::Text(s) => s.fmt(f),
        }
    }
}

impl From<i64> for Key {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}

/// Reads an integer where the text is one as it is printed, and a text key otherwise: `007` and `+7` are texts,
/// so that every key is read back from what it prints.
impl FromStr for Key {
    type Err = core::convert::Infallible;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let int = s.parse().ok().filter(|n: &i64| n.to_string() == s);
        Ok(int.map_or_else(|| Self::Text(s.into()), Self::Int))
    }
}

macro_rules! opaque {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
        pub struct $name(pub Key);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<K: Into<Key>> From<K> for $name {
            fn from(key: K) -> Self {
                Self(key.into())
            }
        }

        impl $name {
            /// The integer, where the key is one.
            #[must_use]
            pub const fn as_int(&self) -> Option<i64> {
                match self.0 {
                    Key::Int(n) => Some(n),
                    Key::Text(_) => None,
                }
            }
        }
    };
}

opaque! {
    /// Which row of `jobs`.
    JobId
}
opaque! {
    /// Which entry of a job into `running`: 63 random bits that triggers draw, compared for equality only.
    Fence
}
opaque! {
    /// Which row of `agent_runs`, the record of an attempt.
    RunId
}
opaque! {
    /// Which row of `tasks`, the work item that a job belongs to.
    TaskId
}
opaque! {
    /// Which visit of a task to its stage: drawn like a fence at every change of the stage.
    StageVersion
}

/// One execution of a job. Everything that is written names the attempt that it is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Attempt {
    /// The job.
    pub job: JobId,
    /// The fence under which it entered `running`.
    pub fence: Fence,
}

/// `job:fence`, the form in which an executor carries its attempt in `REAPER_ATTEMPT`.
impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.job, self.fence)
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Status {
    /// Waiting to be taken.
    Queued,
    /// Taken by a worker.
    Running,
    /// Finished well.
    Done,
    /// Given up.
    Failed,
}

impl Status {
    /// Every status, in the order of a job's life.
    pub const ALL: [Self; 4] = [Self::Queued, Self::Running, Self::Done, Self::Failed];

    /// The word that stands in the column `status`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is no status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("status is none of queued, running, done, failed")]
pub struct UnknownStatus;

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|status| status.as_str() == s).ok_or(UnknownStatus)
    }
}

/// The recorded exit of an attempt, as its run says and the job's row mirrors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Exit {
    /// The exit code. Signals are seen as `-n` (Python's `subprocess`) or `128 + n` (shells).
    pub code: i32,
    /// When it was recorded: `finished_at`, or the instant at which the store first saw the code where
    /// that is missing or lies later.
    pub at: Timestamp,
}

impl Exit {
    /// Whether the attempt says that its work is done.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.code == 0
    }

    /// The signal that the code may stand for, in either of the two customary forms.
    #[must_use]
    pub const fn signal(&self) -> Option<i32> {
        match self.code {
            -64..=-1 => Some(self.code.saturating_neg()),
            129..=192 => Some(self.code.saturating_sub(128)),
            _ => None,
        }
    }
}

/// How far an attempt got in handing the work to an executor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Attach {
    /// The worker does not say: it does not follow the attach contract.
    #[default]
    NotSaid,
    /// Taken under the attach contract; no executor has been let go yet.
    Pending,
    /// The executor's identity is stored, and it was let go after that.
    Done,
}

/// A sign of life: a counter, and when the database saw it move last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Beat {
    /// How often the worker has said "still here". Only a change means anything.
    pub count: i64,
    /// The database's clock at the last change.
    pub at: Timestamp,
}

/// Where a task stands in the pipeline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Place {
    /// The stage's name.
    pub stage: String,
    /// Which visit to that stage.
    pub version: StageVersion,
}

/// The work item that a job belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Task {
    /// Its row.
    pub id: TaskId,
    /// Where it stands; `None` if the row that the job names is gone.
    pub place: Option<Place>,
    /// The branch that the work happens on.
    pub branch: Option<String>,
    /// The work item's name in the tracker.
    pub work_item: Option<String>,
}

/// A job's row with its mirrored exit and its task's stage: all that is recorded, read at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct JobSnapshot {
    /// The job and the fence of its latest entry into `running`.
    pub attempt: Attempt,
    /// Where it stands.
    pub status: Status,
    /// Who is to do the work.
    pub agent: String,
    /// The repository that the work is about.
    pub repo: String,
    /// The work item, where there is one.
    pub task: Option<Task>,
    /// How often it was taken. Taking charges it; the reaper never changes it.
    pub attempts: u32,
    /// How often it may be taken.
    pub max_attempts: u32,
    /// How often it was requeued by a reaper.
    pub rescues: u32,
    /// The run that records the attempt. One inherited from the attempt before reads as none.
    pub run: Option<RunId>,
    /// The executor's bare pid. One inherited from the attempt before reads as none.
    pub pid: Option<u32>,
    /// When the attempt began: `started_at`, or the instant at which the store first saw it running where
    /// that is missing or lies later. A store gives one for every running job: without it neither the ceiling
    /// nor the start time-out can be reached.
    pub started_at: Option<Timestamp>,
    /// The recorded exit.
    pub exit: Option<Exit>,
    /// The executor's identity, where the worker stored one.
    pub executor: Option<ProcessIdentity>,
    /// The monitor's identity, where the worker stored one.
    pub monitor: Option<ProcessIdentity>,
    /// How far the attempt got in starting its executor.
    pub attach: Attach,
    /// Whether it dies with its node's beat.
    pub bond: Bond,
    /// The latest sign of life, where the worker gives any.
    pub beat: Option<Beat>,
    /// When a reaper announced that it would stop the executor.
    pub terminating_at: Option<Timestamp>,
}

impl JobSnapshot {
    /// Whether the exit is a late finish: an exit 0 that arrived after its attempt was requeued and before
    /// anyone took the job again.
    #[must_use]
    pub fn is_late_finish(&self) -> bool {
        self.status == Status::Queued && self.exit.is_some_and(|exit| exit.is_success())
    }

    /// The facts that a decision about this row rests on.
    #[must_use]
    pub fn basis(&self) -> Basis {
        Basis {
            status: self.status,
            run: self.run.clone(),
            pid: self.pid,
            started_at: self.started_at,
            exit: self.exit,
            attach: self.attach,
            beat: self.beat.map(|beat| beat.count),
            terminating_at: self.terminating_at,
        }
    }
}

/// The facts that a decision rests on, repeated beside the fence in the guard of its claim: if one of them
/// has changed, the claim is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Basis {
    /// The status: `running`, or `queued` for a late finish.
    pub status: Status,
    /// The run, as [`JobSnapshot::run`].
    pub run: Option<RunId>,
    /// The bare pid, as [`JobSnapshot::pid`].
    pub pid: Option<u32>,
    /// The beginning of the attempt, as [`JobSnapshot::started_at`].
    pub started_at: Option<Timestamp>,
    /// None, or the same code and instant.
    pub exit: Option<Exit>,
    /// How far the attempt got in starting its executor.
    pub attach: Attach,
    /// The count of the latest beat.
    pub beat: Option<i64>,
    /// When a reaper announced that it would stop the executor.
    pub terminating_at: Option<Timestamp>,
}

/// A row that does not parse. It is kept and reported, and harms no other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[error("job {job}: column {column} {problem}")]
pub struct BadRow {
    /// The job, as far as it could be read.
    pub job: JobId,
    /// The column at fault.
    pub column: String,
    /// What is wrong with it, with the value cut short and escaped.
    pub problem: String,
}
