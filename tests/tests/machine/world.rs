//! What is really so, beside one database: which processes live and how they ended, what gates say, and how much time
//! has truly passed.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use reaper_core::{
    AdvanceOrder, Alert, Attempt, Certainty, Finding, JobId, JobSnapshot, Liveness, ProcessIdentity, RunId,
    Sighting, TaskId, Timestamp, Verdict, job::Place,
};
use reaper_gate::{
    Advance, Gate, Notify, Probe, Stop,
    advance::{AdvanceError, Advanced},
    liveness::Stopped,
    notify::NotifyError,
};
use reaper_runner::{SystemTime, Time};
use reaper_store::Facts as _;

use super::governed::Governed;

/// An attempt's executor and its monitor. Its place among all is what tells it from others of the same pid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// `None`: a foreign program's, which keeps none.
    pub(crate) run: Option<RunId>,
    pub(crate) attempt: Attempt,
    /// On the clock that the database shows, as all that follow.
    pub(crate) began: Duration,
    pub(crate) executor: Executor,
    pub(crate) monitor: Monitor,
    pub(crate) recorded: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Executor {
    Held,
    Alive,
    Ended(i32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Monitor {
    Alive,
    Stopped,
    Killed,
}

/// What a gate says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Answer {
    #[default]
    Green,
    Red,
    Undecided,
    Panics,
}

/// An order that was carried out, with where its task stood just before, as far as a job of that task tells.
#[derive(Clone, Debug)]
pub(crate) struct Move {
    pub(crate) order: AdvanceOrder,
    pub(crate) stood: Option<Place>,
    pub(crate) how: Advanced,
}

/// The truth.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    pub(crate) passed: Duration,
    /// By how much the database's clock was set forward. A reaper that had not looked before cannot know.
    pub(crate) set_forward: Duration,
    pub(crate) processes: Vec<Process>,
    pub(crate) gate: Answer,
    pub(crate) moves: Vec<Move>,
    /// Whether the next delivery fails, and how many have failed.
    pub(crate) fails: bool,
    pub(crate) failed: usize,
    /// What was done wrong where nobody could say so.
    pub(crate) wrong: Vec<String>,
    /// The jobs in the order in which they came to be.
    pub(crate) jobs: Vec<JobId>,
}

impl Truth {
    pub(crate) fn process_of(&self, attempt: &Attempt) -> Option<&Process> {
        self.processes.iter().find(|process| process.attempt == *attempt)
    }

    /// What the database's clock shows. What is older by it than it truly is began before the clock was set forward.
    pub(crate) fn shown(&self) -> Duration {
        self.passed + self.set_forward
    }

    pub(crate) fn has_pid(&self, pid: u32) -> bool {
        let is_there = |process: &Process| matches!(process.executor, Executor::Held | Executor::Alive);
        self.processes.iter().any(|process| process.pid == pid && is_there(process))
    }

    /// The pid that the next process gets: the lowest that nobody has, so that few are used again and again.
    pub(crate) fn free_pid(&self) -> u32 {
        (FIRST_PID..).find(|pid| !self.has_pid(*pid)).unwrap()
    }

    /// Whether this delivery is the one that fails.
    fn fails_now(&mut self) -> bool {
        let fails = std::mem::take(&mut self.fails);
        self.failed += usize::from(fails);
        fails
    }
}

const FIRST_PID: u32 = 1000;

/// The surroundings of one database's reapers: they see the truth as far as processes show it.
#[derive(Clone, Debug, Default)]
pub(crate) struct World(Arc<Mutex<Truth>>);

impl World {
    pub(crate) fn truth(&self) -> MutexGuard<'_, Truth> {
        self.0.lock().unwrap()
    }

    /// What a gate says, to somebody who takes a panic for no answer.
    pub(crate) fn verdict(&self) -> Verdict {
        match self.truth().gate {
            Answer::Green => Verdict::Green,
            Answer::Red => Verdict::Red("red".into()),
            Answer::Undecided | Answer::Panics => Verdict::Undecided("no answer".into()),
        }
    }
}

/// The pid of the monitor of an executor.
const MONITORS: u32 = 100_000;

/// The identity of the executor of a process, which no other has, whatever its pid.
pub(crate) fn executor(number: usize, pid: u32) -> ProcessIdentity {
    ProcessIdentity {
        host: "here".into(),
        boot: "b00t".into(),
        pid_namespace: None,
        pid,
        start_time: Some(u64::try_from(number).unwrap()),
        inode: None,
    }
}

