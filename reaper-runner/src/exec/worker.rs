//! The worker: takes a job, has it run, and finishes it.

use std::{io, path, time::Duration};

use reaper_core::{Backoff, Bond, Policy, ProcessIdentity, node::NodeTiming, policy::Limits};
use reaper_gate::{
    Probe as _,
    liveness::{IdentifyError, LocalProbe},
};
use reaper_store::{
    StoreError,
    attempts::{Launcher, Wants},
};

use super::{
    Execution, Orders, Spool, WorkerSettings, clock::boottime, orders::Course, pulse::Pulse, ticket::KILL_MARGIN,
};
use crate::Parts;

/// Takes jobs, runs a command for each, and finishes them.
///
/// A worker may be used from several threads at once: each call runs one job.
///
/// **Invariant:** no command is let go before its supervisor's identity is stored under the attempt's fence, and no
/// claim is made before the exit is recorded.
#[derive(Debug)]
pub struct Worker {
    pub(super) parts: Parts,
    pub(super) settings: WorkerSettings,
    pub(super) probe: LocalProbe,
    /// This process: the monitor of all that it takes.
    pub(super) monitor: ProcessIdentity,
    pub(super) pulse: Option<Pulse>,
}

/// Why a worker cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The process that would be the monitor cannot be told from others.
    #[error("this process cannot be identified: {0}")]
    Identify(#[from] IdentifyError),
    /// The spool's folder cannot be made.
    #[error("cannot use the spool {}: {problem}", folder.display())]
    Spool {
        /// The folder.
        folder: path::PathBuf,
        /// What the operating system says.
        problem: io::Error,
    },
    /// Attempts cannot be bound to this node.
    #[error("attempts cannot be bound to this host's node: {0}")]
    Bond(String),
    /// Executors cannot be given cgroups of their own, as the probe that the worker was given says.
    #[error("executors cannot be given cgroups of their own: {0}")]
    Cgroups(String),
    /// Supervisors cannot be started any more, or cannot watch a command.
    #[error("commands cannot be run: {0}")]
    Supervisor(String),
    /// The database failed; nothing was taken.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Worker {
    /// A worker of these parts. `probe` is the one of this host that identities are made by.
    ///
    /// # Errors
    ///
    /// A [`WorkerError`] where this process cannot be identified, the spool cannot be made, attempts cannot be bound as the
    /// settings say, or executors cannot be given the cgroups that the probe knows of.
    pub fn new(parts: Parts, probe: LocalProbe, mut settings: WorkerSettings) -> Result<Self, WorkerError> {
        let monitor = probe.identify_self()?;
        // A supervisor may outlive whatever changes this process's folder.
        let problem = |problem| WorkerError::Spool { folder: settings.spool.folder().to_owned(), problem };
        let spool = path::absolute(settings.spool.folder()).map(Spool::new).map_err(problem)?;
        spool.make().map_err(problem)?;
        settings.spool = spool;
        settings.policy = without_grace(settings.policy);
        let pulse = match &settings.bond {
            None => None,
            Some(timing) => {
                check_bond(timing, settings.grace).map_err(WorkerError::Bond)?;
                let unknown = || WorkerError::Bond("its boots cannot be told apart on this platform".into());
                Some(Pulse::new(probe.node().ok_or_else(unknown)?))
            }
        };
        if probe.cgroups().is_some() {
            Self::try_supervisor(&probe, &settings.hold).map_err(WorkerError::Cgroups)?;
        }
        Ok(Self { parts, settings, probe, monitor, pulse })
    }

    /// Takes a job and runs it to its end. `None`: there is none to be taken, or no more are to be.
    ///
    /// # Errors
    ///
    /// A [`WorkerError`] where nothing was taken. Whatever happens later is in the [`Execution`].
    pub fn run_one(&self, wants: &Wants, orders: &Orders) -> Result<Option<Execution>, WorkerError> {
        self.run_one_with(wants, orders, Some(self.settings.patience), &mut None)
    }

    /// As [`run_one`](Self::run_one); without a patience a database that is away is tried until the orders are to stop.
    /// `trouble` is why no supervisor could be started, where none could.
    pub(super) fn run_one_with(
        &self,
        wants: &Wants,
        orders: &Orders,
        patience: Option<Duration>,
        trouble: &mut Option<String>,
    ) -> Result<Option<Execution>, WorkerError> {
        if let Some(pulse) = &self.pulse {
            self.confirm(pulse, orders)?;
        }
        if orders.course() != Course::Work {
            return Ok(None);
        }
        let bond = if self.pulse.is_some() { Bond::NodeBound } else { Bond::Free };
        let launcher = Launcher { monitor: self.monitor.clone(), bond };
        let taken = self.parts.store.take(wants, &launcher)?;
        Ok(taken.map(|taken| self.run(taken, orders, patience, trouble)))
    }

    /// Waits until the node's beat is confirmed for longer than a stop takes.
    fn confirm(&self, pulse: &Pulse, orders: &Orders) -> Result<(), WorkerError> {
        let Some(timing) = &self.settings.bond else {
            return Ok(());
        };
        let (began, store) = (boottime(), self.parts.store.as_ref());
        let needed = self.settings.grace.saturating_add(KILL_MARGIN).saturating_add(timing.interval);
        loop {
            let now = boottime();
            pulse.read(store, now)?;
            if pulse.until().is_some_and(|until| until > now.saturating_add(needed)) {
                return Ok(());
            }
            if orders.course() != Course::Work {
                return Ok(());
            }
            if now.saturating_sub(began) > timing.interval.saturating_mul(BEATS_AWAITED) {
                let why = format!("{} does not beat; `reaper run` on this host does it", pulse.id);
                return Err(WorkerError::Bond(why));
            }
            orders.pause(look_every(timing));
        }
    }

    /// Tries until the database answers, or the patience is at an end; without one, until the orders are to stop. A refusal
    /// is not tried for longer than the settings' patience in either case: it is an answer, which may stand for good.
    pub(super) fn persist<T>(
        &self,
        what: &str,
        orders: &Orders,
        patience: Option<Duration>,
        attempt: impl Fn() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let (began, mut tries) = (self.parts.time.monotonic(), 0);
        let mut refused_at = None;
        loop {
            let error = match attempt() {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let now = self.parts.time.monotonic();
            let waited = now.saturating_sub(began);
            refused_at = refused_at.or(Some(now)).filter(|_| matches!(error, StoreError::Database(_)));
            let is_refused = refused_at.is_some_and(|at| now.saturating_sub(at) >= self.settings.patience);
            let is_over = is_refused || patience.is_some_and(|patience| waited >= patience);
            if is_over || orders.course() == Course::Stop {
                return Err(error);
            }
            tracing::warn!(%error, waited_ms = waited.as_millis(), "{what}: tried again");
            orders.pause(RETRY.delay(tries, fastrand::u64(..)));
            tries = tries.saturating_add(1);
        }
    }
}

/// How often the node's row is looked at while attempts are bound to it.
pub(super) fn look_every(timing: &NodeTiming) -> Duration {
    timing.interval.checked_div(2).unwrap_or_default().max(Duration::from_millis(20))
}

/// The graces are for others, so that they leave an exit to its monitor: the monitor itself need not wait.
fn without_grace(policy: Policy) -> Policy {
    let at_once = |limits: Limits| Limits { finalize_grace: Duration::ZERO, ..limits };
    let agents = policy.agents.into_iter().map(|(agent, limits)| (agent, at_once(limits))).collect();
    Policy { limits: at_once(policy.limits), agents, ..policy }
}

/// Refuses figures by which a bound attempt would have to be stopped as soon as it begins.
fn check_bond(timing: &NodeTiming, grace: Duration) -> Result<(), String> {
    timing.validate().map_err(|error| error.to_string())?;
    let needed = grace.saturating_add(KILL_MARGIN).saturating_add(timing.interval.saturating_mul(2));
    if timing.ttl <= needed {
        return Err(format!(
            "its ttl of {} s leaves no time to work: a stop takes up to {} s, and a beat may come {} s late",
            timing.ttl.as_secs_f64(),
            grace.saturating_add(KILL_MARGIN).as_secs_f64(),
            timing.interval.saturating_mul(2).as_secs_f64()
        ));
    }
    Ok(())
}

/// For so many beats a node is waited for that was not heard of yet.
const BEATS_AWAITED: u32 = 4;

/// Between two tries of a database that does not answer.
const RETRY: Backoff = Backoff { base: Duration::from_millis(200), max: Duration::from_secs(5) };
