//! `reaper retry` and `reaper fail`: a person settles a job, fenced, with its event.

use std::time::Duration;

use clap::Args;
use reaper_core::{Alert, Effect, JobId, JobSnapshot, Status, effect::Plain, job::Key};
use reaper_store::{
    Claim, Outcome, Settlement,
    claims::{Actor, EventId},
};

use super::{Context, Exit, Failure, world::World};
use crate::claim::effect_key;

#[derive(Debug, Args)]
pub(super) struct SettleArgs {
    /// The job's id.
    job: Key,
    /// Why; stands in the event and in the job's last error.
    #[arg(long, default_value = "a person's word")]
    reason: String,
}

pub(super) fn retry(context: &Context, args: &SettleArgs) -> Result<(), Failure> {
    let refuse = |job: &JobSnapshot| match job.status {
        Status::Queued => Some("is queued already"),
        Status::Running | Status::Done | Status::Failed => None,
    };
    settle(context, args, refuse, Settlement::Requeue { wait: Duration::ZERO, rescue_cap: None }, "queued")
}

pub(super) fn fail(context: &Context, args: &SettleArgs) -> Result<(), Failure> {
    let refuse = |job: &JobSnapshot| match job.status {
        Status::Failed => Some("has failed already"),
        Status::Done => Some("is done"),
        Status::Queued | Status::Running => None,
    };
    settle(context, args, refuse, Settlement::Fail, "failed")
}

fn settle(
    context: &Context,
    args: &SettleArgs,
    refuse: impl Fn(&JobSnapshot) -> Option<&'static str>,
    settlement: Settlement,
    to: &str,
) -> Result<(), Failure> {
    let world = World::open(&context.config)?;
    let id = JobId(args.job.clone());
    let job = world.job(&id)?;
    if let Some(why) = refuse(&job) {
        return Err(Failure::new(Exit::Unchanged, format!("job {id} {why}: nothing was changed")));
    }
    let effect = (settlement == Settlement::Fail).then(|| {
        Effect::Alert(Alert {
            kind: "job_failed".into(),
            job: Some(id.clone()),
            text: format!("job {id} was failed by a person: {}", Plain { text: &args.reason, max: 200 }),
        })
    });
    let claim = Claim {
        event: EventId::draw(),
        attempt: job.attempt.clone(),
        basis: job.basis(),
        settlement,
        by: Actor::Person,
        rule: String::new(),
        reason: args.reason.clone(),
        evidence: serde_json::json!({"exit": job.exit, "pid": job.pid}),
        death: None,
        effect,
    };
    let outcome = world.store.settle(std::slice::from_ref(&claim))?.into_iter().next();
    match outcome {
        Some(Outcome::Won) => {}
        Some(Outcome::Refused(problem)) => {
            return Err(Failure::new(Exit::Failed, format!("the database refused job {id}: {problem}")));
        }
        Some(Outcome::Lost | Outcome::Forbidden(_)) | None => {
            let message =
                format!("job {id} was changed by somebody else meanwhile: nothing was changed, look again");
            return Err(Failure::new(Exit::Unchanged, message));
        }
    }
    if let Some(key) = effect_key(&claim) {
        // Whoever wins a claim delivers what follows from it. If that fails another reaper does it later.
        if let Err(error) = world.deliver(&context.config, vec![key]) {
            tracing::warn!(error = error.message, "the alert was stored and not yet delivered");
        }
    }
    let result = serde_json::json!({"job": id, "from": job.status, "to": to});
    context.out.result(&result, || format!("job {id}: {} → {to}", job.status))
}
