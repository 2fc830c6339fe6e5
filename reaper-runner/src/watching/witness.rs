//! The watch as a witness: exits that no monitor has recorded.
//!
//! **Invariant:** an exit is recorded on the word of the watch if and only if the kernel told it of the very process that
//! was attached, no monitor that lives is about to record it, and something hangs on it: an executor that ended by itself,
//! with whatever code, or by a signal that its agent's exit policy names. Any other death by a signal is no exit of the
//! work: nobody is left, or the executor is dead, and the code stands in the evidence of the claim.

use reaper_core::{
    Action, Attempt, Finding, JobSnapshot, Liveness, Mode, Observation, PassKind, Policy, Reason, Sighting,
    Signature, Timestamp, job::Exit, plan::Planned,
};
use reaper_gate::liveness::watch::{Role, WitnessedExit as Seen};
use reaper_store::{
    Claim, StoreError,
    attempts::{LeftOut, Testified, WitnessedExit},
    control::WatchTally,
};

use super::{Known, Watching};
use crate::{
    engine::{Engine, locked},
    report::{Failure, PassReport},
};

impl Watching {
    /// The exits that a pass of this kind is to record before it loads anything.
    fn exits(&self, kind: PassKind, policy: &Policy) -> Vec<WitnessedExit> {
        let died = match kind {
            PassKind::Tick => &self.died,
            PassKind::Wake => &self.fresh,
        };
        let told = |attempt: &&Attempt| {
            let seen = self.seen_exit(attempt)?;
            let matters = self.matters(attempt, seen, policy);
            // A monitor that lives records it itself. One that has not by the next tick is not waited for.
            let waits = kind == PassKind::Wake && self.monitor_lives(attempt);
            (matters && !waits).then(|| WitnessedExit {
                attempt: (*attempt).clone(),
                code: seen.code,
                witness: format!("the {} on {}", seen.witness, self.host),
            })
        };
        let untold = died.union(&self.untold).filter(|attempt| !self.testified.contains(*attempt));
        untold.filter_map(|attempt| told(&attempt)).collect()
    }

    /// Whether anything hangs on an exit.
    fn matters(&self, attempt: &Attempt, seen: Seen, policy: &Policy) -> bool {
        let is_fatal = |agent: &str| {
            let exit = Exit { code: seen.code, at: Timestamp::UNIX_EPOCH };
            policy.limits_for(agent).exit.is_fatal(Reason::ExitNonzero, Some(&exit), &Observation::NONE)
        };
        seen.code >= 0 || self.followed.get(attempt).is_some_and(|followed| is_fatal(&followed.agent))
    }

    /// Puts a decision off for one pass, which follows at once, where an executor has ended since this one has begun: its
    /// exit is put down first.
    pub(super) fn put_off(&mut self, job: &JobSnapshot, known: &mut Known, policy: &Policy) {
        let attempt = &job.attempt;
        let is_gone = known.executor.as_ref().is_some_and(|seen| !matches!(seen.liveness, Liveness::Alive(_)));
        if !is_gone || job.exit.is_some() || job.run.is_none() || self.testified.contains(attempt) {
            return;
        }
        let tells = self.seen_exit(attempt).is_some_and(|seen| self.matters(attempt, seen, policy));
        if tells && self.put_off.insert(attempt.clone()) {
            self.died.insert(attempt.clone());
            self.fresh.insert(attempt.clone());
            let why = Finding::Unreadable("it has just ended, and its exit is yet to be put down".to_owned());
            known.executor = Some(Sighting::new(Liveness::Unknown, why));
        }
    }

    /// With which code an attempt's executor has ended, where the kernel told it.
    pub(crate) fn seen_exit(&self, attempt: &Attempt) -> Option<Seen> {
        self.watch.exit(attempt, Role::Executor)
    }

    fn monitor_lives(&self, attempt: &Attempt) -> bool {
        let monitor = self.watch.sighting(attempt, Role::Monitor);
        monitor.is_some_and(|monitor| matches!(monitor.liveness, Liveness::Alive(_)))
    }
}

impl Engine {
    /// Records the exits that the watch has witnessed. What supervisors have spooled was imported before, and stands. One
    /// that cannot be recorded is said, and hinders no other.
    pub(crate) fn testify(
        &self,
        kind: PassKind,
        watching: &mut Watching,
        report: &mut PassReport,
    ) -> Result<(), StoreError> {
        if self.settings.mode != Mode::Enforce {
            return Ok(());
        }
        let exits = watching.exits(kind, &self.settings.policy);
        if exits.is_empty() {
            return Ok(());
        }
        let answers = self.parts.store.record_witnessed(&exits)?;
        for (exit, answer) in exits.into_iter().zip(answers) {
            match answer {
                Testified::Recorded => {
                    tracing::info!(attempt = %exit.attempt, code = exit.code, witness = exit.witness, "recorded an exit that was witnessed");
                }
                Testified::NotOpen => {}
                // Another mode will allow it.
                Testified::Forbidden(_) => continue,
                // Once is enough.
                Testified::LeftOut(LeftOut::Held) if watching.untold.contains(&exit.attempt) => continue,
                Testified::LeftOut(why) => {
                    tracing::warn!(attempt = %exit.attempt, code = exit.code, %why, "an exit that was witnessed cannot be recorded");
                    let problem = format!("its exit {} cannot be recorded: {why}", exit.code);
                    report.failures.push(Failure { job: exit.attempt.job.clone(), problem });
                    if why == LeftOut::Held {
                        watching.untold.insert(exit.attempt);
                        continue;
                    }
                }
            }
            watching.untold.remove(&exit.attempt);
            watching.testified.insert(exit.attempt);
        }
        Ok(())
    }

    /// Puts the exit that the watch has seen beside what a claim rests on, where none is recorded.
    pub(crate) fn add_witness(&self, claim: &mut Claim) {
        let memory = locked(&self.memory);
        let seen = memory.watching.as_ref().and_then(|watching| watching.seen_exit(&claim.attempt));
        let Some(seen) = seen else { return };
        if let Some(evidence) = claim.evidence.as_object_mut() {
            let witnessed = serde_json::json!({ "code": seen.code, "witness": seen.witness.as_str() });
            evidence.insert("witnessed".into(), witnessed);
        }
        // Nobody recorded how it ended, but it is known.
        if let Some(death) = claim.death.as_mut().filter(|death| death.signature == Signature::Vanished)
            && let Some(signature) = Signature::of_exit(&Exit { code: seen.code, at: Timestamp::UNIX_EPOCH })
        {
            death.signature = signature;
        }
    }

    /// An attempt is settled, or its stop is announced: what was observed of it is of no use any more.
    pub(crate) fn forget(&self, planned: &Planned) {
        let mut memory = locked(&self.memory);
        memory.observations.forget(&planned.job.attempt);
        if let Some(watching) = memory.watching.as_mut().filter(|_| planned.decision.action != Action::Terminate) {
            watching.unfollow(&planned.job.attempt);
        }
    }

    /// Gives the loop its watch, or takes it away.
    pub(crate) fn watch(&self, watching: Option<Watching>) {
        let mut memory = locked(&self.memory);
        memory.rest = None;
        memory.watching = watching;
    }

    /// What the loop's watch holds, where it has one.
    pub(crate) fn watch_tally(&self) -> Option<WatchTally> {
        locked(&self.memory).watching.as_ref().map(Watching::tally)
    }
}
