//! What monitors, people and slow reapers settle: by the production's decision, claim and guard.

use std::{mem::take, slice::from_ref, time::Duration};

use reaper_core::{
    Action, Certainty, Clock, FailCause, JobSnapshot, Liveness, Observation, Policy, Status, decide, job::Basis,
    plan::Planned, policy::Limits,
};
use reaper_gate::Probe as _;
use reaper_runner::claim::{claim_of, effect_key};
use reaper_store::{
    Claim, Claims as _, Control as _, Facts as _, Outcome, Settlement,
    claims::{Actor, EventId},
    outbox::Which,
};

use super::{
    side::{Side, policy, told},
    tally,
    world::{Answer, Monitor, Process, executor, monitor},
};

/// What a person or a monitor wants done with an attempt, by no rule.
fn claim(row: &JobSnapshot, settlement: Settlement, by: Actor) -> Claim {
    Claim {
        event: EventId::draw(),
        attempt: row.attempt.clone(),
        basis: row.basis(),
        settlement,
        by,
        rule: String::new(),
        reason: "as it was told to".into(),
        evidence: serde_json::Value::Null,
        effect: None,
        death: None,
    }
}

const BACK: Settlement = Settlement::Requeue { wait: Duration::ZERO, rescue_cap: None };

impl Side {
    /// The place of a process whose monitor has an exit to finish with.
    fn finisher(&self, n: usize) -> Option<usize> {
        self.process(n, |p| p.monitor == Monitor::Alive && p.recorded.is_some())
    }

    /// A process whose monitor has an exit to finish with, and its row as far as it is still its own. The monitor ends,
    /// whatever comes of it.
    fn finishing(&self, n: usize) -> Result<(usize, Process, JobSnapshot), String> {
        let at = self.finisher(n).ok_or("nothing")?;
        let process = self.truth().processes[at].clone();
        let row = self.store.job(&process.attempt.job).map_err(|_| "down")?;
        self.world.truth().processes[at].monitor = Monitor::Stopped;
        let open = |job: &JobSnapshot| {
            job.attempt == process.attempt && (job.status == Status::Running || job.is_late_finish())
        };
        let job = row.and_then(Result::ok).filter(open);
        let job = job.ok_or_else(|| format!("process {at}: not its own any more"))?;
        Ok((at, process, job))
    }

    /// A monitor that has recorded its exit settles its attempt, if it is still its own.
    pub(crate) fn finish(&self, n: usize) -> String {
        let (at, process, job) = match self.finishing(n) {
            Ok(found) => found,
            Err(told) => return told,
        };
        let mut seen = Observation {
            executor: self.world.probe(&executor(at, process.pid)),
            monitor: self.world.probe(&monitor(at, process.pid)),
            ..Observation::NONE
        };
        let limits = Limits { finalize_grace: Duration::ZERO, ..Limits::default() };
        let policy = Policy { limits, ..policy() };
        let clock = Clock::at(self.store.now().unwrap());
        let mut decision = decide(&job, &seen, &clock, &policy);
        if let Action::AskGate { .. } = &decision.action {
            seen.verdict = Some(self.world.verdict());
            decision = decide(&job, &seen, &clock, &policy);
        }
        let action = decision.action.clone();
        let Some(mut claim) = claim_of(&Planned { job, seen, decision }, &policy, Actor::Monitor, 0) else {
            return format!("process {at}: left");
        };
        if let Settlement::Requeue { wait, .. } = claim.settlement {
            claim.settlement = Settlement::Requeue { wait, rescue_cap: None };
        }
        self.settle_now(&claim, &action);
        let delivered = effect_key(&claim).map(|key| self.deliver(Which::Keys(vec![key])));
        format!("process {at}: {}, {delivered:?}", action.as_str())
    }

    /// A worker knows from the exit that another attempt is pointless, and fails its job.
    pub(crate) fn give_up(&self, n: usize) -> String {
        match self.finishing(n) {
            Ok((at, _, job)) if job.status == Status::Running => {
                let fail = Action::Fail { cause: FailCause::FatalExit };
                self.settle_now(&claim(&job, Settlement::Fail, Actor::Monitor), &fail);
                format!("process {at}: given up")
            }
            Ok((at, ..)) => format!("process {at}: left"),
            Err(told) => told,
        }
    }

    /// Settles what was read in the same step.
    fn settle_now(&self, claim: &Claim, action: &Action) {
        let outcome = self.store.settle(from_ref(claim)).unwrap();
        assert_eq!(outcome, [Outcome::Won], "{}: nobody has written in between", self.name);
        self.has_won(&claim.attempt.job, action.clone(), self.truth().gate, claim.by);
    }

    /// What a reaper decides that begins now and ticks twice, gates asked; it claims none of it yet.
    pub(crate) fn decide(&mut self) -> String {
        self.decided = (self.plans(), self.truth().gate);
        format!("{} claims", self.decided.0.len())
    }

