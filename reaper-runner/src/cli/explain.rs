//! `reaper explain JOB`: each rule in order, the figures that it compared, why it fired or not, what the liveness
//! looked at, and when the answer would change.

use std::time::Duration;

use clap::Args;
use reaper_core::{Action, Clock, JobId, Liveness, NodeObservations, explain::explain as why, job::Key};
use reaper_gate::Gate;

use super::{
    Context, Failure,
    output::{Out, Style},
    table::fold,
    world::{self, World},
};
use crate::{elsewhere::Elsewhere, instance, look::sight, watching::Known};

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The job's id.
    job: Key,
    /// In how many ticks in a row a dead executor is taken to have been seen: streaks live in a running reaper.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    ticks: u32,
    /// Asks the gate, if it comes to that.
    #[arg(long)]
    ask_gate: bool,
}

pub(super) fn explain(context: &Context, args: &ExplainArgs) -> Result<(), Failure> {
    let world = World::open_to_read(&context.config)?;
    let job = world.job(&JobId(args.job.clone()))?;
    let settings = world.settings(&context.config)?;
    let policy = &settings.policy;
    let clock = Clock::at(world.store.now()?);
    let probe = world::probe(&context.config)?;
    // Silence takes many reads to be told; a person's word takes one.
    let here = probe.node().filter(|_| context.config.follows_nodes());
    let mut heard = NodeObservations::default();
    if here.is_some() {
        heard.read(world.store.nodes()?.into_iter().map(|row| row.node).collect(), Duration::ZERO);
    }
    let incarnations = instance::known(world.store.as_ref(), probe.as_ref(), &settings)?;
    let elsewhere = Elsewhere::new(here.as_ref(), &heard, &incarnations);
    let mut seen = sight(&job, probe.as_ref(), elsewhere, Known::default());
    if matches!(seen.executor.liveness, Liveness::Dead(_)) {
        seen.dead_ticks = args.ticks;
    }
    let mut explanation = why(&job, &seen, &clock, policy);
    if let Action::AskGate { gate } = &explanation.decision.action
        && args.ask_gate
    {
        seen.verdict = Some(world::gates(&context.config)?.ask(gate, &job));
        explanation = why(&job, &seen, &clock, policy);
    }
    context.out.result(&explanation, || paint(context.out, &fold(&explanation.to_string())))
}

/// The page with the rule that fired, and the headings, made visible where there are colours.
fn paint(out: Out, page: &str) -> String {
    let style = |line: &str| match line.split_whitespace().next() {
        Some("=>") => Some(Style::Strong),
        Some("-") => Some(Style::Faint),
        Some(_) | None => None,
    };
    page.lines()
        .map(|line| style(line).map_or_else(|| line.to_owned(), |style| out.styled(style, line)))
        .fold(String::new(), |page, line| page + &line + "\n")
}
