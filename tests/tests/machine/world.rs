//! What is really so, beside one database: which processes live and how they ended, what gates say, and how much time
//! has truly passed.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use reaper_core::{
    AdvanceOrder, Alert, Attempt, Certainty, Finding, JobId, JobSnapshot, Liveness, ProcessIdentity, RunId,
    Sighting, Timestamp, Verdict,
};
use reaper_gate::{
    Advance, Gate, Notify, Probe, Stop,
    advance::{AdvanceError, Advanced},
    liveness::Stopped,
    notify::NotifyError,
};
use reaper_runner::{SystemTime, Time};

/// An attempt's executor and its monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// `None`: a foreign program's, which keeps none.
    pub(crate) run: Option<RunId>,
    pub(crate) attempt: Attempt,
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
}

/// The truth.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    pub(crate) passed: Duration,
    /// By how much the database's clock was set forward. A reaper that had not looked before cannot know.
    pub(crate) set_forward: Duration,
    pub(crate) processes: Vec<Process>,
    pub(crate) gate: Answer,
    pub(crate) moves: Vec<(AdvanceOrder, Advanced)>,
    /// The jobs in the order in which they came to be.
    pub(crate) jobs: Vec<JobId>,
}

impl Truth {
    pub(crate) fn process_of(&self, attempt: &Attempt) -> Option<&Process> {
        self.processes.iter().find(|process| process.attempt == *attempt)
    }

    fn executor(&self, pid: u32) -> Option<Executor> {
        self.processes.iter().rev().find(|process| process.pid == pid).map(|process| process.executor)
    }
}

/// The surroundings of one database's reapers: they see the truth as far as processes show it.
#[derive(Clone, Debug, Default)]
pub(crate) struct World(Arc<Mutex<Truth>>);

impl World {
    pub(crate) fn truth(&self) -> MutexGuard<'_, Truth> {
        self.0.lock().unwrap()
    }
}

/// The pid of the monitor of an executor.
pub(crate) const fn monitor_of(pid: u32) -> u32 {
    pid + 100_000
}

pub(crate) fn identity(pid: u32) -> ProcessIdentity {
    ProcessIdentity {
        host: "here".into(),
        boot: "b00t".into(),
        pid_namespace: None,
        pid,
        start_time: Some(pid.into()),
        inode: None,
    }
}

impl Probe for World {
    fn host(&self) -> &str {
        "here"
    }

    fn probe(&self, identity: &ProcessIdentity) -> Sighting {
        let truth = self.truth();
        let monitor = truth.processes.iter().find(|process| monitor_of(process.pid) == identity.pid);
        let lives = match monitor {
            Some(process) => process.monitor != Monitor::Killed,
            None => matches!(truth.executor(identity.pid), Some(Executor::Held | Executor::Alive)),
        };
        if lives {
            Sighting::new(Liveness::Alive(Certainty::Verified), Finding::Running)
        } else {
            Sighting::new(Liveness::Dead(Certainty::Verified), Finding::NoSuchProcess)
        }
    }

    fn probe_pid(&self, pid: u32) -> Sighting {
        if self.truth().executor(pid) == Some(Executor::Alive) {
            Sighting::new(Liveness::Alive(Certainty::Unverified), Finding::PidExists)
        } else {
            Sighting::new(Liveness::Dead(Certainty::Unverified), Finding::NoSuchProcess)
        }
    }
}

impl Stop for World {
    fn stop(&self, attempt: &Attempt, executor: &ProcessIdentity, _: Duration) -> Stopped {
        let mut truth = self.truth();
        let found = truth.processes.iter_mut().find(|process| process.pid == executor.pid).unwrap();
        assert_eq!(found.attempt, *attempt, "another attempt's executor is stopped");
        found.executor = Executor::Ended(143);
        Stopped::Asked
    }

    fn executors(&self) -> Vec<(Attempt, ProcessIdentity)> {
        Vec::new()
    }
}

impl Gate for World {
    fn ask(&self, _: &str, _: &JobSnapshot) -> Verdict {
        match self.truth().gate {
            Answer::Green => Verdict::Green,
            Answer::Red => Verdict::Red("red".into()),
            Answer::Undecided => Verdict::Undecided("no answer".into()),
        }
    }
}

impl Notify for World {
    fn notify(&self, _: &str, _: &Alert) -> Result<(), NotifyError> {
        Ok(())
    }
}

/// Moves tasks, and notes what came of it.
#[derive(Debug)]
pub(crate) struct Moves {
    pub(crate) inner: Arc<dyn Advance>,
    pub(crate) world: World,
}

impl Advance for Moves {
    fn advance(&self, order: &AdvanceOrder) -> Result<Advanced, AdvanceError> {
        let advanced = self.inner.advance(order)?;
        let mut truth = self.world.truth();
        if let Advanced::Advanced { next: Some(job) } = &advanced {
            truth.jobs.push(job.clone());
        }
        truth.moves.push((order.clone(), advanced.clone()));
        Ok(advanced)
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
