//! `reaper requeue-running`: for the start of an orchestrator. Somebody's explicit word, never part of `run`.

use std::time::Duration;

use clap::{ArgGroup, Args};
use reaper_core::{Certainty, JobSnapshot, Liveness, NodeObservations, Observation, Status, Timestamp};
use reaper_store::{
    Claim, Outcome, Settlement,
    claims::{Actor, EventId},
    facts::{Cursor, Wanted},
};

use super::{Context, Exit, Failure, world::World};
use crate::{
    elsewhere::Elsewhere,
    instance::{known, register},
    look::{all_here, sight},
    watching::Known,
};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true))]
pub(super) struct RequeueRunningArgs {
    /// Every running job, whoever lives. Only right where nothing can be at work.
    #[arg(long, group = "which")]
    all: bool,
    /// Only attempts of this host, or of an earlier run of this instance, whose executor is dead, whose monitor is not
    /// alive, and whose exit is not recorded.
    #[arg(long, group = "which")]
    orphans: bool,
}

pub(super) fn requeue_running(context: &Context, args: &RequeueRunningArgs) -> Result<(), Failure> {
    let world = World::open(&context.config)?;
    let requeued = if args.all { world.store.requeue_all_running()? } else { orphans(context, &world)? };
    let result = serde_json::json!({"requeued": requeued});
    context.out.result(&result, || format!("{requeued} jobs back to queued"))?;
    if requeued == 0 {
        let what = if args.all { "no job is running" } else { "no running job of this host is an orphan" };
        return Err(Failure::new(Exit::Unchanged, what));
    }
    Ok(())
}

/// Claims this host's orphans in one set, and says how many were won.
fn orphans(context: &Context, world: &World) -> Result<u64, Failure> {
    let settings = world.settings(&context.config)?;
    let probe = super::world::probe(&context.config)?;
    register(world.store.as_ref(), probe.as_ref(), &settings)?;
    let incarnations = known(world.store.as_ref(), probe.as_ref(), &settings)?;
    let wanted = Wanted {
        exits_until: Timestamp::MIN_UTC,
        started_until: Timestamp::MIN_UTC,
        beats_until: None,
        late_finishes: false,
        suspects: Vec::new(),
        here: Some(all_here(probe.as_ref(), &settings)),
        lost: incarnations.lost(),
    };
    let nodes = NodeObservations::default();
    let elsewhere = Elsewhere::new(None, &nodes, &incarnations);
    let mut claims = Vec::new();
    let mut cursor = Some(Cursor::default());
    while let Some(from) = cursor {
        let page = world.store.load(&wanted, &from, context.config.page)?;
        for row in page.rows {
            match row {
                Ok(job) => {
                    let seen = sight(&job, probe.as_ref(), elsewhere, Known::default());
                    claims.extend(is_orphan(&job, &seen).then(|| claim(&job, &seen)));
                }
                Err(bad) => tracing::warn!(%bad, "left alone"),
            }
        }
        cursor = page.next;
    }
    if claims.is_empty() {
        return Ok(0);
    }
    let outcomes = world.store.settle(&claims)?;
    Ok(u64::try_from(outcomes.iter().filter(|outcome| **outcome == Outcome::Won).count()).unwrap_or(u64::MAX))
}

fn is_orphan(job: &JobSnapshot, seen: &Observation) -> bool {
    job.status == Status::Running
        && job.exit.is_none()
        && matches!(seen.executor.liveness, Liveness::Dead(_))
        && seen.monitor.liveness != Liveness::Alive(Certainty::Verified)
}

fn claim(job: &JobSnapshot, seen: &Observation) -> Claim {
    Claim {
        event: EventId::draw(),
        attempt: job.attempt.clone(),
        basis: job.basis(),
        settlement: Settlement::Requeue { wait: Duration::ZERO, rescue_cap: None },
        by: Actor::Person,
        rule: String::new(),
        reason: "orphan at start-up".into(),
        evidence: serde_json::json!({"executor": seen.executor, "monitor": seen.monitor, "pid": job.pid}),
        death: None,
        effect: None,
    }
}
