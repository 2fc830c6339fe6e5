//! The shape of the configuration. Every key is here, and no other is accepted.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use reaper_core::{
    Backoff, Mode, OnOverrun, Pipeline, Policy,
    breaker::BreakerPolicy,
    node::NodeTiming,
    pipeline::{Next, PipelineError, Stage},
    policy::Limits,
};
use serde::{Deserialize, Serialize};

use super::{
    beat::BeatConfig,
    exec::ExecConfig,
    limits::{AgentConfig, ExitConfig, MaxIntensity},
    node::NodeConfig,
    span::{StartTimeout, duration},
};
use crate::{Settings, exec::Spool};

/// The configuration of the program.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The database: a path, `sqlite:PATH`, or `postgres://USER@HOST/NAME`. Also `DATABASE_URL` and `--database-url`.
    pub database_url: Option<String>,
    /// `off`, `report` or `enforce`. The stricter of this and the stored one wins.
    pub mode: Mode,
    /// The time between two ticks.
    #[serde(with = "duration")]
    pub interval: Duration,
    /// In how many ticks in a row an unverified death must be seen.
    pub dead_ticks: u32,
    /// How long a recorded exit is left to its monitor.
    #[serde(with = "duration")]
    pub finalize_grace: Duration,
    /// The ceiling: how long an attempt may run without an exit.
    #[serde(with = "duration")]
    pub max_running: Duration,
    /// How long an attempt may show no sign of having started: a duration, or `off`.
    pub start_timeout: StartTimeout,
    /// How often attempts of an agent may die young before what is requeued of it has to wait: `20/10m`, or `off`.
    pub intensity: MaxIntensity,
    /// What to do about a live process over its ceiling: `terminate`, `requeue` or `hold`.
    pub on_overrun: OnOverrun,
    /// How long a process may take to end after it was asked to.
    #[serde(with = "duration")]
    pub terminate_grace: Duration,
    /// How often a job may be requeued by a reaper.
    pub max_rescues: u32,
    /// How long a gate may stay undecided before somebody is told.
    #[serde(with = "duration")]
    pub gate_patience: Duration,
    /// Whether bare pids are of this host and PID namespace. Where it is not said: yes on SQLite, which is a file of one
    /// machine, and no on PostgreSQL.
    pub bare_pids: Option<bool>,
    /// The name of this host in process identities, where the machine's own id is not to be used.
    pub host: Option<String>,
    /// The name that one container at a time runs under, where this is one.
    pub instance: Option<String>,
    /// A folder of the unified cgroup hierarchy, in which `reaper exec` gives each executor a group of its own.
    pub cgroups: Option<PathBuf>,
    /// How many jobs are acted on in one pass at most.
    pub budget: usize,
    /// How many rows of each set are read at a time.
    pub page: usize,
    /// How many gates run at once.
    pub workers: usize,
    /// How long a delivery may take before another reaper may try it: 100 ms to one hour.
    #[serde(with = "duration")]
    pub delivery_lease: Duration,
    /// How long a write waits for another program's lock on a SQLite database.
    #[serde(with = "duration")]
    pub busy_timeout: Duration,
    /// How long a statement waits for another program's lock on a row of a PostgreSQL database.
    #[serde(with = "duration")]
    pub lock_timeout: Duration,
    /// How long a statement may take on a PostgreSQL database.
    #[serde(with = "duration")]
    pub statement_timeout: Duration,
    /// What stands between this program and a PostgreSQL server: `session` or `transaction`.
    pub pooling: Pooling,
    /// The beats of attempts.
    pub beat: BeatConfig,
    /// This host among others.
    pub node: NodeConfig,
    /// How long a requeued job waits.
    pub backoff: BackoffConfig,
    /// When many deaths at once are not believed.
    pub breaker: BreakerConfig,
    /// Ends that are not tried again.
    pub exit: ExitConfig,
    /// What differs for single agents.
    pub agents: BTreeMap<String, AgentConfig>,
    /// The stages and who leaves them.
    pub pipeline: PipelineConfig,
    /// The gates, by name.
    pub gates: BTreeMap<String, GateConfig>,
    /// How `reaper exec` runs jobs.
    pub exec: ExecConfig,
    /// The lease files.
    pub leases: LeaseConfig,
    /// Who is told.
    pub notify: NotifyConfig,
}

