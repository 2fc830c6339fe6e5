//! What a pass did, and what a reaper has done since it began.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use reaper_core::{
    Action, Breaker, JobId, Mode, Reason, Rule, Sighting, Timestamp,
    breaker::EvidenceKind,
    job::BadRow,
    plan::{Counts, Planned},
};
use reaper_store::{
    Outcome, Store,
    control::WatchTally,
    history::{COUNTED, Rescues},
};
use serde::{Deserialize, Serialize};

use crate::Deliveries;

/// A job that a pass wanted to settle, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The job.
    pub job: JobId,
    /// Its agent.
    pub agent: String,
    /// The rule that fired.
    pub rule: Rule,
    /// Why.
    pub reason: Reason,
    /// What was seen of the executor.
    pub executor: Sighting,
    /// What was seen of the monitor.
    pub monitor: Sighting,
    /// What was to be done.
    pub action: Action,
    /// What became of the claim; `None` where the mode forbade to try.
    pub outcome: Option<Outcome>,
}

impl Settled {
    pub(crate) fn new(planned: &Planned, outcome: Option<Outcome>) -> Self {
        Self {
            job: planned.job.attempt.job.clone(),
            agent: planned.job.agent.clone(),
            rule: planned.decision.rule,
            reason: planned.decision.reason,
            executor: planned.seen.executor.clone(),
            monitor: planned.seen.monitor.clone(),
            action: planned.decision.action.clone(),
            outcome,
        }
    }
}

/// A job that is kept and that only a person can help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CannotTell {
    /// The job.
    pub job: JobId,
    /// Why.
    pub reason: Reason,
}

/// Something that went wrong with one job and hindered no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The job.
    pub job: JobId,
    /// What went wrong.
    pub problem: String,
}

/// What a pass did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassReport {
    /// When it began, by the database's clock, or this machine's where the database did not answer.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// Whether the interval started it.
    pub tick: bool,
    /// The mode that it ran in.
    pub mode: Mode,
    /// How many jobs, by what became of them.
    pub counts: Counts,
    /// The jobs that were to be settled, in the order of the decisions.
    pub settled: Vec<Settled>,
    /// The jobs whose gates were asked.
    pub asked: Vec<JobId>,
    /// The jobs that only a person can help.
    pub cannot_tell: Vec<CannotTell>,
    /// The rows that do not parse.
    pub bad: Vec<BadRow>,
    /// What went wrong with single jobs.
    pub failures: Vec<Failure>,
    /// The breaker after this pass.
    pub breaker: Breaker,
    /// By how much the database's clock has jumped, in milliseconds, where it has.
    pub clock_jump_ms: Option<i64>,
    /// What was delivered.
    pub deliveries: Deliveries,
    /// The lease files that were removed.
    pub leases_removed: Vec<PathBuf>,
    /// When a decision that was made here could change with no new fact.
    pub review_at: Option<Timestamp>,
    /// What the loop watches after this pass; of ticks of a loop with a watch alone.
    pub watch: Option<WatchTally>,
    /// The error that ended the pass, where one did.
    pub error: Option<String>,
}

impl PassReport {
    pub(crate) fn new(at: Timestamp, tick: bool, mode: Mode) -> Self {
        Self {
            at,
            took: Duration::ZERO,
            tick,
            mode,
            counts: Counts::default(),
            settled: Vec::new(),
            asked: Vec::new(),
            cannot_tell: Vec::new(),
            bad: Vec::new(),
            failures: Vec::new(),
            breaker: Breaker::default(),
            clock_jump_ms: None,
            deliveries: Deliveries::default(),
            leases_removed: Vec::new(),
            review_at: None,
            watch: None,
            error: None,
        }
    }

    /// The claims that were won.
    pub fn won(&self) -> impl Iterator<Item = &Settled> {
        self.settled.iter().filter(|settled| settled.outcome == Some(Outcome::Won))
    }

    /// How many claims were lost.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.settled.iter().filter(|settled| settled.outcome == Some(Outcome::Lost)).count()
    }

    /// The kinds of evidence that are held.
    #[must_use]
    pub fn open_kinds(&self) -> Vec<EvidenceKind> {
        self.breaker.open.keys().copied().collect()
    }
}

/// How many rescues were seen to be wrong since an instant, where the store says so.
pub(crate) fn false_rescues(store: &dyn Store, since: Timestamp) -> Option<u64> {
    let late = store.late_exits(since, COUNTED);
    let late = late.inspect_err(|error| tracing::warn!(%error, "false rescues could not be counted")).ok()?;
    Some(Rescues::false_among(&late))
}

/// What a reaper has done since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Passes, failed ones included.
    pub passes: u64,
    /// Passes that failed.
    pub failed_passes: u64,
    /// Jobs that were brought to `queued`, `done` or `failed`, by `rule/action`.
    pub reaped: BTreeMap<String, u64>,
    /// Claims that were lost.
    pub lost_claims: u64,
    /// Attempts that were finished although they had been requeued: their exit 0 came before anyone took the job again.
    pub late_finishes: u64,
    /// Rescues, whoever's, that were seen to be wrong since this reaper began: the attempt recorded an exit after its job
    /// had been taken again. Counted anew with each pass that settles something, and else once a
    /// minute.
    pub false_rescues: u64,
    /// When the first pass began.
    pub first_run_at: Option<Timestamp>,
    /// The job that was settled last.
    pub last_reaped: Option<JobId>,
    /// When the latest pass began, failed ones included.
    pub last_run_at: Option<Timestamp>,
    /// The error of the latest pass, where it failed.
    pub last_error: Option<String>,
}

impl Counters {
    /// How many jobs were settled, over all rules and actions.
    #[must_use]
    pub fn reaped_total(&self) -> u64 {
        self.reaped.values().sum()
    }

    pub(crate) fn add(&mut self, report: &PassReport) {
        self.passes = self.passes.saturating_add(1);
        self.first_run_at.get_or_insert(report.at);
        self.last_run_at = Some(report.at);
        self.last_error.clone_from(&report.error);
        if report.error.is_some() {
            self.failed_passes = self.failed_passes.saturating_add(1);
        }
        self.lost_claims = self.lost_claims.saturating_add(u64::try_from(report.lost()).unwrap_or(u64::MAX));
        for won in report.won() {
            if matches!(won.action, Action::Requeue | Action::Fail { .. } | Action::Done { .. }) {
                let count = self.reaped.entry(format!("{}/{}", won.rule, won.action.as_str())).or_default();
                *count = count.saturating_add(1);
                self.last_reaped = Some(won.job.clone());
            }
            let late = won.rule == Rule::NotRunning && matches!(won.action, Action::Done { .. });
            self.late_finishes = self.late_finishes.saturating_add(u64::from(late));
        }
    }
}
