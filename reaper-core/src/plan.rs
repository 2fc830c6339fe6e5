//! A pass's decisions, sorted into disjoint buckets. No choice is left to whoever carries a plan out.

use alloc::{collections::BTreeMap, vec::Vec};

use crate::{
    Action, Breaker, Certainty, Clock, Decision, Finding, JobSnapshot, Liveness, Observation, PassKind, Reason,
    Rule, Status, Timestamp,
    breaker::{BreakerPolicy, EvidenceKind, Tally},
    job::BadRow,
};

#[cfg(test)]
mod tests;

/// A job with what was seen of it and what was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Planned {
    /// The row.
    pub job: JobSnapshot,
    /// What was seen.
    pub seen: Observation,
    /// What was decided.
    pub decision: Decision,
}

impl Planned {
    /// The kind of evidence that the decision rests on, where it is one that can be mistaken.
    #[must_use]
    pub const fn evidence(&self) -> Option<EvidenceKind> {
        match self.decision.rule {
            Rule::ExecutorDead | Rule::ShortStreak => self.executor_evidence(),
            Rule::Ceiling => match self.seen.executor.liveness {
                // What the kernel says for certain does not hang on the clock alone.
                Liveness::Dead(Certainty::Verified) => None,
                Liveness::Dead(Certainty::Unverified)
                | Liveness::Alive(_)
                | Liveness::Leftovers
                | Liveness::Elsewhere
                | Liveness::Unknown => Some(EvidenceKind::Age),
            },
            Rule::NeverStarted => Some(EvidenceKind::Age),
            Rule::NotRunning
            | Rule::Finalizing
            | Rule::ExitZero
            | Rule::ExitNonzero
            | Rule::NobodyLeft
            | Rule::AliveOrUnknown => None,
        }
    }

    /// The kind of unverified evidence by which the executor is followed.
    const fn executor_evidence(&self) -> Option<EvidenceKind> {
        match self.seen.executor.liveness {
            Liveness::Alive(Certainty::Unverified) | Liveness::Dead(Certainty::Unverified) => {}
            Liveness::Alive(Certainty::Verified)
            | Liveness::Dead(Certainty::Verified)
            | Liveness::Leftovers
            | Liveness::Elsewhere
            | Liveness::Unknown => return None,
        }
        Some(match self.seen.executor.finding {
            Finding::Running
            | Finding::PidExists
            | Finding::PidHeld
            | Finding::PidEnded
            | Finding::NoSuchProcess
            | Finding::Ended
            | Finding::Recycled
            | Finding::Rebooted
            | Finding::SessionLives(_)
            | Finding::CgroupLives(_) => EvidenceKind::BarePid,
            // Attempts that are bound to a node have stopped themselves before its silence is believed.
            Finding::HostLost | Finding::DeclaredDead | Finding::HostShared | Finding::Superseded => return None,
            // No process was to be seen from here, and yet there is a verdict: a beat gave it.
            Finding::Beats
            | Finding::BeatStopped
            | Finding::NothingRecorded
            | Finding::OtherHost
            | Finding::OtherNamespace
            | Finding::PidNotTrusted
            | Finding::Unreadable(_)
            | Finding::Unsupported => EvidenceKind::Beat,
        })
    }

    /// Whether the executor is what the job waits for: after an exit its death is as it should be.
    const fn awaits_executor(&self) -> bool {
        matches!(self.job.status, Status::Running) && self.job.exit.is_none()
    }
}

/// How many jobs a pass saw, by what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Counts {
    /// Rows that were loaded, bad ones included.
    pub loaded: u64,
    /// Decisions by the rule that fired.
    pub by_rule: BTreeMap<Rule, u64>,
    /// Jobs that are kept.
    pub kept: u64,
    /// Claims that are held by the breaker.
    pub held: u64,
    /// Entries beyond the budget, left to the next pass.
    pub deferred: u64,
}

