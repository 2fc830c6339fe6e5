//! `reaper processes`: live processes of this host whose attempt has moved on.

use std::time::Duration;

use clap::Args;
use reaper_core::{Attempt, Fence, JobId, ProcessIdentity, Span, effect::Plain};
use reaper_gate::{
    Stop as _,
    liveness::{Carrier, LocalStop, Stopped},
};
use serde::Serialize;

use super::{
    Context, Exit, Failure,
    passes::words,
    table::{render, table},
    world::{self, World},
};
use crate::moved_on::{Standing, standing};

#[derive(Debug, Args)]
pub(super) struct ProcessesArgs {
    /// End them: TERM, and KILL after the `terminate_grace` of the configuration.
    #[arg(long)]
    stop: bool,
}

/// One process, as `--output json` prints it.
#[derive(Debug, Serialize)]
struct Shown {
    job: JobId,
    fence: Fence,
    /// What became of the attempt.
    moved_on: String,
    pid: u32,
    identity: ProcessIdentity,
    leads: bool,
    state: char,
    /// In seconds.
    age_s: Option<u64>,
    command: String,
    /// How its end went, where it was to be ended.
    stopped: Option<&'static str>,
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Listed {
    processes: Vec<Shown>,
    /// Processes of attempts that nothing is known of here: another queue's, or what was pruned.
    not_known: usize,
    /// Processes of attempts that are running.
    running: usize,
}

pub(super) fn processes(context: &Context, args: &ProcessesArgs) -> Result<(), Failure> {
    let world = World::open_to_read(&context.config)?;
    let stop = world::local_stop(&context.config)?;
    let (mut listed, carriers) = list(&world, &stop)?;
    if args.stop {
        let grace = world.settings(&context.config)?.policy.terminate_grace;
        for (shown, carrier) in listed.processes.iter_mut().zip(&carriers) {
            // Leaders come first, and those that follow them may have ended with them: nothing is lost by asking.
            let how = stop.stop(&carrier.attempt, &carrier.identity, grace);
            shown.stopped = Some(word(how));
        }
    }
    context.out.result(&listed, || describe(&listed))?;
    let left =
        listed.processes.iter().filter(|shown| matches!(shown.stopped, Some("still_there" | "not_verified")));
    match (args.stop, left.count()) {
        (false, _) => Ok(()),
        (true, 0) if listed.processes.is_empty() => {
            Err(Failure::new(Exit::Unchanged, "no process here carries an attempt that has moved on"))
        }
        (true, 0) => Ok(()),
        (true, left) => {
            Err(Failure::new(Exit::Failed, format!("{left} of {} processes are still there", carriers.len())))
        }
    }
}

/// The processes of this host whose attempt has moved on, leaders first.
fn list(world: &World, stop: &LocalStop) -> Result<(Listed, Vec<Carrier>), Failure> {
    let mut found = stop.carriers();
    found.sort_by_key(|carrier| !carrier.leads);
    let (mut processes, mut carriers) = (Vec::new(), Vec::new());
    let (mut not_known, mut running) = (0, 0);
    for carrier in found {
        match standing(world.store.as_ref(), &carrier.attempt)? {
            Standing::Running => running += 1,
            Standing::NotKnown => not_known += 1,
            Standing::MovedOn(to) => {
                processes.push(Shown::new(&carrier, to));
                carriers.push(carrier);
            }
        }
    }
    Ok((Listed { processes, not_known, running }, carriers))
}

impl Shown {
    fn new(carrier: &Carrier, moved_on: String) -> Self {
        let Attempt { job, fence } = carrier.attempt.clone();
        Self {
            job,
            fence,
            moved_on,
            pid: carrier.identity.pid,
            identity: carrier.identity.clone(),
            leads: carrier.leads,
            state: carrier.state,
            age_s: carrier.age.map(|age| age.as_secs()),
            command: carrier.command.clone(),
            stopped: None,
        }
    }
}

const fn word(stopped: Stopped) -> &'static str {
    match stopped {
        Stopped::WasGone => "was_gone",
        Stopped::Asked => "asked",
        Stopped::Killed => "killed",
        Stopped::StillThere => "still_there",
        Stopped::NotVerified => "not_verified",
    }
}

fn describe(listed: &Listed) -> String {
    let mut text = String::new();
    if listed.processes.is_empty() {
        text.push_str("no process here carries an attempt that has moved on\n");
    } else {
        let mut rows = table(&["job", "moved on", "pid", "state", "age", "command", "stop"]);
        for shown in &listed.processes {
            rows.add_row([
                shown.job.to_string(),
                shown.moved_on.clone(),
                shown.pid.to_string(),
                shown.state.to_string(),
                shown.age_s.map(|age| Span(Duration::from_secs(age)).to_string()).unwrap_or_default(),
                Plain { text: &shown.command, max: 60 }.to_string(),
                shown.stopped.map(words).unwrap_or_default(),
            ]);
        }
        text.push_str(&render(&rows));
    }
    if listed.not_known > 0 {
        let count = listed.not_known;
        text.push_str(&format!("{count} more: of attempts that nothing is known of here, left alone\n"));
    }
    text
}
