//! `reaper nodes` and `reaper declare-dead`: the hosts, and a person's word that one is gone.

use clap::Args;
use reaper_core::{Timestamp, effect::Plain};
use reaper_store::nodes::{Boots, NodeRow};
use serde::Serialize;

use super::{
    Context, Exit, Failure,
    passes::words,
    table::{render, table},
    world::World,
};

#[derive(Debug, Args)]
pub(super) struct DeclareDeadArgs {
    /// The host, as `reaper nodes` lists it.
    host: String,
    /// Only this boot of it; without it every boot that is recorded or that a running job names.
    #[arg(long, value_name = "ID")]
    boot: Option<String>,
}

/// What `--output json` prints.
#[derive(Debug, Serialize)]
struct Shown {
    now: Timestamp,
    nodes: Vec<NodeRow>,
}

pub(super) fn nodes(context: &Context) -> Result<(), Failure> {
    let world = World::open_to_read(&context.config)?;
    let shown = Shown { now: world.store.now()?, nodes: world.store.nodes()? };
    context.out.result(&shown, || describe(&shown))
}

fn describe(shown: &Shown) -> String {
    if shown.nodes.is_empty() {
        return "no node has beaten yet\n".into();
    }
    let mut rows = table(&["host", "boot", "state", "beats", "last beat", "ttl", "reaper"]);
    let plain = |text: &str, max| Plain { text, max }.to_string();
    for row in &shown.nodes {
        let ago = shown.now.signed_duration_since(row.beat_at).to_std().unwrap_or_default();
        rows.add_row([
            plain(&row.node.id.host, 40),
            plain(&row.node.id.boot, 40),
            words(row.node.state.as_str()),
            row.node.beat.to_string(),
            format!("{} ago", reaper_core::Span(ago)),
            reaper_core::Span(row.node.ttl).to_string(),
            plain(&row.reaper, 40),
        ]);
    }
    render(&rows)
}

pub(super) fn declare_dead(context: &Context, args: &DeclareDeadArgs) -> Result<(), Failure> {
    let world = World::open(&context.config)?;
    let boots = args.boot.clone().map_or(Boots::All, Boots::One);
    let declared = world.store.declare_dead(&args.host, &boots)?;
    if declared.is_empty() {
        let host = Plain { text: &args.host, max: 60 };
        let message =
            format!("nothing is recorded of a host {host}, or it is declared dead already; see `reaper nodes`");
        return Err(Failure::new(Exit::Unchanged, message));
    }
    context.out.result(&serde_json::json!({"declared_dead": declared}), || {
        let lines = declared.iter().map(|id| format!("{id} is declared dead\n"));
        lines.collect::<String>() + "the next tick of any reaper that follows nodes settles what ran there\n"
    })
}