/// The plan of a pass: counts, and at most one budget of each kind of entry.
///
/// **Invariant:** every row that was added is in exactly one of: kept, `cannot_tell`, `ask`, `claim`, held,
/// deferred, `bad`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Plan {
    /// How many of what.
    pub counts: Counts,
    /// To be claimed.
    pub claim: Vec<Planned>,
    /// Gates to be asked.
    pub ask: Vec<Planned>,
    /// Kept, and only a person can help.
    pub cannot_tell: Vec<Planned>,
    /// Rows that do not parse.
    pub bad: Vec<BadRow>,
    /// What the breaker saw.
    pub tallies: BTreeMap<EvidenceKind, Tally>,
    /// When a decision that was made here could change with no new fact.
    pub review_at: Option<Timestamp>,
}

/// Collects a plan.
///
/// **Invariant:** it holds at most two budgets of claims and one of each other kind of entry, and of doubtful claims two
/// for each kind of evidence, however many rows are added.
#[derive(Debug)]
pub struct Planner {
    pass: PassKind,
    budget: usize,
    plan: Plan,
    claims: Chosen,
    /// Claims on evidence that can be mistaken, until it is known whether it is believed.
    doubtful: BTreeMap<EvidenceKind, Chosen>,
    /// How many pages have begun.
    pages: u64,
}

/// At most a budget of claims, from a place on that is moved while they come, and then from the beginning.
#[derive(Debug, Default)]
struct Chosen {
    /// From the place on.
    here: Vec<Planned>,
    /// From the beginning, before the place was where it is.
    before: Vec<Planned>,
    /// How many more there were.
    beyond: u64,
}

impl Chosen {
    fn add(&mut self, budget: usize, planned: Planned) {
        if self.here.len() < budget {
            self.here.push(planned);
        } else {
            self.beyond = self.beyond.saturating_add(1);
        }
    }

    /// What comes next is where the place is.
    fn turn(&mut self, budget: usize) {
        for planned in core::mem::take(&mut self.here) {
            if self.before.len() < budget {
                self.before.push(planned);
            } else {
                self.beyond = self.beyond.saturating_add(1);
            }
        }
    }

    /// At most a budget of them, in the order in which they are taken, and how many are left over.
    fn finish(mut self, budget: usize) -> (Vec<Planned>, u64) {
        self.here.append(&mut self.before);
        let over = self.here.len().saturating_sub(budget);
        self.here.truncate(budget);
        (self.here, self.beyond.saturating_add(u64::try_from(over).unwrap_or(u64::MAX)))
    }
}

impl Planner {
    /// A plan for a pass, of at most `budget` claims, as many gates, and as many rows for people.
    #[must_use]
    pub fn new(pass: PassKind, budget: usize) -> Self {
        Self {
            pass,
            budget,
            plan: Plan::default(),
            claims: Chosen::default(),
            doubtful: BTreeMap::new(),
            pages: 0,
        }
    }

    /// Begins a page of rows. Where there are more claims than the budget, those are taken that come from one of the pages
    /// on, and then from the first; each page is that one with the same chance. So many reapers that look at the same
    /// rows in the same order seldom claim the same ones. `seed` is random.
    pub fn begin_page(&mut self, seed: u64) {
        self.pages = self.pages.saturating_add(1);
        if seed.checked_rem(self.pages) == Some(0) {
            self.claims.turn(self.budget);
            self.doubtful.values_mut().for_each(|claims| claims.turn(self.budget));
        }
    }

    /// Adds a row that does not parse.
    pub fn add_bad(&mut self, bad: BadRow) {
        self.plan.counts.loaded = self.plan.counts.loaded.saturating_add(1);
        if self.plan.bad.len() < self.budget {
            self.plan.bad.push(bad);
        } else {
            self.plan.counts.deferred = self.plan.counts.deferred.saturating_add(1);
        }
    }

