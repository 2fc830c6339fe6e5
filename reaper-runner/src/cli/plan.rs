//! `reaper plan`: what a pass would do now. Writes nothing.

use clap::Args;
use reaper_core::{
    effect::Plain,
    plan::{Counts, Planned},
};
use serde::Serialize;

use super::{
    Context, Failure,
    output::Style,
    passes::{action, why, words},
    table::{render, table},
    world::World,
};
use crate::{Reaper, report::Failure as JobFailure};

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Which tick of a reaper that begins now is shown [default: as many as a death must be seen].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    ticks: Option<u32>,
}

/// What `--output json` prints.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    tick: u32,
    counts: &'a Counts,
    claim: &'a [Planned],
    ask: &'a [Planned],
    cannot_tell: &'a [Planned],
    bad: &'a [reaper_core::job::BadRow],
    failures: &'a [JobFailure],
    breaker: &'a reaper_core::Breaker,
    review_at: Option<reaper_core::Timestamp>,
}

pub(super) fn plan(context: &Context, args: &PlanArgs) -> Result<(), Failure> {
    let world = World::open_to_read(&context.config)?;
    let settings = world.settings(&context.config)?;
    let tick = args.ticks.unwrap_or(settings.policy.limits.dead_ticks);
    let reaper = Reaper::new(world.parts(&context.config)?, settings);
    let (plan, breaker, failures) = reaper.plan(tick)?;
    let shown = Shown {
        tick,
        counts: &plan.counts,
        claim: &plan.claim,
        ask: &plan.ask,
        cannot_tell: &plan.cannot_tell,
        bad: &plan.bad,
        failures: &failures,
        breaker: &breaker,
        review_at: plan.review_at,
    };
    context.out.result(&shown, || describe(context, &shown))
}

fn describe(context: &Context, shown: &Shown<'_>) -> String {
    let out = context.out;
    let heading = format!("what tick {} of a reaper that begins now would do", shown.tick);
    let mut text = format!("{} (nothing is written)\n", out.styled(Style::Strong, &heading));
    let acted: Vec<&Planned> = shown.claim.iter().chain(shown.ask).collect();
    if acted.is_empty() {
        text.push_str("nothing\n");
    } else {
        let mut rows = table(&["job", "agent", "rule", "why", "action"]);
        for planned in acted {
            let decision = &planned.decision;
            rows.add_row([
                planned.job.attempt.job.to_string(),
                Plain { text: &planned.job.agent, max: 20 }.to_string(),
                decision.rule.number().to_string(),
                why(decision.rule.as_str(), decision.reason.as_str()),
                action(&decision.action),
            ]);
        }
        text.push_str(&render(&rows));
    }
    let mut line = |style, line: String| {
        text.push_str(&out.styled(style, &line));
        text.push('\n');
    };
    line(Style::Faint, format!("{} looked at, {} kept", shown.counts.loaded, shown.counts.kept));
    for kept in shown.cannot_tell {
        let why = words(kept.decision.reason.as_str());
        line(Style::Notice, format!("job {} needs a person: {why}", kept.job.attempt.job));
    }
    for bad in shown.bad {
        line(Style::Notice, bad.to_string());
    }
    for failure in shown.failures {
        line(Style::Bad, format!("job {}: {}", failure.job, Plain { text: &failure.problem, max: 200 }));
    }
    if shown.counts.held > 0 {
        line(Style::Notice, format!("{} would be held by the breaker", shown.counts.held));
    }
    if shown.counts.deferred > 0 {
        line(Style::Faint, format!("{} more are beyond the budget of one pass", shown.counts.deferred));
    }
    text
}