    fn plans(&self) -> Vec<Planned> {
        let Ok((plan, ..)) = self.reapers[0].plan(2) else {
            return Vec::new();
        };
        let clock = Clock::at(self.store.now().unwrap());
        let asked = plan.ask.into_iter().filter_map(|mut planned| {
            planned.seen.verdict = Some(self.world.verdict());
            planned.decision = decide(&planned.job, &planned.seen, &clock, &policy());
            planned.decision.action.is_claim().then_some(planned)
        });
        plan.claim.into_iter().chain(asked).collect()
    }

    /// What a slow reaper has decided is claimed now, whatever has happened since.
    pub(crate) fn claim_late(&mut self) -> String {
        let (plans, said) = take(&mut self.decided);
        let claims = plans.iter().filter_map(|plan| claim_of(plan, &policy(), Actor::Reaper, 0));
        let Ok(outcomes) = self.store.settle(&claims.collect::<Vec<_>>()) else {
            return "down".into();
        };
        let mut told = Vec::new();
        for (plan, how) in plans.iter().zip(&outcomes) {
            let job = &plan.job.attempt.job;
            told.push(format!("job {} {} {how:?}", self.number(job), plan.decision.action.as_str()));
            if let Some(Ok(row)) = self.seen.rows.get(self.number(job)) {
                self.slow(plan, how, row, said);
            }
        }
        told.sort();
        format!("{told:?}")
    }

    /// What became of a decision, beside the row as it stood at the claim.
    fn slow(&self, plan: &Planned, how: &Outcome, row: &JobSnapshot, said: Answer) {
        let (same_attempt, same_basis) = (plan.job.attempt == row.attempt, plan.decision.basis == row.basis());
        if *how == Outcome::Won {
            assert!(same_attempt, "I4: {}: another attempt was claimed: {plan:?}, {row:?}", self.name);
            self.has_won(&row.attempt.job, plan.decision.action.clone(), said, Actor::Reaper);
        }
        if *how == Outcome::Lost {
            let but_exit = Basis { exit: row.exit, ..plan.decision.basis.clone() } == row.basis();
            tally::came(
                self.name,
                match (same_attempt, same_basis) {
                    (false, true) => tally::BY_FENCE,
                    (true, true) => tally::BY_CAPS,
                    (true, false) if but_exit => tally::BY_EXIT,
                    (false, false) | (true, false) => tally::LOST,
                },
            );
        }
    }

    /// A person puts a failed job back.
    pub(crate) fn retry(&self, n: usize) -> String {
        let failed: Vec<_> =
            self.rows().into_iter().flatten().filter(|row| row.status == Status::Failed).collect();
        let Some(row) = n.checked_rem(failed.len()).map(|n| &failed[n]) else {
            return "nothing".into();
        };
        let outcome = self.store.settle(&[claim(row, BACK, Actor::Person)]);
        if outcome.as_deref().is_ok_and(|outcomes| *outcomes == [Outcome::Won]) {
            self.has_won(&row.attempt.job, Action::Requeue, self.truth().gate, Actor::Person);
        }
        format!("job {}: {}", self.number(&row.attempt.job), told(outcome))
    }

    /// The start-up requeue, whoever lives.
    pub(crate) fn requeue_all(&self) -> String {
        let requeued = self.store.requeue_all_running();
        if requeued.is_ok() {
            let running = self.seen.rows.iter().flatten().filter(|row| row.status == Status::Running);
            for row in running {
                self.has_won(&row.attempt.job, Action::Requeue, self.truth().gate, Actor::Person);
            }
        }
        told(requeued)
    }

    /// The start-up requeue of what is dead and has no exit, as `reaper requeue-running --orphans` makes it.
    pub(crate) fn requeue_orphans(&self) -> String {
        let is_orphan = |row: &JobSnapshot| {
            let executor = match (&row.executor, row.pid) {
                (Some(identity), _) => self.world.probe(identity).liveness,
                (None, Some(pid)) => self.world.probe_pid(pid).liveness,
                (None, None) => Liveness::Unknown,
            };
            let monitor = row.monitor.as_ref().map(|identity| self.world.probe(identity).liveness);
            row.status == Status::Running
                && row.exit.is_none()
                && matches!(executor, Liveness::Dead(_))
                && monitor != Some(Liveness::Alive(Certainty::Verified))
        };
        let orphans: Vec<_> = self.rows().into_iter().flatten().filter(is_orphan).collect();
        let claims: Vec<_> = orphans.iter().map(|row| claim(row, BACK, Actor::Person)).collect();
        let Ok(outcomes) = self.store.settle(&claims) else {
            return "down".into();
        };
        for (row, how) in orphans.iter().zip(&outcomes) {
            assert_eq!(*how, Outcome::Won, "{}: nobody has written in between", self.name);
            self.has_won(&row.attempt.job, Action::Requeue, self.truth().gate, Actor::Person);
        }
        format!("{} orphans", orphans.len())
    }

    /// An operator says that what looks dead is dead.
    pub(crate) fn release_breaker(&self) -> String {
        let Ok(mut breaker) = self.store.breaker() else {
            return "down".into();
        };
        if !breaker.release() {
            return "nothing is held".into();
        }
        self.store.set_breaker(&breaker).unwrap();
        tally::came(self.name, tally::RELEASED);
        "released".into()
    }
}