/// What stands between this program and a PostgreSQL server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Nothing, or a pooler that gives each client a session of its own.
    #[default]
    Session,
    /// A pooler that gives a client another session for each transaction.
    Transaction,
}

/// How long a requeued job waits.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackoffConfig {
    /// The wait before the first retry; it doubles with each rescue, with jitter.
    #[serde(with = "duration")]
    pub base: Duration,
    /// The wait that is never exceeded.
    #[serde(with = "duration")]
    pub max: Duration,
}

/// When many deaths at once are not believed.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerConfig {
    /// Trips above this share, in percent.
    pub percent: u8,
    /// Trips from this number on.
    pub at_least: u64,
    /// How long the state must persist before it is believed.
    #[serde(with = "duration")]
    pub hold: Duration,
}

/// The stages in their order, and which of them each agent's jobs leave.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PipelineConfig {
    /// The stages, in order.
    pub stages: Vec<StageConfig>,
    /// The stages that an agent's jobs leave, by agent.
    pub agents: BTreeMap<String, Vec<String>>,
}

/// A stage.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StageConfig {
    /// Its name.
    pub name: String,
    /// The stage that follows it; none for a final stage.
    pub next: Option<String>,
    /// Who does the next job: an agent.
    pub next_agent: Option<String>,
    /// The gate that guards leaving it, by name.
    pub gate: Option<String>,
}

/// A gate: a command that exits with 0 (green), 1 (red) or anything else (undecided).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GateConfig {
    /// The program and its arguments. No shell reads them.
    pub command: Vec<String>,
    /// How long it may take.
    #[serde(with = "duration", default = "gate_timeout")]
    pub timeout: Duration,
    /// The folder that it runs in.
    pub cwd: Option<PathBuf>,
}

/// The lease files of a merge gate.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeaseConfig {
    /// The folder that they are in; without one none are watched.
    pub dir: Option<PathBuf>,
    /// How long a lease may be held.
    #[serde(with = "duration")]
    pub ttl: Duration,
    /// Whether stale ones are removed.
    pub reclaim: bool,
}

/// Who is told.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotifyConfig {
    /// A Telegram chat. The log is told always.
    pub telegram: Option<TelegramConfig>,
}

/// A Telegram chat.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TelegramConfig {
    /// The bot's token. Better in `REAPER_NOTIFY__TELEGRAM__TOKEN` than in a file.
    #[serde(skip_serializing)]
    pub token: String,
    /// The chat.
    pub chat_id: String,
    /// Where the bot API is.
    pub base_url: Option<String>,
}

impl std::fmt::Debug for TelegramConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TelegramConfig").field("chat_id", &self.chat_id).finish_non_exhaustive()
    }
}

impl Default for Config {
    fn default() -> Self {
        let (settings, policy) = (Settings::default(), Policy::default());
        Self {
            database_url: None,
            mode: settings.mode,
            interval: settings.interval,
            dead_ticks: policy.limits.dead_ticks,
            finalize_grace: policy.limits.finalize_grace,
            max_running: policy.limits.max_running,
            start_timeout: StartTimeout(policy.limits.start_timeout),
            intensity: MaxIntensity(policy.limits.intensity),
            on_overrun: policy.on_overrun,
            terminate_grace: policy.terminate_grace,
            max_rescues: policy.max_rescues,
            gate_patience: policy.gate_patience,
            bare_pids: None,
            host: None,
            instance: None,
            cgroups: None,
            budget: settings.budget,
            page: settings.page,
            workers: settings.workers,
            delivery_lease: settings.delivery_lease,
            busy_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(60),
            pooling: Pooling::default(),
            beat: BeatConfig::default(),
            node: NodeConfig::default(),
            backoff: BackoffConfig::default(),
            breaker: BreakerConfig::default(),
            exit: ExitConfig::default(),
            agents: BTreeMap::new(),
            pipeline: PipelineConfig::default(),
            gates: BTreeMap::new(),
            exec: ExecConfig::default(),
            leases: LeaseConfig::default(),
            notify: NotifyConfig::default(),
        }
    }
}

