//! The worker's side: enqueue, take, attach, beat, record the exit. Finishing is a claim like a reaper's.

#![expect(clippy::missing_errors_doc, reason = "the trait states the errors of its methods once")]

use std::fmt::Debug;

use reaper_core::{Attempt, Bond, JobId, JobSnapshot, Mode, ProcessIdentity, RunId, TaskId};

use crate::StoreError;

/// A task to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// The repository that it is about.
    pub repo: String,
    /// Its name in the tracker.
    pub work_item: Option<String>,
    /// The branch that the work happens on.
    pub branch: Option<String>,
    /// The stage that it begins in.
    pub stage: String,
}

/// A job to be enqueued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// Who is to do the work.
    pub agent: String,
    /// The repository that it is about.
    pub repo: String,
    /// The task that it belongs to.
    pub task: Option<TaskId>,
    /// How often it may be taken.
    pub max_attempts: u32,
    /// A key that is enqueued once, where one is given.
    pub source_key: Option<String>,
    /// What its work is given to read: at most [`LONGEST_PAYLOAD`] bytes, without a NUL, which PostgreSQL's texts cannot
    /// hold. A store refuses any other.
    pub payload: Option<String>,
}

/// How long a job's payload may be, in bytes. A worker keeps it in memory; what is longer belongs elsewhere, with its
/// place as the payload.
pub const LONGEST_PAYLOAD: usize = 1 << 18;

impl NewJob {
    /// Refuses a payload that no store could give back.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] that says what is wrong with it.
    pub fn check(&self) -> Result<(), StoreError> {
        let payload = self.payload.as_deref().unwrap_or_default();
        if payload.len() > LONGEST_PAYLOAD {
            let long = payload.len();
            return Err(StoreError::Payload(format!("is {long} bytes long or more, over {LONGEST_PAYLOAD}")));
        }
        if payload.contains('\0') {
            return Err(StoreError::Payload("holds a NUL character".into()));
        }
        Ok(())
    }
}

/// Whether a job was new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// It was enqueued.
    New(JobId),
    /// One with its source key was there already.
    Known(JobId),
}

/// Which job a worker takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wants {
    /// The oldest that is due.
    Any,
    /// The oldest that is due for this agent.
    Agent(String),
    /// This one, if it is due.
    Job(JobId),
}

/// Who takes a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launcher {
    /// The launcher's own identity: it is the monitor of what it launches.
    pub monitor: ProcessIdentity,
    /// Whether its attempts die with its node's beat.
    pub bond: Bond,
}

impl Launcher {
    /// A launcher whose attempts are free of its node's beat.
    #[must_use]
    pub const fn free(monitor: ProcessIdentity) -> Self {
        Self { monitor, bond: Bond::Free }
    }
}

/// An attempt that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The run that records it.
    pub run: RunId,
    /// The job as it stands after the take: `running`, the attempt charged, `attach` pending.
    pub job: JobSnapshot,
    /// What the work is given to read, as it was enqueued.
    pub payload: Option<String>,
}

/// Whether a write under a fence took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// It did.
    Yes,
    /// The attempt is not this worker's any more: it stops its executor and touches nothing.
    NotMine,
}

/// Whether an exit was the first for its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Recorded {
    /// It was, and stands.
    New,
    /// One was recorded before, and stands.
    Known,
    /// There is no such run.
    NoSuchRun,
}

/// What became of an exit that somebody recorded who comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Tried {
    /// The database has answered.
    Recorded(Recorded),
    /// Nothing was written, for a reason that hinders no other exit.
    LeftOut(LeftOut),
}

/// Why an exit was left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeftOut {
    /// Another program holds the run or its job: later it may be recorded.
    #[error("another program holds its run or its job")]
    Held,
    /// The database refuses it, as it says.
    #[error("{0}")]
    Refused(String),
}

/// The exit of an attempt's executor, told by somebody who is not its monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessedExit {
    /// The attempt.
    pub attempt: Attempt,
    /// The exit code, or `-n` where signal `n` ended the executor.
    pub code: i32,
    /// Who saw it: a few words, for the event.
    pub witness: String,
}

impl WitnessedExit {
    /// What its event says.
    pub(crate) fn reason(&self) -> String {
        format!("exit {}, witnessed by {}", self.code, self.witness)
    }

    pub(crate) fn evidence(&self) -> serde_json::Value {
        serde_json::json!({ "code": self.code, "witness": self.witness })
    }
}

/// Whether a witnessed exit was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Testified {
    /// It was, with its event.
    Recorded,
    /// The attempt has moved on, has an exit already, or names no run: nothing was written.
    NotOpen,
    /// The stored mode forbids it: nothing was written.
    Forbidden(Mode),
    /// Nothing was written, for a reason that is this exit's alone.
    LeftOut(LeftOut),
}

/// What a worker writes. Each call is one transaction, and everything but a take names the attempt that it is
/// about.
///
/// A worker that dies between take and attach leaves an attempt of which nothing was let go; one that dies after
/// attach leaves an executor whose identity is known. There is no moment in between.
///
/// # Errors
///
/// Every method fails with a [`StoreError`] where the database does; nothing was changed then.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Attempts: Debug + Send + Sync {
    /// Makes a task.
    fn add_task(&self, task: &NewTask) -> Result<TaskId, StoreError>;

    /// Enqueues a job.
    fn enqueue(&self, job: &NewJob) -> Result<Enqueued, StoreError>;

    /// Takes the oldest queued job that is due and is no late finish: charges the attempt, makes its run, and
    /// stores who launches it. A job whose payload is no text, or too long to be read, is left alone; one whose take
    /// the database refuses is passed by, and its reason is the error only where no other could be taken, or where it
    /// alone was wanted.
    fn take(&self, wants: &Wants, launcher: &Launcher) -> Result<Option<Taken>, StoreError>;

    /// Stores the executor's identity, before the executor is let go.
    fn attach(&self, attempt: &Attempt, executor: &ProcessIdentity) -> Result<Written, StoreError>;

    /// Says "still here".
    fn beat(&self, attempt: &Attempt) -> Result<Written, StoreError>;

    /// Records a run's exit, once, whatever has become of its job. The first thing that a monitor does.
    fn record_exit(&self, run: &RunId, code: i32) -> Result<Recorded, StoreError>;

    /// The same for somebody who comes again: waits for nobody who holds the run or its job, and tells what is the
    /// exit's own trouble from the database's.
    fn try_record_exit(&self, run: &RunId, code: i32) -> Result<Tried, StoreError>;

    /// Records exits that no monitor has recorded, each under its fence: only where the job still runs in this attempt,
    /// names a run of its own, and no exit is known of either. Each has an event that names the witness. All of them in
    /// one transaction, in which the stored mode is read, too, less those that are left out; answered in order. Whoever
    /// holds a run or its job is not waited for.
    fn record_witnessed(&self, exits: &[WitnessedExit]) -> Result<Vec<Testified>, StoreError>;
}