/// The identity of its monitor.
pub(crate) fn monitor(number: usize, pid: u32) -> ProcessIdentity {
    executor(number, pid + MONITORS)
}

fn number_of(identity: &ProcessIdentity) -> usize {
    usize::try_from(identity.start_time.unwrap()).unwrap()
}

impl Probe for World {
    fn host(&self) -> &str {
        "here"
    }

    fn probe(&self, identity: &ProcessIdentity) -> Sighting {
        let truth = self.truth();
        let process = truth.processes.get(number_of(identity));
        let lives = process.is_some_and(|process| match identity.pid {
            MONITORS.. => process.monitor != Monitor::Killed,
            _ => matches!(process.executor, Executor::Held | Executor::Alive),
        });
        if lives {
            Sighting::new(Liveness::Alive(Certainty::Verified), Finding::Running)
        } else {
            Sighting::new(Liveness::Dead(Certainty::Verified), Finding::NoSuchProcess)
        }
    }

    fn probe_pid(&self, pid: u32) -> Sighting {
        if self.truth().has_pid(pid) {
            Sighting::new(Liveness::Alive(Certainty::Unverified), Finding::PidExists)
        } else {
            Sighting::new(Liveness::Dead(Certainty::Unverified), Finding::NoSuchProcess)
        }
    }
}

impl Stop for World {
    fn stop(&self, attempt: &Attempt, executor: &ProcessIdentity, _: Duration) -> Stopped {
        let mut truth = self.truth();
        let found = &mut truth.processes[number_of(executor)];
        let other = found.attempt != *attempt;
        found.executor = Executor::Ended(143);
        if other {
            truth.wrong.push(format!("I4: the executor of another attempt than {attempt:?} was stopped"));
        }
        Stopped::Asked
    }

    fn executors(&self) -> Vec<(Attempt, ProcessIdentity)> {
        Vec::new()
    }
}

impl Gate for World {
    fn ask(&self, _: &str, _: &JobSnapshot) -> Verdict {
        if self.truth().gate == Answer::Panics {
            // Without the hook, which would print it each time.
            std::panic::resume_unwind(Box::new("the gate is broken"));
        }
        self.verdict()
    }
}

impl Notify for World {
    fn notify(&self, _: &str, _: &Alert) -> Result<(), NotifyError> {
        if self.truth().fails_now() {
            return Err(NotifyError::Again("nobody answers".into()));
        }
        Ok(())
    }
}

/// Moves tasks, and notes what came of it.
#[derive(Debug)]
pub(crate) struct Moves {
    pub(crate) inner: Arc<dyn Advance>,
    pub(crate) world: World,
    pub(crate) store: Arc<Governed>,
}

impl Moves {
    /// Where a task stands, read from any job that belongs to it.
    fn place(&self, task: &TaskId) -> Option<Place> {
        let jobs = self.world.truth().jobs.clone();
        let rows = jobs.iter().filter_map(|job| self.store.job(job).ok()??.ok());
        rows.filter_map(|row| row.task).find(|of| of.id == *task)?.place
    }
}

impl Advance for Moves {
    fn advance(&self, order: &AdvanceOrder) -> Result<Advanced, AdvanceError> {
        if self.world.truth().fails_now() {
            return Err(AdvanceError { problem: "nobody answers".into() });
        }
        let stood = self.place(&order.task);
        let how = self.inner.advance(order)?;
        let mut truth = self.world.truth();
        if let Advanced::Advanced { next: Some(job) } = &how {
            truth.jobs.push(job.clone());
        }
        truth.moves.push(Move { order: order.clone(), stood, how: how.clone() });
        Ok(how)
    }
}

/// The machine's clocks, on which more time has passed than really has.
#[derive(Debug)]
pub(crate) struct Skewed {
    inner: SystemTime,
    more: Mutex<Duration>,
}

impl Skewed {
    pub(crate) fn new() -> Self {
        Self { inner: SystemTime::new(), more: Mutex::default() }
    }

    pub(crate) fn pass(&self, by: Duration) {
        *self.more.lock().unwrap() += by;
    }
}

impl Time for Skewed {
    fn monotonic(&self) -> Duration {
        self.inner.monotonic() + *self.more.lock().unwrap()
    }

    fn wall(&self) -> Timestamp {
        self.inner.wall()
    }
}
