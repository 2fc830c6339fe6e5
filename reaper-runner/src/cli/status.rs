//! `reaper status`: how things stand.

use std::fmt::Write as _;

use chrono::TimeDelta;
use reaper_core::{Breakers, Clock, JobId, Mode, Status, Timestamp, effect::Plain};
use reaper_gate::lease::LeaseState;
use reaper_store::{
    control::{PassNote, WatchTally},
    facts::{Census, StalledTask},
    history::Rescues,
    outbox::{EffectState, OutboxRow},
};
use serde::Serialize;

use super::{Context, Failure, breaker, output::Style, passes::at, table::fold, world, world::World};
use crate::{SystemTime, Time};

/// How many undelivered effects are counted at most.
const COUNTED: usize = 10_000;

/// How many jobs whose payload no worker can read are listed at most.
const LISTED: usize = 20;

/// For how long back rescues are counted.
const RESCUES: TimeDelta = TimeDelta::hours(24);

/// What `--output json` prints.
#[derive(Debug, Serialize)]
struct Shown {
    census: Census,
    mode: Mode,
    stored_mode: Mode,
    latest_pass: Option<PassNote>,
    breaker: Breakers,
    outbox_pending: usize,
    outbox_dead: usize,
    leases_held: usize,
    leases_stale: usize,
    stalled: Vec<StalledTask>,
    unreadable_payloads: Vec<JobId>,
    rescues: Rescues,
    rescues_since: Timestamp,
    oldest_running: Option<(JobId, Timestamp)>,
}

pub(super) fn status(context: &Context) -> Result<(), Failure> {
    let config = &context.config;
    let world = World::open_to_read(config)?;
    let settings = world.settings(config)?;
    let census = world.store.census()?;
    let stored_mode = world.store.mode()?;
    let undelivered = world.store.undelivered(COUNTED)?;
    let leases = world::leases(config)?.map(|leases| leases.list(SystemTime::new().wall())).unwrap_or_default();
    let in_state = |state| undelivered.iter().filter(|row: &&OutboxRow| row.state == state).count();
    let rescues_since = census.now.checked_sub_signed(RESCUES).unwrap_or(Timestamp::MIN_UTC);
    let shown = Shown {
        mode: stored_mode.min(config.mode),
        stored_mode,
        latest_pass: world.store.latest_pass()?,
        breaker: world.store.breaker()?,
        outbox_pending: in_state(EffectState::Pending),
        outbox_dead: in_state(EffectState::Dead),
        leases_held: leases.iter().filter(|lease| lease.state == LeaseState::Held).count(),
        leases_stale: leases.iter().filter(|lease| matches!(lease.state, LeaseState::Stale(_))).count(),
        stalled: world.stalled(&settings.policy.pipeline)?,
        unreadable_payloads: world.store.unreadable_payloads(LISTED)?,
        rescues: world.store.rescues(rescues_since)?,
        rescues_since,
        oldest_running: census.oldest_running.clone(),
        census,
    };
    context.out.result(&shown, || fold(&describe(context, &shown, &settings.policy.breaker)))
}

fn describe(context: &Context, shown: &Shown, policy: &reaper_core::breaker::BreakerPolicy) -> String {
    let out = context.out;
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a String does not fail.
        writeln!(text, "{} {value}", out.styled(Style::Faint, &format!("{name:<12}"))).ok();
    };
    let count = |status: Status| format!("{} {status}", shown.census.count(status));
    let known = Status::ALL.map(count).join(", ");
    let foreign = shown.census.jobs.iter().filter(|(name, _)| name.parse::<Status>().is_err());
    let foreign: String = foreign.map(|(name, n)| format!(", {n} {}", Plain { text: name, max: 20 })).collect();
    line("jobs", format!("{known}{foreign}"));
    match &shown.oldest_running {
        Some((job, since)) => {
            line("oldest", format!("job {job}, running since {} (reaper explain {job})", at(*since)))
        }
        None => line("oldest", "no job is running".into()),
    }
    line("mode", format!("{} (stored {}, configured {})", shown.mode, shown.stored_mode, context.config.mode));
    match &shown.latest_pass {
        Some(note) => {
            let error = note.error.as_ref().map(|error| format!(", failed: {}", Plain { text: error, max: 200 }));
            let error = error.unwrap_or_default();
            line(
                "latest pass",
                format!("{} by {}: {} settled, {} lost{error}", at(note.at), note.reaper, note.won, note.lost),
            );
        }
        None => line("latest pass", "none yet".into()),
    }
    if let Some(WatchTally { watched, in_turn }) = shown.latest_pass.as_ref().and_then(|note| note.watch) {
        line("watching", format!("{watched} processes, {in_turn} more are probed in turn"));
    }
    let clock = Clock::at(shown.census.now);
    line("breaker", breaker::describe(&shown.breaker, &clock, policy).trim_end().replace('\n', "; "));
    let Rescues { rescues, late_finishes, false_rescues } = &shown.rescues;
    line("rescues", format!("{rescues} in 24 h; {late_finishes} finished late, {false_rescues} false"));
    line("outbox", format!("{} to deliver, {} given up", shown.outbox_pending, shown.outbox_dead));
    if context.config.leases.dir.is_some() {
        line("leases", format!("{} held, {} stale", shown.leases_held, shown.leases_stale));
    }
    if !shown.unreadable_payloads.is_empty() {
        let jobs: Vec<_> = shown.unreadable_payloads.iter().map(ToString::to_string).collect();
        let jobs = jobs.join(", ");
        line("payloads", format!("longer than a worker reads, or no text: `reaper exec` never takes job {jobs}"));
    }
    line(
        "stalled",
        if shown.stalled.is_empty() { "no task".into() } else { format!("{} tasks", shown.stalled.len()) },
    );
    for task in &shown.stalled {
        let item = task.work_item.as_deref().unwrap_or_default();
        line(
            "",
            format!(
                "task {} {} in {}",
                task.task,
                Plain { text: item, max: 40 },
                Plain { text: &task.stage, max: 40 }
            ),
        );
    }
    text
}
