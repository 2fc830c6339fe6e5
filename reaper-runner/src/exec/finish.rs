//! Finishing: hooks, the decision, the claim, and what follows from it. All of it by the rules that reapers go by.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use reaper_core::{
    Action, Attempt, Clock, JobSnapshot, Observation, Reason, Sighting, Status, Verdict, decide, plan::Planned,
};
use reaper_gate::{
    Gate as _,
    gate::{CommandGate, GateCommand},
};
use reaper_store::{
    Claim, Outcome, Settlement, StoreError,
    attempts::{Taken, Written},
    claims::Actor,
    outbox::Which,
};

use super::{End, Execution, Orders, Worker, running::Exit};
use crate::{
    Settings,
    claim::{claim_of, effect_key},
    intensity::put_off,
    verdicts::Question,
};

/// The variable in which hooks find the exit code.
pub(crate) const EXIT_CODE_VARIABLE: &str = "REAPER_EXIT_CODE";

impl Worker {
    /// Runs the hooks of an attempt whose exit is recorded, and settles it.
    pub(super) fn finish(
        &self,
        taken: &Taken,
        exit: Exit,
        orders: &Orders,
        patience: Option<Duration>,
    ) -> Execution {
        let attempt = taken.job.attempt.clone();
        let mut hooks_failed = Vec::new();
        let (mut answer, mut tries) = (None, TRIES);
        let mut end = End::Left("its row changed again and again".into());
        // Nothing is pushed or told for an attempt that is somebody else's by now.
        match self.persist("finish", orders, patience, || self.is_ours(taken)) {
            Ok(true) => hooks_failed = self.beating(&attempt, |lost| self.run_hooks(taken, exit.code, lost)),
            Ok(false) => (end, tries) = (End::TakenAway, 0),
            Err(error) => (end, tries) = (End::Left(error.to_string()), 0),
        }
        for _ in 0..tries {
            let next = self
                .persist("finish", orders, patience, || self.settle(taken, &exit, &hooks_failed, answer.as_ref()));
            match next {
                Ok(Next::End(reached)) => {
                    end = reached;
                    break;
                }
                Ok(Next::Ask(gate, job)) => {
                    let verdict = self.beating(&attempt, |_| self.parts.gate.ask(&gate, &job));
                    tracing::info!(%attempt, gate, verdict = verdict.as_str(), "gate answered");
                    answer = Some((Question::of(&job), verdict));
                }
                Ok(Next::Stop(executor)) => {
                    let how = self.parts.stop.stop(&attempt, &executor, self.settings.grace);
                    tracing::warn!(%attempt, ?how, "stopped what was left of the session");
                }
                Ok(Next::Again) => {}
                Err(error) => {
                    end = End::Left(error.to_string());
                    break;
                }
            }
        }
        Execution { hooks_failed, ..Execution::of(taken, Some(exit.code), Some(exit), end) }
    }

    /// Whether the attempt can still be finished: it runs, or was requeued and came to a good end after all.
    fn is_ours(&self, taken: &Taken) -> Result<bool, StoreError> {
        let row = self.parts.store.job(&taken.job.attempt.job)?;
        Ok(row.is_some_and(|row| row.is_ok_and(|row| is_open(&row, taken))))
    }

    /// Beats in another thread while this one does something that takes its time, and says there when a beat has found
    /// that the attempt does not run any more.
    fn beating<T>(&self, attempt: &Attempt, work: impl FnOnce(&AtomicBool) -> T) -> T {
        let (done, ended) = mpsc::channel::<()>();
        let flag = AtomicBool::new(false);
        let lost = &flag;
        thread::scope(|scope| {
            let beat = move || {
                while ended.recv_timeout(self.settings.beat) == Err(RecvTimeoutError::Timeout) {
                    match self.parts.store.beat(attempt) {
                        Ok(Written::Yes) => {}
                        Ok(Written::NotMine) => return lost.store(true, Ordering::Release),
                        Err(error) => tracing::warn!(%attempt, %error, "could not beat"),
                    }
                }
            };
            let started = thread::Builder::new().name("reaper-exec-beat".into()).spawn_scoped(scope, beat);
            if let Err(error) = started {
                tracing::warn!(%attempt, %error, "no thread to beat in");
            }
            let result = work(lost);
            drop(done);
            result
        })
    }

