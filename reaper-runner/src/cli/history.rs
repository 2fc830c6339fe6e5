//! `reaper history`: the recorded events.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta};
use clap::{Args, Subcommand};
use reaper_core::{JobId, Timestamp, effect::Plain, job::Key};
use reaper_store::history::{Event, Query};

use super::{
    Context, Exit, Failure,
    passes::{at, why, words},
    table::{render, table},
    world::World,
};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct HistoryArgs {
    /// Only the events of this job.
    #[arg(long)]
    job: Option<Key>,
    /// Only events since an instant (2026-11-24 or 2026-11-24T10:00:00Z) or for so long (2h).
    #[arg(long)]
    since: Option<String>,
    /// The latest so many.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    #[command(subcommand)]
    command: Option<HistoryCommand>,
}

#[derive(Debug, Subcommand)]
enum HistoryCommand {
    /// Remove events, delivered effects and nodes without a beat that are older.
    Prune {
        /// How old, as 30d, or an instant.
        #[arg(long)]
        older_than: String,
    },
}

pub(super) fn history(context: &Context, args: &HistoryArgs) -> Result<(), Failure> {
    match &args.command {
        Some(HistoryCommand::Prune { older_than }) => prune(context, older_than),
        None => list(context, args),
    }
}

fn list(context: &Context, args: &HistoryArgs) -> Result<(), Failure> {
    let world = World::open_to_read(&context.config)?;
    let since = match &args.since {
        Some(text) => Some(instant(text, world.store.now()?)?),
        None => None,
    };
    let query = Query { job: args.job.clone().map(JobId), since, limit: args.limit };
    let events = world.store.events(&query)?;
    context.out.result(&events, || describe(&events))
}

fn describe(events: &[Event]) -> String {
    if events.is_empty() {
        return "no events\n".into();
    }
    let mut rows = table(&["when (UTC)", "job", "by", "what", "why", "from → to"]);
    let plain = |text: &str, max| Plain { text, max }.to_string();
    for event in events {
        let way = match (&event.from, &event.to) {
            (Some(from), Some(to)) => format!("{} → {}", plain(from, 12), plain(to, 12)),
            (from, to) => plain(from.as_deref().or(to.as_deref()).unwrap_or_default(), 12),
        };
        rows.add_row([
            event.at.format("%Y-%m-%d %H:%M:%S").to_string(),
            event.job.as_ref().map(ToString::to_string).unwrap_or_default(),
            plain(&event.by, 20),
            words(&plain(&event.action, 30)),
            why(&plain(&event.rule, 40), &plain(&event.reason, 120)) + &turned_out(event),
            way,
        ]);
    }
    render(&rows)
}

/// What is known by now of an event's attempt.
fn turned_out(event: &Event) -> String {
    let late_finish = event.action == "done" && event.from.as_deref() == Some("queued");
    match &event.late {
        Some(exit) if event.is_false_rescue() => {
            format!("; wrongly: it came to exit {} at {}, after the next take", exit.code, at(exit.at))
        }
        Some(exit) => format!("; exit {} was told at {}", exit.code, at(exit.at)),
        None if late_finish => "; a late finish".into(),
        None => String::new(),
    }
}

fn prune(context: &Context, older_than: &str) -> Result<(), Failure> {
    let world = World::open(&context.config)?;
    let before = instant(older_than, world.store.now()?)?;
    let removed = world.store.prune(before)?;
    let result = serde_json::json!({"removed": removed, "before": before});
    context.out.result(&result, || format!("removed {removed} rows from before {}", at(before)))?;
    if removed == 0 {
        return Err(Failure::new(Exit::Unchanged, "nothing is that old"));
    }
    Ok(())
}

/// An instant, or how long ago.
pub(super) fn instant(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let wrong = || {
        let message =
            format!("`{text}` is no instant: write 2026-11-24, 2026-11-24T10:00:00Z, or how long ago, as 2h");
        Failure::new(Exit::Usage, message)
    };
    if let Ok(ago) = humantime::parse_duration(text) {
        return back(now, ago).ok_or_else(wrong);
    }
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Ok(instant.to_utc());
    }
    let full = if text.len() == 10 { format!("{text} 00:00:00") } else { text.replace('T', " ") };
    NaiveDateTime::parse_from_str(&full, "%Y-%m-%d %H:%M:%S").map(|naive| naive.and_utc()).map_err(|_| wrong())
}

fn back(now: Timestamp, ago: Duration) -> Option<Timestamp> {
    now.checked_sub_signed(TimeDelta::from_std(ago).ok()?)
}
