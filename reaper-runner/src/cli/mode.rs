//! `reaper mode`: the kill switch, stored in the database.

use clap::Args;
use reaper_core::Mode;

use super::{Context, Exit, Failure, world::World};

#[derive(Debug, Args)]
pub(super) struct ModeArgs {
    /// off, report or enforce; without it the mode is shown.
    mode: Option<Mode>,
}

pub(super) fn mode(context: &Context, args: &ModeArgs) -> Result<(), Failure> {
    let configured = context.config.mode;
    let Some(mode) = args.mode else {
        let stored = World::open_to_read(&context.config)?.store.mode()?;
        let wins = stored.min(configured);
        let result = serde_json::json!({"stored": stored, "configured": configured, "mode": wins});
        return context.out.result(&result, || format!("{wins} (stored {stored}, configured {configured})"));
    };
    let world = World::open(&context.config)?;
    let before = world.store.set_mode(mode)?;
    let result = serde_json::json!({"before": before, "stored": mode, "configured": configured});
    context.out.result(&result, || {
        let stricter = if configured < mode {
            format!("; reapers with this configuration stay at {configured}, the stricter of the two")
        } else {
            String::new()
        };
        format!("{before} → {mode}{stricter}")
    })?;
    if before == mode {
        return Err(Failure::new(Exit::Unchanged, format!("the stored mode was {mode} already")));
    }
    Ok(())
}