    /// Runs the hooks in their order; each has its limit and a group of its own, as a gate's command has. One that does
    /// not end well hinders none behind it: whether the task may move on is for its gate to say. None begins once the
    /// attempt is known to be somebody else's.
    fn run_hooks(&self, taken: &Taken, code: i32, lost: &AtomicBool) -> Vec<(String, String)> {
        let job = &taken.job;
        let mut failed = Vec::new();
        for hook in &self.settings.hooks {
            // A row that waits again can still be finished, and a database that does not answer says nothing.
            if lost.load(Ordering::Acquire) && !self.is_ours(taken).unwrap_or(true) {
                tracing::warn!(attempt = %job.attempt, "the attempt was taken away: no more hooks are run");
                break;
            }
            let mut hook = GateCommand::clone(hook);
            hook.env.insert(EXIT_CODE_VARIABLE.to_owned(), code.to_string());
            let shown = hook.argv.join(" ");
            let verdict = match CommandGate::new([(HOOK.to_owned(), hook)]) {
                Ok(gate) => gate.ask(HOOK, job),
                Err(error) => Verdict::Undecided(error.to_string()),
            };
            if let Verdict::Red(why) | Verdict::Undecided(why) = verdict {
                tracing::warn!(attempt = %job.attempt, hook = shown, why, "a hook did not end well");
                failed.push((shown, why));
            }
        }
        failed
    }

    /// One look, one decision and at most one claim. An answer counts only for the question that the row asks now.
    fn settle(
        &self,
        taken: &Taken,
        exit: &Exit,
        hooks_failed: &[(String, String)],
        answer: Option<&(Question, Verdict)>,
    ) -> Result<Next, StoreError> {
        let store = self.parts.store.as_ref();
        let attempt = &taken.job.attempt;
        let job = match store.job(&attempt.job)? {
            Some(Ok(job)) => job,
            Some(Err(bad)) => return Ok(Next::End(End::Left(bad.to_string()))),
            None => return Ok(Next::End(End::TakenAway)),
        };
        if !is_open(&job, taken) {
            return Ok(Next::End(End::TakenAway));
        }
        if job.exit.is_none() {
            return Ok(Next::End(End::Left("its exit does not show on its row".into())));
        }
        let question = Question::of(&job);
        let verdict = answer.filter(|(asked, _)| *asked == question).map(|(_, verdict)| verdict.clone());
        let executor = job.executor.clone();
        let look = |identity: &reaper_core::ProcessIdentity| self.parts.probe.probe(identity);
        let seen = Observation {
            executor: executor.as_ref().map_or(Sighting::NOTHING_RECORDED, look),
            monitor: look(&self.monitor),
            verdict,
            out_of_memory: exit.out_of_memory,
            ..Observation::NONE
        };
        let now = store.now()?;
        let decision = decide(&job, &seen, &Clock::at(now), &self.settings.policy);
        let planned = Planned { job, seen, decision };
        let end = match &planned.decision.action {
            Action::AskGate { gate } => return Ok(Next::Ask(gate.clone(), Box::new(planned.job))),
            Action::Keep => {
                let why = planned.decision.reason.as_str().replace('_', " ");
                let why = match (&planned.decision.reason, &planned.seen.verdict) {
                    (Reason::GateUndecided, Some(Verdict::Undecided(because))) => format!("{why}: {because}"),
                    _ => why,
                };
                return Ok(Next::End(End::Left(why)));
            }
            Action::Done { .. } => End::Done,
            Action::Requeue | Action::Dismiss => End::Requeued(why_of(&planned)),
            Action::Fail { .. } => End::Failed(why_of(&planned)),
            Action::Terminate => match executor {
                Some(executor) => return self.announce_stop(&planned, executor),
                None => return Ok(Next::End(End::Left("its executor is not recorded".into()))),
            },
        };
        let Some(mut claim) = self.claim(&planned, exit, hooks_failed) else {
            return Ok(Next::Again);
        };
        let told = put_off(store, &self.settings.policy, now, std::slice::from_mut(&mut claim));
        Ok(match self.parts.store.settle(std::slice::from_ref(&claim))?.into_iter().next() {
            Some(Outcome::Won) => {
                self.deliver(effect_key(&claim).into_iter().chain(told).collect());
                Next::End(end)
            }
            // Something of the row has changed: look again.
            Some(Outcome::Lost) | None => Next::Again,
            Some(Outcome::Forbidden(mode)) => Next::End(End::Left(format!("the mode is {mode}"))),
            Some(Outcome::Refused(problem)) => Next::End(End::Left(problem)),
        })
    }

