//! What a program that knows nothing of Reaper writes to the same tables, for tests of a store.
//!
//! A jobs table has other writers: they insert rows that run already, set a status by itself, leave the pid of the
//! attempt before on the row, delete rows and use their ids again. A store is right only if it is right beside
//! them, so its tests need their writes. Nothing in here knows a fence, a mirror or a version.

#![expect(clippy::missing_errors_doc, reason = "the trait states the errors of its methods once")]

use std::{fmt::Debug, time::Duration};

use reaper_core::{JobId, RunId, TaskId};

use crate::StoreError;

/// A time that another program writes. Always relative to the database's clock, so that a test that wants an old
/// row back-dates it instead of waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// NULL.
    #[default]
    Null,
    /// So long ago, in whole seconds.
    Ago(Duration),
    /// So far in the future, in whole seconds.
    Ahead(Duration),
    /// A text that is no time; NULL where the column can hold none.
    Unreadable,
}

impl When {
    /// So many seconds ago.
    #[must_use]
    pub const fn secs_ago(secs: u64) -> Self {
        Self::Ago(Duration::from_secs(secs))
    }
}

/// A row of `jobs` as another program inserts it: the seed's columns and no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignJob {
    /// Its id, where the program chooses it.
    pub id: Option<JobId>,
    /// The agent.
    pub agent: String,
    /// The repository.
    pub repo: String,
    /// The task, which need not exist.
    pub task: Option<TaskId>,
    /// The status: any word.
    pub status: String,
    /// How often it was taken.
    pub attempts: u32,
    /// How often it may be.
    pub max_attempts: u32,
    /// The run.
    pub run: Option<RunId>,
    /// The bare pid.
    pub pid: Option<u32>,
    /// When it began.
    pub started_at: When,
}

impl Default for ForeignJob {
    /// A queued job of `developer` that was never taken and may be twice.
    fn default() -> Self {
        Self {
            id: None,
            agent: "developer".into(),
            repo: "shop".into(),
            task: None,
            status: "queued".into(),
            attempts: 0,
            max_attempts: 2,
            run: None,
            pid: None,
            started_at: When::Null,
        }
    }
}

impl ForeignJob {
    /// A job that runs with this pid since so many seconds, taken once.
    #[must_use]
    pub fn running(pid: u32, secs: u64) -> Self {
        Self {
            status: "running".into(),
            attempts: 1,
            pid: Some(pid),
            started_at: When::secs_ago(secs),
            ..Self::default()
        }
    }
}

/// A column of `jobs` with the value that an UPDATE gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobColumn {
    /// `status`: any word.
    Status(String),
    /// `run_id`.
    Run(Option<RunId>),
    /// `pid`.
    Pid(Option<u32>),
    /// `started_at`.
    StartedAt(When),
    /// `attempts`.
    Attempts(u32),
}

impl JobColumn {
    /// `status`.
    #[must_use]
    pub fn status(word: &str) -> Self {
        Self::Status(word.into())
    }
}

/// A column of `agent_runs` with the value that an UPDATE gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunColumn {
    /// `exit_code`.
    ExitCode(Option<i32>),
    /// `finished_at`.
    FinishedAt(When),
}

/// The plain writes of a program without Reaper, each one statement in a transaction of its own, and the few plain
/// reads that tests need.
///
/// # Obligations
///
/// Only the columns that are named are written, and none of Reaper's: what Reaper's triggers make of it is what is
/// tested.
///
/// # Errors
///
/// Every method fails with a [`StoreError`] where the database does, or where the row is not there.
pub trait Foreign: Debug + Send + Sync {
    /// `INSERT INTO tasks`, with this id where one is given.
    fn insert_task(&self, id: Option<&TaskId>, stage: &str) -> Result<TaskId, StoreError>;

    /// `UPDATE tasks SET stage`.
    fn set_stage(&self, task: &TaskId, stage: &str) -> Result<(), StoreError>;

    /// `DELETE FROM tasks`.
    fn delete_task(&self, task: &TaskId) -> Result<(), StoreError>;

    /// `INSERT INTO jobs`.
    fn insert_job(&self, job: &ForeignJob) -> Result<JobId, StoreError>;

    /// `REPLACE INTO jobs`, or a DELETE and an INSERT in one transaction where the database has no such statement.
    /// The id must be given.
    fn replace_job(&self, job: &ForeignJob) -> Result<JobId, StoreError>;

    /// `UPDATE jobs SET …` of these columns, in one statement.
    fn update_job(&self, job: &JobId, columns: &[JobColumn]) -> Result<(), StoreError>;

    /// `DELETE FROM jobs`.
    fn delete_job(&self, job: &JobId) -> Result<(), StoreError>;

    /// `INSERT INTO agent_runs`.
    fn insert_run(&self, exit_code: Option<i32>, finished_at: When) -> Result<RunId, StoreError>;

    /// `UPDATE agent_runs SET …` of these columns, in one statement.
    fn update_run(&self, run: &RunId, columns: &[RunColumn]) -> Result<(), StoreError>;

    /// Writes a value that does not parse into the job's row (a text or a negative number where a count should
    /// stand), in a column by which no set of a load is chosen.
    fn spoil_job(&self, job: &JobId) -> Result<(), StoreError>;

    /// From now on the database refuses every UPDATE of this job's row, as a trigger of the owner's does that
    /// raises. A statement about it fails; other rows are not affected.
    fn refuse_updates(&self, job: &JobId) -> Result<(), StoreError>;

    /// The reason that the latest requeue or failure left with the job.
    fn last_error(&self, job: &JobId) -> Result<Option<String>, StoreError>;

    /// `SELECT exit_code FROM agent_runs`.
    fn exit_code(&self, run: &RunId) -> Result<Option<i32>, StoreError>;

    /// Every row and column of every table, Reaper's own included, as a text that is the same if and only if
    /// nothing was changed.
    fn dump(&self) -> Result<String, StoreError>;
}
