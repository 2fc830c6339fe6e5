//! From a decision to a claim. No choice is made here.

use reaper_core::{
    Action, Alert, Effect, FailCause, JobSnapshot, Policy, Signature,
    effect::{Plain, claim_key},
    plan::Planned,
};
use reaper_store::{
    Claim, Settlement,
    claims::{Actor, Death, EventId},
};

use crate::intensity::is_young;

/// The claim that carries a decision out; `None` for a decision that needs none. `seed` jitters the backoff.
#[must_use]
pub fn claim_of(planned: &Planned, policy: &Policy, by: Actor, seed: u64) -> Option<Claim> {
    let Planned { job, seen, decision } = planned;
    let (settlement, effect) = match &decision.action {
        Action::Keep | Action::AskGate { .. } => return None,
        Action::Done { advance } => (Settlement::Done, advance.clone().map(Effect::Advance)),
        Action::Requeue => {
            let wait = policy.backoff.delay(job.rescues, seed);
            (Settlement::Requeue { wait, rescue_cap: Some(policy.max_rescues) }, None)
        }
        Action::Fail { cause } => (Settlement::Fail, Some(failed_alert(job, planned, *cause))),
        Action::Terminate => (Settlement::Terminate, None),
        Action::Dismiss => (Settlement::Dismiss, None),
    };
    let cause = match &decision.action {
        Action::Fail { cause } => Some(cause.as_str()),
        Action::Keep
        | Action::AskGate { .. }
        | Action::Done { .. }
        | Action::Requeue
        | Action::Terminate
        | Action::Dismiss => None,
    };
    Some(Claim {
        event: EventId::draw(),
        attempt: job.attempt.clone(),
        basis: decision.basis.clone(),
        settlement,
        by,
        rule: decision.rule.to_string(),
        reason: cause
            .map_or_else(|| decision.reason.to_string(), |cause| format!("{} ({cause})", decision.reason)),
        evidence: serde_json::json!({
            "figures": decision.figures,
            "executor": seen.executor,
            "monitor": seen.monitor,
            "verdict": seen.verdict,
            "exit": job.exit,
            "pid": job.pid,
        }),
        death: death_of(planned, policy),
        effect,
    })
}

/// How the attempt ended, where it is requeued or failed because it ended badly.
fn death_of(planned: &Planned, policy: &Policy) -> Option<Death> {
    let Planned { job, seen, decision } = planned;
    let signature = Signature::of(decision.reason, job.exit.as_ref(), seen)?;
    let ends = matches!(decision.action, Action::Requeue | Action::Fail { .. });
    let young = is_young(&decision.figures, policy.limits_for(&job.agent).intensity);
    ends.then(|| Death { agent: job.agent.clone(), signature, young })
}

/// The keys of the effects that a claim stores.
#[must_use]
pub fn effect_key(claim: &Claim) -> Option<String> {
    claim.effect.as_ref().map(|effect| claim_key(&claim.attempt, effect))
}

fn failed_alert(job: &JobSnapshot, planned: &Planned, cause: FailCause) -> Effect {
    let why = match cause {
        FailCause::FatalExit => "its exit is one that is not tried again".into(),
        FailCause::AttemptsExhausted => format!("all {} attempts are spent", job.max_attempts),
        FailCause::RescuesExhausted => format!("it was rescued {} times", job.rescues),
    };
    let item = job.task.as_ref().and_then(|task| task.work_item.as_deref()).unwrap_or_default();
    let separator = if item.is_empty() { "" } else { " " };
    Effect::Alert(Alert {
        kind: "job_failed".into(),
        job: Some(job.attempt.job.clone()),
        text: format!(
            "job {} ({}, {}{separator}{}) failed: {}, and {why}",
            job.attempt.job,
            Plain { text: &job.agent, max: 60 },
            Plain { text: &job.repo, max: 60 },
            Plain { text: item, max: 60 },
            planned.decision.reason.as_str().replace('_', " "),
        ),
    })
}