impl Default for BackoffConfig {
    fn default() -> Self {
        let Backoff { base, max } = Backoff::default();
        Self { base, max }
    }
}

impl Default for BreakerConfig {
    fn default() -> Self {
        let BreakerPolicy { percent, at_least, hold } = BreakerPolicy::default();
        Self { percent, at_least, hold }
    }
}

impl Default for LeaseConfig {
    fn default() -> Self {
        Self { dir: None, ttl: Duration::from_secs(3600), reclaim: true }
    }
}

const fn gate_timeout() -> Duration {
    Duration::from_secs(600)
}

impl Config {
    /// The settings of a reaper of this name.
    ///
    /// # Errors
    ///
    /// A [`PipelineError`] where the pipeline cannot be meant. The policy is not validated here.
    pub fn settings(&self, name: String) -> Result<Settings, PipelineError> {
        let limits = Limits {
            dead_ticks: self.dead_ticks,
            finalize_grace: self.finalize_grace,
            max_running: self.max_running,
            start_timeout: self.start_timeout.0,
            exit: self.exit.policy(),
            intensity: self.intensity.0,
        };
        let agents = self.agents.iter().map(|(agent, own)| (agent.clone(), own.over(&limits))).collect();
        let BreakerConfig { percent, at_least, hold } = self.breaker;
        let BackoffConfig { base, max } = self.backoff;
        Ok(Settings {
            policy: Policy {
                limits,
                agents,
                on_overrun: self.on_overrun,
                terminate_grace: self.terminate_grace,
                max_rescues: self.max_rescues,
                backoff: Backoff { base, max },
                gate_patience: self.gate_patience,
                breaker: BreakerPolicy { percent, at_least, hold },
                pipeline: self.pipeline.build()?,
                ..Policy::default()
            },
            mode: self.mode,
            interval: self.interval,
            budget: self.budget,
            page: self.page,
            node: self.follows_nodes().then_some(NodeTiming { interval: self.node.beat, ttl: self.node.ttl }),
            beat: self.beat.timing(),
            instance: self.instance.clone(),
            bare_pids: self.trusts_bare_pids(),
            workers: self.workers,
            reclaim_leases: self.leases.reclaim,
            spool: self.spool_folder().map(Spool::new),
            delivery_lease: self.delivery_lease,
            name,
            ..Settings::default()
        })
    }

    /// Whether this host beats and the beats of others are followed: a SQLite file is one machine's own.
    #[must_use]
    pub fn follows_nodes(&self) -> bool {
        self.node.follow.unwrap_or_else(|| self.is_on_postgres())
    }

    /// Whether bare pids are believed to be of this host and PID namespace.
    #[must_use]
    pub fn trusts_bare_pids(&self) -> bool {
        self.bare_pids.unwrap_or_else(|| !self.is_on_postgres())
    }
}

impl PipelineConfig {
    fn build(&self) -> Result<Pipeline, PipelineError> {
        let stage = |stage: &StageConfig| Stage {
            name: stage.name.clone(),
            next: stage.next.clone().map(|next| Next { stage: next, agent: stage.next_agent.clone() }),
            gate: stage.gate.clone(),
        };
        Pipeline::new(self.stages.iter().map(stage).collect(), self.agents.clone())
    }
}
