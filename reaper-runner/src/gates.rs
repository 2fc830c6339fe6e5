//! A reaper's gates: asked on the pool, their verdicts kept until they are used.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
};

use reaper_core::{Action, Alert, Clock, Effect, Reason, Verdict, decide, effect::claim_key, plan::Planned};
use reaper_store::StoreError;

use crate::{
    PassReport,
    engine::{After, Engine, locked},
    look::panic_text,
    verdicts::Question,
};

impl Engine {
    /// Hands each job's gate to the pool. `answered` is called, on the pool, with each verdict once it is kept.
    pub(crate) fn ask_gates(
        self: &Arc<Self>,
        jobs: Vec<Planned>,
        report: &mut PassReport,
        answered: impl Fn(Planned, Verdict) + Clone + Send + 'static,
    ) {
        for planned in jobs {
            let Action::AskGate { gate } = planned.decision.action.clone() else {
                continue;
            };
            let question = Question::of(&planned.job);
            if !locked(&self.verdicts).ask(&question) {
                continue;
            }
            report.asked.push(planned.job.attempt.job.clone());
            let (engine, answered) = (Arc::clone(self), answered.clone());
            self.pool.submit(move || {
                let asked = catch_unwind(AssertUnwindSafe(|| engine.parts.gate.ask(&gate, &planned.job)));
                let verdict = asked.unwrap_or_else(|panic| Verdict::Undecided(panic_text(panic.as_ref())));
                tracing::info!(job = %planned.job.attempt.job, gate, verdict = verdict.as_str(), "gate answered");
                let now = engine.parts.time.monotonic();
                locked(&engine.verdicts).answer(question, verdict.clone(), now);
                answered(planned, verdict);
            });
        }
    }

    /// Asks gates, waits for them, and decides each job again on the very snapshot with which it was asked.
    pub(crate) fn ask_and_settle(
        self: &Arc<Self>,
        report: &mut PassReport,
        after: &mut After,
    ) -> Result<(), StoreError> {
        let Some(clock) = after.clock.clone() else {
            return Ok(());
        };
        let (sender, verdicts) = mpsc::channel();
        self.ask_gates(core::mem::take(&mut after.ask), report, move |planned, verdict| {
            // Nobody waits any more: the verdict is kept all the same.
            sender.send((planned, verdict)).ok();
        });
        let mut again = Vec::new();
        for (mut planned, verdict) in verdicts {
            planned.seen.verdict = Some(verdict);
            planned.decision = decide(&planned.job, &planned.seen, &clock, &self.settings.policy);
            if planned.decision.action.is_claim() {
                again.push(planned);
            } else if planned.decision.reason == Reason::GateUndecided {
                self.undecided(&planned, &clock)?;
            }
        }
        again.sort_by(|a, b| a.job.attempt.cmp(&b.job.attempt));
        self.settle(again, report, after)
    }

    /// A gate that stays undecided for too long after its exit's grace is told about, once. Measured from what is recorded: a
    /// `reaper tick` remembers nothing of the one before.
    pub(crate) fn undecided(&self, planned: &Planned, clock: &Clock) -> Result<(), StoreError> {
        let policy = &self.settings.policy;
        let patience = policy.limits_for(&planned.job.agent).finalize_grace.saturating_add(policy.gate_patience);
        let age = planned.job.exit.as_ref().map(|exit| clock.age(exit.at));
        let Some(age) = age.filter(|age| *age >= patience) else {
            return Ok(());
        };
        let why = match &planned.seen.verdict {
            Some(Verdict::Undecided(why)) => why.as_str(),
            Some(Verdict::Green | Verdict::Red(_)) | None => "",
        };
        let alert = Effect::Alert(Alert {
            kind: "gate_undecided".into(),
            job: Some(planned.job.attempt.job.clone()),
            text: format!(
                "the gate of job {} is undecided still, {} s after its work ended: {why}",
                planned.job.attempt.job,
                age.as_secs()
            ),
        });
        let key = format!("{}:gate", claim_key(&planned.job.attempt, &alert));
        self.parts.store.post(&key, &alert).map(|_| ())
    }
}
