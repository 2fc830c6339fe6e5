//! `reaper nodes` and `reaper declare-dead`: the hosts and the instances, and a person's word that a host is gone.

use clap::Args;
use reaper_core::{Incarnation, Timestamp, effect::Plain};
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
    instances: Vec<Incarnation>,
}

pub(super) fn nodes(context: &Context) -> Result<(), Failure> {
    let world = World::open_to_read(&context.config)?;
    let shown =
        Shown { now: world.store.now()?, nodes: world.store.nodes()?, instances: world.store.incarnations()? };
    context.out.result(&shown, || describe(&shown))
}

fn describe(shown: &Shown) -> String {
    let nodes = if shown.nodes.is_empty() { "no node has beaten yet\n".into() } else { nodes_of(shown) };
    if shown.instances.is_empty() { nodes } else { nodes + "\n" + &instances_of(shown) }
}

fn instances_of(shown: &Shown) -> String {
    let mut rows = table(&["instance", "host", "boot", "PID namespace", "since", "state"]);
    for Incarnation { instance, place, at, superseded_at, .. } in &shown.instances {
        let state = superseded_at.map_or("latest".to_owned(), |at| format!("superseded {}", ago(shown.now, at)));
        rows.add_row([
            plain(instance),
            plain(&place.host),
            plain(&place.boot),
            place.pid_namespace.to_string(),
            ago(shown.now, *at),
            state,
        ]);
    }
    render(&rows)
}

fn plain(text: &str) -> String {
    Plain { text, max: 40 }.to_string()
}

fn ago(now: Timestamp, at: Timestamp) -> String {
    format!("{} ago", reaper_core::Span(now.signed_duration_since(at).to_std().unwrap_or_default()))
}

fn nodes_of(shown: &Shown) -> String {
    let mut rows = table(&["host", "boot", "state", "beats", "last beat", "ttl", "reaper"]);
    for row in &shown.nodes {
        rows.add_row([
            plain(&row.node.id.host),
            plain(&row.node.id.boot),
            words(row.node.state.as_str()),
            row.node.beat.to_string(),
            ago(shown.now, row.beat_at),
            reaper_core::Span(row.node.ttl).to_string(),
            plain(&row.reaper),
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
