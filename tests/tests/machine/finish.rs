//! What monitors and people settle: by the production's decision, claim and guard.

use std::{slice::from_ref, time::Duration};

use reaper_core::{
    Action, Clock, JobSnapshot, Observation, Policy, Status, decide, plan::Planned, policy::Limits,
};
use reaper_gate::{Gate as _, Probe as _};
use reaper_runner::claim::{claim_of, effect_key};
use reaper_store::{
    Claim, Claims as _, Facts as _, Outcome, Settlement,
    claims::{Actor, EventId},
    outbox::Which,
};

use super::{
    side::{Side, policy},
    world::{Monitor, identity, monitor_of},
};

impl Side {
    /// A monitor that has recorded its exit settles its attempt, if it is still its own.
    pub(crate) fn finish(&self, n: usize) -> String {
        let Some(at) = self.finisher(n) else {
            return "nothing".into();
        };
        let process = self.truth().processes[at].clone();
        let job = match self.store.job(&process.attempt.job) {
            Err(_) => return "down".into(),
            Ok(row) => row.and_then(Result::ok),
        };
        let open = |job: &JobSnapshot| {
            job.attempt == process.attempt && (job.status == Status::Running || job.is_late_finish())
        };
        self.world.truth().processes[at].monitor = Monitor::Stopped;
        let Some(job) = job.filter(open) else {
            return format!("process {at}: not its own any more");
        };
        let mut seen = Observation {
            executor: self.world.probe(&identity(process.pid)),
            monitor: self.world.probe(&identity(monitor_of(process.pid))),
            ..Observation::NONE
        };
        let limits = Limits { finalize_grace: Duration::ZERO, ..Limits::default() };
        let policy = Policy { limits, ..policy() };
        let clock = Clock::at(self.store.now().unwrap());
        let mut decision = decide(&job, &seen, &clock, &policy);
        if let Action::AskGate { gate } = &decision.action {
            seen.verdict = Some(self.world.ask(gate, &job));
            decision = decide(&job, &seen, &clock, &policy);
        }
        let action = decision.action.as_str();
        let Some(mut claim) = claim_of(&Planned { job, seen, decision }, &policy, Actor::Monitor, 0) else {
            return format!("process {at}: left");
        };
        if let Settlement::Requeue { wait, .. } = claim.settlement {
            claim.settlement = Settlement::Requeue { wait, rescue_cap: None };
        }
        let outcome = self.store.settle(from_ref(&claim)).unwrap();
        assert_eq!(outcome, [Outcome::Won], "nobody has written in between");
        let delivered = effect_key(&claim).map(|key| self.deliver(Which::Keys(vec![key])));
        format!("process {at}: {action}, {delivered:?}")
    }

    /// What a reaper decides that begins now and ticks twice, gates asked; it claims none of it yet.
    pub(crate) fn plans(&self) -> Vec<Planned> {
        let Ok((plan, ..)) = self.reapers[0].plan(2) else {
            return Vec::new();
        };
        let clock = Clock::at(self.store.now().unwrap());
        let asked = plan.ask.into_iter().filter_map(|mut planned| {
            let Action::AskGate { gate } = &planned.decision.action else {
                return None;
            };
            planned.seen.verdict = Some(self.world.ask(gate, &planned.job));
            planned.decision = decide(&planned.job, &planned.seen, &clock, &policy());
            planned.decision.action.is_claim().then_some(planned)
        });
        plan.claim.into_iter().chain(asked).collect()
    }

    /// A person puts a failed job back.
    pub(crate) fn retry(&self, n: usize) -> String {
        let failed: Vec<_> =
            self.rows().into_iter().flatten().filter(|row| row.status == Status::Failed).collect();
        let Some(row) = n.checked_rem(failed.len()).map(|n| &failed[n]) else {
            return "nothing".into();
        };
        let claim = Claim {
            event: EventId::draw(),
            attempt: row.attempt.clone(),
            basis: row.basis(),
            settlement: Settlement::Requeue { wait: Duration::ZERO, rescue_cap: None },
            by: Actor::Person,
            rule: String::new(),
            reason: "once more".into(),
            evidence: serde_json::Value::Null,
            effect: None,
            death: None,
        };
        format!("job {}: {}", self.number(&row.attempt.job), super::side::told(self.store.settle(&[claim])))
    }
}
