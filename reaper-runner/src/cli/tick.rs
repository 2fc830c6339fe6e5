//! `reaper tick`: a few passes, then exit. For cron.

use std::time::Duration;

use clap::Args;

use super::{Context, Exit, Failure, passes, world::World};
use crate::{PassReport, Reaper};

#[derive(Debug, Args)]
pub(super) struct TickArgs {
    /// How many passes. Streaks live in the process: a bare pid needs two to be believed dead.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    times: u32,
    /// The time between two of them [default: the configured interval].
    #[arg(long, value_parser = humantime::parse_duration)]
    interval: Option<Duration>,
}

pub(super) fn tick(context: &Context, args: &TickArgs) -> Result<(), Failure> {
    let world = World::open_up_to_date(&context.config)?;
    let reaper = Reaper::new(world.parts(&context.config)?, world.settings(&context.config)?);
    let pause = args.interval.unwrap_or(context.config.interval);
    let stop = super::run::Signals::catch()?;
    let mut failed = None;
    // Where nobody reads any more, the passes are made all the same.
    let mut told = Ok(());
    for n in 1..=args.times {
        let report = reaper.run_once();
        failed = report.error.clone();
        told = told.and_then(|()| {
            let heading = heading(&report, n, args.times);
            context.out.result(&report, || passes::describe(context.out, &report, heading))
        });
        if n < args.times && stop.wait(pause) {
            break;
        }
    }
    match failed {
        Some(error) => Err(Failure::new(Exit::Failed, format!("the last pass failed: {error}"))),
        None => told,
    }
}

fn heading(report: &PassReport, n: u32, of: u32) -> String {
    let count = if of > 1 { format!("tick {n} of {of}") } else { "tick".to_owned() };
    format!("{count}, mode {}", report.mode)
}
