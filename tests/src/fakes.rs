//! Fakes behind the gate crate's traits, where the seed replaces a function.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use reaper_core::{
    AdvanceOrder, Alert, Certainty, Finding, JobSnapshot, Liveness, Pipeline, ProcessIdentity, Sighting, Verdict,
    pipeline::{Next, Stage},
};
use reaper_gate::{
    Advance, Gate, Notify, Probe, Stop,
    advance::{AdvanceError, Advanced},
    liveness::Stopped,
    notify::NotifyError,
};
use reaper_runner::{Parts, Settings, SystemTime};
use reaper_store::Store;

/// What a bare pid is, pid by pid or in turn.
pub type PidFn = dyn Fn(u32) -> bool + Send + Sync;

/// Answers for bare pids by a function, as the seed's tests replace `pid_alive`.
pub struct FakeProbe(Box<PidFn>);

impl std::fmt::Debug for FakeProbe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeProbe").finish_non_exhaustive()
    }
}

impl FakeProbe {
    /// Every pid is dead.
    #[must_use]
    pub fn dead() -> Self {
        Self(Box::new(|_| false))
    }

    /// Every pid is alive.
    #[must_use]
    pub fn alive() -> Self {
        Self(Box::new(|_| true))
    }

    /// Whether a pid is alive, by turns.
    #[must_use]
    pub fn turns(turns: impl IntoIterator<Item = bool>) -> Self {
        let turns = Mutex::new(turns.into_iter().collect::<VecDeque<_>>());
        Self(Box::new(move |_| turns.lock().unwrap().pop_front().expect("one probe too many")))
    }

    /// By a function.
    #[must_use]
    pub fn by(alive: impl Fn(u32) -> bool + Send + Sync + 'static) -> Self {
        Self(Box::new(alive))
    }
}

impl Probe for FakeProbe {
    fn host(&self) -> &str {
        "here"
    }

    fn probe(&self, _: &ProcessIdentity) -> Sighting {
        Sighting::new(Liveness::Unknown, Finding::OtherHost)
    }

    fn probe_pid(&self, pid: u32) -> Sighting {
        if (self.0)(pid) {
            Sighting::new(Liveness::Alive(Certainty::Unverified), Finding::PidExists)
        } else {
            Sighting::new(Liveness::Dead(Certainty::Unverified), Finding::NoSuchProcess)
        }
    }
}

/// Stops nothing, and says so.
#[derive(Debug)]
pub struct NoStop;

impl Stop for NoStop {
    fn stop(&self, _: &reaper_core::Attempt, _: &ProcessIdentity, _: std::time::Duration) -> Stopped {
        Stopped::NotVerified
    }

    fn executors(&self) -> Vec<(reaper_core::Attempt, ProcessIdentity)> {
        Vec::new()
    }
}

/// A gate that runs a function.
pub struct FakeGate(Box<dyn Fn(&JobSnapshot) -> Verdict + Send + Sync>);

impl std::fmt::Debug for FakeGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeGate").finish_non_exhaustive()
    }
}

impl FakeGate {
    /// By a function.
    #[must_use]
    pub fn by(ask: impl Fn(&JobSnapshot) -> Verdict + Send + Sync + 'static) -> Self {
        Self(Box::new(ask))
    }

    /// Always green.
    #[must_use]
    pub fn green() -> Self {
        Self::by(|_| Verdict::Green)
    }

    /// Always red.
    #[must_use]
    pub fn red() -> Self {
        Self::by(|_| Verdict::Red("the check failed".to_owned()))
    }
}

impl Gate for FakeGate {
    fn ask(&self, _: &str, job: &JobSnapshot) -> Verdict {
        (self.0)(job)
    }
}

/// Notes down the orders that it is given, and passes them on where it has somebody to pass them to.
#[derive(Debug, Default)]
pub struct Orders {
    /// The orders.
    pub given: Mutex<Vec<AdvanceOrder>>,
    /// Who carries them out.
    pub inner: Option<Arc<dyn Advance>>,
}

impl Orders {
    /// How many orders were given.
    #[must_use]
    pub fn count(&self) -> usize {
        self.given.lock().unwrap().len()
    }
}

impl Advance for Orders {
    fn advance(&self, order: &AdvanceOrder) -> Result<Advanced, AdvanceError> {
        self.given.lock().unwrap().push(order.clone());
        self.inner.as_ref().map_or(Ok(Advanced::Advanced { next: None }), |inner| inner.advance(order))
    }
}

/// Notes down the alerts that it is given.
#[derive(Debug, Default)]
pub struct Alerts {
    /// The alerts.
    pub sent: Mutex<Vec<Alert>>,
}

impl Alerts {
    /// How many alerts were sent.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sent.lock().unwrap().len()
    }
}

impl Notify for Alerts {
    fn notify(&self, _: &str, alert: &Alert) -> Result<(), NotifyError> {
        self.sent.lock().unwrap().push(alert.clone());
        Ok(())
    }
}

/// The seed's pipeline: a `developer` job leaves `architecture` for `development`.
#[must_use]
pub fn pipeline() -> Pipeline {
    let stage = |name: &str, next: Option<(&str, Option<&str>)>, gate: Option<&str>| Stage {
        name: name.to_owned(),
        next: next.map(|(stage, agent)| Next { stage: stage.to_owned(), agent: agent.map(str::to_owned) }),
        gate: gate.map(str::to_owned),
    };
    let stages = vec![
        stage("architecture", Some(("development", Some("tester"))), Some("quality")),
        stage("development", Some(("testing", None)), Some("quality")),
        stage("testing", None, None),
    ];
    let agents = [
        ("developer".to_owned(), vec!["architecture".to_owned()]),
        ("tester".to_owned(), vec!["development".to_owned()]),
    ];
    Pipeline::new(stages, agents).unwrap()
}

/// A reaper's surroundings with everything faked but the store.
#[derive(Debug)]
pub struct Fakes {
    /// What looks at pids.
    pub probe: Arc<dyn Probe>,
    /// The gate.
    pub gate: Arc<dyn Gate>,
    /// The advance.
    pub orders: Arc<Orders>,
    /// The alerts.
    pub alerts: Arc<Alerts>,
}

impl Fakes {
    /// With this probe, and a gate that must not be asked.
    #[must_use]
    pub fn with_probe(probe: FakeProbe) -> Self {
        let gate = FakeGate::by(|job| panic!("the gate was asked for job {}", job.attempt.job));
        Self { probe: Arc::new(probe), gate: Arc::new(gate), orders: Arc::default(), alerts: Arc::default() }
    }

    /// With this gate, and every pid alive.
    #[must_use]
    pub fn with_gate(gate: FakeGate) -> Self {
        Self { gate: Arc::new(gate), ..Self::with_probe(FakeProbe::alive()) }
    }

    /// A reaper's parts.
    #[must_use]
    pub fn parts(&self, store: &Arc<dyn Store>) -> Parts {
        Parts {
            store: Arc::clone(store),
            probe: Arc::clone(&self.probe),
            stop: Arc::new(NoStop),
            gate: Arc::clone(&self.gate),
            advance: Arc::<Orders>::clone(&self.orders),
            notify: Arc::<Alerts>::clone(&self.alerts),
            leases: None,
            watch: None,
            time: Arc::new(SystemTime::new()),
        }
    }
}

/// The seed's settings: the defaults with its pipeline.
#[must_use]
pub fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.policy.pipeline = pipeline();
    settings
}
