//! A reaper on the store in memory, with a clock that is told the time.

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use chrono::{DateTime, TimeDelta};
use reaper_core::{
    Alert, Attempt, Certainty, Finding, JobId, JobSnapshot, Liveness, NodeId, Pipeline, ProcessIdentity, Sighting,
    TaskId, Timestamp, Verdict,
    pipeline::{Next, Stage},
};
use reaper_gate::{
    Gate, Notify, Probe, Stop,
    advance::{Advanced, MockAdvance},
    liveness::Stopped,
    notify::NotifyError,
};
use reaper_runner::{Parts, Settings, Time};
use reaper_store::{
    Attempts, Facts, Foreign, MemoryStore,
    attempts::{Launcher, NewJob, Wants, Written},
    foreign::{ForeignJob, When},
};

pub(crate) type GateFn = dyn Fn(&JobSnapshot) -> Verdict + Send + Sync;
pub(crate) type ProbeFn = dyn Fn(u32) -> Sighting + Send + Sync;

/// A monotonic clock and a wall clock that stand still until they are moved.
#[derive(Debug, Default)]
pub(crate) struct ToldTime(Mutex<Duration>);

impl ToldTime {
    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Time for ToldTime {
    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn wall(&self) -> Timestamp {
        beginning() + TimeDelta::from_std(self.monotonic()).unwrap()
    }
}

pub(crate) fn beginning() -> Timestamp {
    DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").unwrap().to_utc()
}

/// The world around a reaper.
pub(crate) struct World {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) time: Arc<ToldTime>,
    pub(crate) alerts: Arc<Alerts>,
    pub(crate) stopped: Arc<Mutex<Vec<Attempt>>>,
    /// What becomes of a stop.
    pub(crate) stop: Stopped,
    /// The host that the reaper is on.
    pub(crate) host: &'static str,
    /// The executors that are found on this host.
    pub(crate) executors: Vec<(Attempt, ProcessIdentity)>,
    pub(crate) advanced: Arc<Mutex<Vec<TaskId>>>,
    gate: Arc<ByGate>,
    probe: Arc<ProbeFn>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            store: Arc::new(MemoryStore::new(beginning())),
            time: Arc::default(),
            alerts: Arc::default(),
            stopped: Arc::default(),
            stop: Stopped::Asked,
            host: "here",
            executors: Vec::new(),
            advanced: Arc::default(),
            gate: Arc::new(ByGate(Box::new(|job| panic!("no gate for job {}", job.attempt.job)))),
            probe: Arc::new(|_| dead()),
        }
    }

    pub(crate) fn gate(mut self, ask: impl Fn(&JobSnapshot) -> Verdict + Send + Sync + 'static) -> Self {
        self.gate = Arc::new(ByGate(Box::new(ask)));
        self
    }

    pub(crate) fn probe(mut self, look: impl Fn(u32) -> Sighting + Send + Sync + 'static) -> Self {
        self.probe = Arc::new(look);
        self
    }

    /// Time passes, on every clock alike.
    pub(crate) fn pass(&self, by: Duration) {
        self.store.advance(by);
        self.time.advance(by);
    }

    pub(crate) fn parts(&self) -> Parts {
        let mut advance = MockAdvance::new();
        let advanced = Arc::clone(&self.advanced);
        advance.expect_advance().returning(move |order| {
            advanced.lock().unwrap().push(order.task.clone());
            Ok(Advanced::Advanced { next: None })
        });
        Parts {
            store: Arc::<MemoryStore>::clone(&self.store),
            probe: Arc::new(ByProbe(self.host, Arc::clone(&self.probe))),
            stop: Arc::new(NoteStop {
                stopped: Arc::clone(&self.stopped),
                how: self.stop,
                executors: self.executors.clone(),
            }),
            gate: Arc::<ByGate>::clone(&self.gate),
            advance: Arc::new(advance),
            notify: Arc::<Alerts>::clone(&self.alerts),
            leases: None,
            watch: None,
            time: Arc::<ToldTime>::clone(&self.time),
        }
    }

    /// A job that runs with this pid since so many seconds.
    pub(crate) fn running(&self, pid: u32, secs: u64) -> JobId {
        self.store.insert_job(&ForeignJob::running(pid, secs)).unwrap()
    }

    /// A developer's job whose exit was recorded so many seconds ago, of a task in `architecture`.
    pub(crate) fn exited(&self, code: i32, secs: u64) -> (JobId, TaskId) {
        let task = self.store.insert_task(None, "architecture").unwrap();
        let run = self.store.insert_run(Some(code), When::secs_ago(secs)).unwrap();
        let job = ForeignJob { task: Some(task.clone()), run: Some(run), ..ForeignJob::running(1, secs) };
        (self.store.insert_job(&job).unwrap(), task)
    }

    /// An attempt that can be stopped.
    pub(crate) fn taken(&self) -> Attempt {
        let identity = |pid| ProcessIdentity {
            host: "here".into(),
            boot: "boot".into(),
            pid_namespace: None,
            pid,
            start_time: Some(1),
            inode: None,
        };
        let new = NewJob {
            agent: "a".into(),
            repo: "r".into(),
            task: None,
            max_attempts: 2,
            source_key: None,
            payload: None,
        };
        self.store.enqueue(&new).unwrap();
        let taken = self.store.take(&Wants::Any, &Launcher::free(identity(1))).unwrap().unwrap();
        assert_eq!(self.store.attach(&taken.job.attempt, &identity(2)).unwrap(), Written::Yes);
        taken.job.attempt
    }

    pub(crate) fn status(&self, job: &JobId) -> String {
        self.store.job(job).unwrap().unwrap().unwrap().status.to_string()
    }
}

