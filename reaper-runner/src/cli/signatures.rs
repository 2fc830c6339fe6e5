//! `reaper signatures`: how attempts ended that ended badly, in groups.

use clap::Args;
use reaper_core::{Timestamp, effect::Plain};
use reaper_store::history::Deaths;
use serde::Serialize;

use super::{
    Context, Failure, history,
    passes::at,
    table::{render, table},
    world::World,
};

#[derive(Debug, Args)]
pub(super) struct SignaturesArgs {
    /// Since an instant (2026-11-24 or 2026-11-24T10:00:00Z) or for so long (2h).
    #[arg(long, default_value = "24h")]
    since: String,
    /// Only those of this agent's jobs.
    #[arg(long)]
    agent: Option<String>,
}

/// What `--output json` prints.
#[derive(Debug, Serialize)]
struct Shown {
    since: Timestamp,
    deaths: Vec<Deaths>,
}

pub(super) fn signatures(context: &Context, args: &SignaturesArgs) -> Result<(), Failure> {
    let world = World::open_to_read(&context.config)?;
    let since = history::instant(&args.since, world.store.now()?)?;
    let shown = Shown { since, deaths: world.store.deaths(since, args.agent.clone())? };
    context.out.result(&shown, || describe(&shown))
}

fn describe(shown: &Shown) -> String {
    if shown.deaths.is_empty() {
        return format!("no attempt has ended badly since {}\n", at(shown.since));
    }
    let mut rows = table(&["agent", "signature", "times", "first (UTC)", "last (UTC)", "jobs"]);
    let short = |instant: Timestamp| instant.format("%Y-%m-%d %H:%M:%S").to_string();
    for group in &shown.deaths {
        let jobs: Vec<_> = group.examples.iter().map(ToString::to_string).collect();
        rows.add_row([
            Plain { text: &group.agent, max: 40 }.to_string(),
            Plain { text: &group.signature, max: 40 }.to_string(),
            group.count.to_string(),
            short(group.first),
            short(group.last),
            jobs.join(", "),
        ]);
    }
    render(&rows)
}
