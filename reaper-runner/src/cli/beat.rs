//! `reaper beat`: a sign of life by hand.

use clap::Args;
use reaper_core::{Attempt, Fence, JobId, job::Key};
use reaper_store::attempts::Written;

use super::{Context, Exit, Failure, world::World};

#[derive(Debug, Args)]
pub(super) struct BeatArgs {
    /// The attempt, as JOB:FENCE.
    #[arg(env = "REAPER_ATTEMPT", value_parser = attempt)]
    attempt: Attempt,
}

fn attempt(text: &str) -> Result<Attempt, String> {
    let (job, fence) =
        text.rsplit_once(':').filter(|(job, fence)| !job.is_empty() && !fence.is_empty()).ok_or_else(|| {
            "write it as JOB:FENCE, as REAPER_ATTEMPT has it (reaper explain JOB shows the fence)".to_owned()
        })?;
    let key = |text: &str| text.parse::<Key>().unwrap_or_else(|never| match never {});
    Ok(Attempt { job: JobId(key(job)), fence: Fence(key(fence)) })
}

pub(super) fn beat(context: &Context, args: &BeatArgs) -> Result<(), Failure> {
    let world = World::open(&context.config)?;
    match world.store.beat(&args.attempt)? {
        Written::Yes => {
            let result = serde_json::json!({"attempt": args.attempt.to_string()});
            context.out.result(&result, || format!("attempt {} is still at work", args.attempt))
        }
        Written::NotMine => {
            let message = format!("attempt {} has been taken away: stop its work and touch nothing", args.attempt);
            Err(Failure::new(Exit::Unchanged, message))
        }
    }
}