/// The node that the reaper is on.
pub(crate) fn here() -> NodeId {
    NodeId { host: "here".into(), boot: "b00t".into() }
}

pub(crate) fn settings() -> Settings {
    let stage = |name: &str, next: Option<&str>, gate: Option<&str>| Stage {
        name: name.into(),
        next: next.map(|stage| Next { stage: stage.into(), agent: None }),
        gate: gate.map(Into::into),
    };
    let stages =
        vec![stage("architecture", Some("development"), Some("review")), stage("development", None, None)];
    let mut settings = Settings::default();
    settings.policy.pipeline = Pipeline::new(stages, [("developer".into(), vec!["architecture".into()])]).unwrap();
    settings
}

pub(crate) fn dead() -> Sighting {
    Sighting::new(Liveness::Dead(Certainty::Unverified), Finding::NoSuchProcess)
}

pub(crate) fn alive() -> Sighting {
    Sighting::new(Liveness::Alive(Certainty::Unverified), Finding::PidExists)
}

struct ByGate(Box<GateFn>);

impl std::fmt::Debug for ByGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ByGate")
    }
}

impl Gate for ByGate {
    fn ask(&self, _: &str, job: &JobSnapshot) -> Verdict {
        (self.0)(job)
    }
}

struct ByProbe(&'static str, Arc<ProbeFn>);

impl std::fmt::Debug for ByProbe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ByProbe")
    }
}

impl Probe for ByProbe {
    fn host(&self) -> &str {
        self.0
    }

    fn node(&self) -> Option<NodeId> {
        Some(here())
    }

    fn probe(&self, identity: &ProcessIdentity) -> Sighting {
        match (self.1)(identity.pid).liveness {
            Liveness::Alive(_) => Sighting::new(Liveness::Alive(Certainty::Verified), Finding::Running),
            Liveness::Dead(_) => Sighting::new(Liveness::Dead(Certainty::Verified), Finding::Ended),
            other @ (Liveness::Leftovers | Liveness::Elsewhere | Liveness::Unknown) => {
                Sighting::new(other, Finding::OtherHost)
            }
        }
    }

    fn probe_pid(&self, pid: u32) -> Sighting {
        (self.1)(pid)
    }
}

#[derive(Debug)]
struct NoteStop {
    stopped: Arc<Mutex<Vec<Attempt>>>,
    how: Stopped,
    executors: Vec<(Attempt, ProcessIdentity)>,
}

impl Stop for NoteStop {
    fn stop(&self, attempt: &Attempt, _: &ProcessIdentity, _: Duration) -> Stopped {
        self.stopped.lock().unwrap().push(attempt.clone());
        self.how
    }

    fn executors(&self) -> Vec<(Attempt, ProcessIdentity)> {
        self.executors.clone()
    }
}

/// Takes alerts down; refuses the first few.
#[derive(Debug, Default)]
pub(crate) struct Alerts {
    pub(crate) sent: Mutex<Vec<Alert>>,
    pub(crate) failing: Mutex<u32>,
}

impl Alerts {
    pub(crate) fn kinds(&self) -> Vec<String> {
        self.sent.lock().unwrap().iter().map(|alert| alert.kind.clone()).collect()
    }
}

impl Notify for Alerts {
    fn notify(&self, _: &str, alert: &Alert) -> Result<(), NotifyError> {
        let mut failing = self.failing.lock().unwrap();
        if *failing > 0 {
            *failing -= 1;
            return Err(NotifyError::Again("the chat is down".into()));
        }
        self.sent.lock().unwrap().push(alert.clone());
        Ok(())
    }
}

/// Waits for a condition, bounded, looking whenever something is reported: quick reapers report every few milliseconds.
pub(crate) fn wait_for<T>(reports: &mpsc::Receiver<T>, mut condition: impl FnMut() -> bool) {
    for _ in 0..4_000 {
        if condition() {
            return;
        }
        reports.recv_timeout(Duration::from_millis(25)).ok();
    }
    panic!("the condition did not come true within its bound");
}
