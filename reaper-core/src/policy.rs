//! The figures and choices that the rules go by.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
};
use core::time::Duration;

use crate::{Backoff, Intensity, Observation, Pipeline, Reason, Signature, breaker::BreakerPolicy, job::Exit};

#[cfg(test)]
mod tests;

/// What to do about an attempt over its ceiling whose process is provably alive, or about leftovers of a
/// session that stand in a new attempt's way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum OnOverrun {
    /// Stop the process, then let the other rules settle what remains.
    #[default]
    Terminate,
    /// Requeue beside it.
    Requeue,
    /// Leave it, tell somebody, and wait. Binds every reaper, whatever the liveness says.
    Hold,
}

/// Ends after which another attempt is pointless.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct ExitPolicy {
    /// What fails the job at once. A code is meant as it is recorded, a signal in either form that a code can have.
    pub fail_on: BTreeSet<Signature>,
}

impl ExitPolicy {
    /// Whether an attempt that is to be requeued for this reason, with this exit, fails the job at once. Whoever is killed
    /// for want of memory has its signal too.
    #[must_use]
    pub fn is_fatal(&self, reason: Reason, exit: Option<&Exit>, seen: &Observation) -> bool {
        let exact = exit.map(|exit| Signature::Code(exit.code));
        let named = [Signature::of(reason, exit, seen), exit.and_then(Signature::of_exit), exact];
        named.into_iter().flatten().any(|signature| self.fail_on.contains(&signature))
    }
}

/// Figures that can differ from agent to agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In how many ticks in a row an unverified death must be seen. Default 2.
    pub dead_ticks: u32,
    /// How long a recorded exit is left to its monitor. Default 300 s.
    pub finalize_grace: Duration,
    /// The ceiling: how long an attempt may run without an exit. Default 6 h.
    pub max_running: Duration,
    /// How long an attempt may show no sign of having started at all; `None` (the default) means for ever.
    pub start_timeout: Option<Duration>,
    /// Ends that fail at once. Default none.
    pub exit: ExitPolicy,
    /// How often attempts may die young before what is requeued has to wait; `None`: it never has to. Default 20 in
    /// 10 min.
    pub intensity: Option<Intensity>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            dead_ticks: 2,
            finalize_grace: Duration::from_secs(300),
            max_running: Duration::from_secs(6 * 3600),
            start_timeout: None,
            exit: ExitPolicy::default(),
            intensity: Some(Intensity::default()),
        }
    }
}

/// All that `decide` goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The figures for every agent that has none of its own.
    pub limits: Limits,
    /// The figures of single agents, complete.
    pub agents: BTreeMap<String, Limits>,
    /// What to do about an overrun.
    pub on_overrun: OnOverrun,
    /// How long a process may take to end after it was asked to. Default 10 s.
    pub terminate_grace: Duration,
    /// How often a job may be requeued by a reaper. Default 5.
    pub max_rescues: u32,
    /// How long a requeued job waits.
    pub backoff: Backoff,
    /// How long a gate may stay undecided before somebody is told. Default 1 h.
    pub gate_patience: Duration,
    /// How much longer than the ceiling an attempt is left to the reaper of its own host. Default 5 min.
    pub elsewhere_patience: Duration,
    /// When many deaths at once are not believed.
    pub breaker: BreakerPolicy,
    /// The stages and who leaves them.
    pub pipeline: Pipeline,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            agents: BTreeMap::new(),
            on_overrun: OnOverrun::default(),
            terminate_grace: Duration::from_secs(10),
            max_rescues: 5,
            backoff: Backoff::default(),
            gate_patience: Duration::from_secs(3600),
            elsewhere_patience: Duration::from_secs(300),
            breaker: BreakerPolicy::default(),
            pipeline: Pipeline::default(),
        }
    }
}

/// A figure that cannot mean anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{figure} = {value}: {problem}")]
pub struct PolicyError {
    /// The figure, by the name it has in the configuration.
    pub figure: String,
    /// Its value.
    pub value: String,
    /// Why it cannot be meant.
    pub problem: &'static str,
}

/// How long after the grace a `terminating_at` may be won anew: its first winner may have died.
pub const TERMINATE_MARGIN: Duration = Duration::from_secs(30);

impl Policy {
    /// The figures for an agent.
    #[must_use]
    pub fn limits_for(&self, agent: &str) -> &Limits {
        self.agents.get(agent).unwrap_or(&self.limits)
    }

    /// How old a `terminating_at` must be to be won anew.
    #[must_use]
    pub const fn terminating_expires(&self) -> Duration {
        self.terminate_grace.saturating_add(TERMINATE_MARGIN)
    }

    /// The smallest of a figure over the general and every agent's limits: what a load must not go above.
    fn shortest<T: Ord>(&self, figure: impl Fn(&Limits) -> T) -> T {
        let general = figure(&self.limits);
        self.agents.values().map(figure).fold(general, T::min)
    }

    /// The shortest grace of all agents.
    #[must_use]
    pub fn shortest_grace(&self) -> Duration {
        self.shortest(|limits| limits.finalize_grace)
    }

    /// The shortest time without an exit after which any agent's attempt may be acted on: the shortest
    /// ceiling, or start time-out where one is set.
    #[must_use]
    pub fn shortest_running(&self) -> Duration {
        self.shortest(|limits| limits.start_timeout.map_or(limits.max_running, |t| t.min(limits.max_running)))
    }

    /// Refuses a policy that cannot mean anything. What is merely strict or lax is legal: a ceiling below the
    /// grace, a grace of 0, one dead tick.
    ///
    /// # Errors
    ///
    /// A [`PolicyError`] names the figure.
    pub fn validate(&self) -> Result<(), PolicyError> {
        let general = core::iter::once((None, &self.limits));
        for (agent, limits) in general.chain(self.agents.iter().map(|(agent, limits)| (Some(agent), limits))) {
            let figure =
                |name: &str| agent.map_or_else(|| name.into(), |agent| alloc::format!("agents.{agent}.{name}"));
            if limits.dead_ticks == 0 {
                let problem = "a death must be seen at least once: use 1 or more";
                return Err(PolicyError { figure: figure("dead_ticks"), value: "0".into(), problem });
            }
            if let Some(intensity) =
                limits.intensity.filter(|intensity| intensity.crashes == 0 || intensity.share().is_zero())
            {
                let value = alloc::format!("{}/{:?}", intensity.crashes, intensity.period);
                let problem = "is no rate: use at least 1, and a period of some length; or off";
                return Err(PolicyError { figure: figure("intensity"), value, problem });
            }
        }
        if self.backoff.max < self.backoff.base {
            return Err(PolicyError {
                figure: "backoff_max".into(),
                value: alloc::format!("{:?}", self.backoff.max),
                problem: "is below backoff_base",
            });
        }
        self.breaker.validate()
    }
}