    /// Adds a decision.
    pub fn add(&mut self, planned: Planned) {
        let counts = &mut self.plan.counts;
        counts.loaded = counts.loaded.saturating_add(1);
        let by_rule = counts.by_rule.entry(planned.decision.rule).or_default();
        *by_rule = by_rule.saturating_add(1);
        self.plan.review_at = earlier(self.plan.review_at, planned.decision.review_at);
        self.tally(&planned);

        match (&planned.decision.action, planned.evidence()) {
            (Action::Keep, _) if planned.decision.reason.needs_a_person() => {
                Self::within(self.budget, &mut self.plan.cannot_tell, &mut self.plan.counts.deferred, planned);
            }
            (Action::Keep, _) => self.plan.counts.kept = self.plan.counts.kept.saturating_add(1),
            (Action::AskGate { .. }, _) => {
                Self::within(self.budget, &mut self.plan.ask, &mut self.plan.counts.deferred, planned);
            }
            (_, Some(kind)) => {
                self.doubtful.entry(kind).or_default().add(self.budget, planned);
            }
            (_, None) => self.claims.add(self.budget, planned),
        }
    }

    /// Gives the number of running rows, which ages are compared with. Counted as far as
    /// [`BreakerPolicy::enough`] of [`Planner::due_by_age`] (by default up to twice the due ones) will do.
    pub fn set_running(&mut self, running: u64) {
        if let Some(tally) = self.plan.tallies.get_mut(&EvidenceKind::Age) {
            tally.followed = running;
        }
    }

    /// Adds attempts that are followed by a kind of evidence, are known to live, and were not loaded for that.
    pub fn add_followed(&mut self, kind: EvidenceKind, alive: u64) {
        if alive > 0 {
            let tally = self.plan.tallies.entry(kind).or_default();
            tally.followed = tally.followed.saturating_add(alive);
        }
    }

    /// How many attempts are due by age so far.
    #[must_use]
    pub fn due_by_age(&self) -> u64 {
        self.dead_by(EvidenceKind::Age)
    }

    /// How many attempts look dead by a kind of evidence so far.
    #[must_use]
    pub fn dead_by(&self, kind: EvidenceKind) -> u64 {
        self.plan.tallies.get(&kind).map_or(0, |tally| tally.dead)
    }

    /// Closes the plan: claims on evidence that the breaker holds are counted as held, the rest is claimed.
    #[must_use]
    pub fn finish(mut self, breaker: &mut Breaker, clock: &Clock, policy: &BreakerPolicy) -> Plan {
        breaker.judge(self.pass, &self.plan.tallies, clock, policy);
        let (claim, beyond) = core::mem::take(&mut self.claims).finish(self.budget);
        self.plan.claim = claim;
        self.plan.counts.deferred = self.plan.counts.deferred.saturating_add(beyond);
        for (kind, claims) in core::mem::take(&mut self.doubtful) {
            let (claims, beyond) = claims.finish(self.budget);
            let counts = &mut self.plan.counts;
            if breaker.holds(kind, clock, policy) {
                let held = u64::try_from(claims.len()).unwrap_or(u64::MAX);
                counts.held = counts.held.saturating_add(held).saturating_add(beyond);
                continue;
            }
            counts.deferred = counts.deferred.saturating_add(beyond);
            for planned in claims {
                Self::within(self.budget, &mut self.plan.claim, &mut self.plan.counts.deferred, planned);
            }
        }
        self.plan.review_at = earlier(self.plan.review_at, breaker.review_at(clock, policy));
        self.plan
    }

    fn tally(&mut self, planned: &Planned) {
        if let Some(kind) = planned.executor_evidence().filter(|_| planned.awaits_executor()) {
            let tally = self.plan.tallies.entry(kind).or_default();
            tally.followed = tally.followed.saturating_add(1);
            if matches!(planned.seen.executor.liveness, Liveness::Dead(_)) {
                tally.dead = tally.dead.saturating_add(1);
            }
        }
        // What waits for a person is due for as long as that takes, and nothing would be claimed of it.
        let waits_for_a_person = planned.decision.reason == Reason::Held;
        if planned.evidence() == Some(EvidenceKind::Age) && !waits_for_a_person {
            let tally = self.plan.tallies.entry(EvidenceKind::Age).or_default();
            tally.dead = tally.dead.saturating_add(1);
            tally.followed = tally.followed.max(tally.dead);
        }
    }

    fn within(budget: usize, bucket: &mut Vec<Planned>, beyond: &mut u64, planned: Planned) {
        if bucket.len() < budget {
            bucket.push(planned);
        } else {
            *beyond = beyond.saturating_add(1);
        }
    }
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
