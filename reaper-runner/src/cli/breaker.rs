//! `reaper breaker`: shows what is held, or says that it is real.

use clap::{Args, Subcommand};
use reaper_core::{Breaker, Breakers, Clock, breaker::EvidenceKind, effect::Plain};

use super::{
    Context, Exit, Failure,
    passes::{at, words},
    world::World,
};

#[derive(Debug, Args)]
pub(super) struct BreakerArgs {
    #[command(subcommand)]
    command: Option<BreakerCommand>,
}

#[derive(Debug, Subcommand)]
enum BreakerCommand {
    /// Say that what looks dead is dead: the next pass settles it.
    Release,
}

pub(super) fn breaker(context: &Context, args: &BreakerArgs) -> Result<(), Failure> {
    match args.command {
        None => {
            let world = World::open_to_read(&context.config)?;
            let (breaker, clock) = (world.store.breaker()?, Clock::at(world.store.now()?));
            let policy = world.settings(&context.config)?.policy.breaker;
            context.out.result(&breaker, || describe(&breaker, &clock, &policy))
        }
        Some(BreakerCommand::Release) => {
            let world = World::open(&context.config)?;
            let mut breaker = world.store.breaker()?;
            if !breaker.release() {
                return Err(Failure::new(Exit::Unchanged, "nothing is held"));
            }
            world.store.set_breaker(&breaker)?;
            context.out.result(&breaker, || "released: the next pass settles what looks dead".into())
        }
    }
}

/// The breakers in words.
pub(super) fn describe(
    breakers: &Breakers,
    clock: &Clock,
    policy: &reaper_core::breaker::BreakerPolicy,
) -> String {
    let hosts = breakers.hosts.iter().map(|(host, breaker)| {
        let host = format!(", seen from {}", Plain { text: host, max: 40 });
        described(breaker, &host, clock, policy)
    });
    let age = Breaker { open: breakers.age.map(|open| (EvidenceKind::Age, open)).into_iter().collect() };
    let text: String = hosts.chain([described(&age, "", clock, policy)]).collect();
    if text.is_empty() { "closed\n".into() } else { text }
}

fn described(
    breaker: &Breaker,
    from: &str,
    clock: &Clock,
    policy: &reaper_core::breaker::BreakerPolicy,
) -> String {
    let mut text = String::new();
    for (kind, open) in &breaker.open {
        let until = if open.released {
            "released by a person".into()
        } else if breaker.holds(*kind, clock, policy) {
            clock
                .when(open.since, policy.hold)
                .map_or_else(|| "held".into(), |until| format!("held until {}", at(until)))
        } else {
            "believed, it has lasted long enough".into()
        };
        let (dead, followed) = (open.tally.dead, open.tally.followed);
        let kind = words(kind.as_str());
        text.push_str(&format!(
            "{kind}: {dead} of {followed} look dead since {}{from}, {until}\n",
            at(open.since)
        ));
    }
    text
}