    /// Something of the session is left, and no other attempt may begin beside it: that it is stopped is written first.
    fn announce_stop(
        &self,
        planned: &Planned,
        executor: reaper_core::ProcessIdentity,
    ) -> Result<Next, StoreError> {
        let Some(claim) = claim_of(planned, &self.settings.policy, Actor::Monitor, 0) else {
            return Ok(Next::Again);
        };
        let outcome = self.parts.store.settle(&[claim])?.into_iter().next();
        Ok(if outcome == Some(Outcome::Won) { Next::Stop(executor) } else { Next::Again })
    }

    /// The claim, with what only its monitor knows as evidence.
    fn claim(&self, planned: &Planned, exit: &Exit, hooks_failed: &[(String, String)]) -> Option<Claim> {
        let policy = &self.settings.policy;
        let mut claim = claim_of(planned, policy, Actor::Monitor, fastrand::u64(..))?;
        if let Settlement::Requeue { .. } = claim.settlement {
            // Nobody had to rescue it: the attempts that it has spent are what bounds it, and what it waits by.
            let spent = planned.job.attempts.saturating_sub(1);
            let wait = policy.backoff.delay(spent, fastrand::u64(..));
            claim.settlement = Settlement::Requeue { wait, rescue_cap: None };
        }
        if let Some(evidence) = claim.evidence.as_object_mut() {
            let start = exit.tail.char_indices().rev().take(EVIDENCE).last().map_or(0, |(at, _)| at);
            evidence.insert("tail".into(), exit.tail.get(start..).unwrap_or_default().into());
            evidence.insert("stopped_for".into(), serde_json::json!(exit.stopped_for));
            evidence.insert("hooks_failed".into(), serde_json::json!(hooks_failed));
        }
        Some(claim)
    }

    /// Whoever wins a claim delivers what follows from it. If that fails a reaper does it later.
    fn deliver(&self, keys: Vec<String>) {
        if keys.is_empty() {
            return;
        }
        let tries = Settings::default().delivery_tries;
        match self.parts.courier(self.settings.delivery_lease, tries).drain(&Which::Keys(keys), 2) {
            Ok(deliveries) => tracing::info!(?deliveries, "delivered"),
            Err(error) => tracing::warn!(%error, "an effect was stored and not yet delivered"),
        }
    }
}

/// What is to be done after a look.
#[derive(Debug)]
enum Next {
    End(End),
    Ask(String, Box<JobSnapshot>),
    Stop(reaper_core::ProcessIdentity),
    Again,
}

/// On a row that is queued again under its fence an exit 0 still counts.
fn is_open(row: &JobSnapshot, taken: &Taken) -> bool {
    row.attempt == taken.job.attempt && (row.status == Status::Running || row.is_late_finish())
}

fn why_of(planned: &Planned) -> String {
    let reason = planned.decision.reason.as_str().replace('_', " ");
    match &planned.seen.verdict {
        Some(Verdict::Red(why)) => format!("{reason}: {why}"),
        Some(Verdict::Green | Verdict::Undecided(_)) | None => reason,
    }
}

/// The name under which hooks run, in the variable that tells them from executors.
const HOOK: &str = "hook";

/// How often a row that changes meanwhile is looked at.
const TRIES: u32 = 8;

/// How many characters of the tail stand in the event.
const EVIDENCE: usize = 1000;
