//! `reaper run`: the loop, until TERM or INT.

use std::{
    path::Path,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

#[cfg(unix)]
use reaper_gate::liveness::watch::raise_descriptor_limit;
use reaper_gate::{Watch, liveness::watch::local_watch};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals as Caught,
};

use super::{
    Context, Exit, Failure,
    database::Database,
    held::Held,
    passes,
    world::{self, World},
};
use crate::{Parts, Reaper, config::sqlite_path};

/// How long a pass may take to end after a signal, before the program says that it still waits.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn run(context: &Context) -> Result<(), Failure> {
    let signals = Signals::catch()?;
    // Hosts and their database start in any order. Other commands fail at once and say why.
    if !Database::named(&context.config)?.wait(&context.config, |pause| signals.wait(pause))? {
        return Ok(());
    }
    let world = World::open_up_to_date(&context.config)?;
    let _instance = held(context)?;
    let parts = Parts { watch: watch(context)?, ..world.parts(&context.config)? };
    let reaper = Reaper::new(parts, world.settings(&context.config)?);
    let out = context.out;
    let (broken, output_broken) = mpsc::channel();
    reaper
        .start_with(move |report| {
            let quiet = report.settled.is_empty() && report.error.is_none() && report.failures.is_empty();
            if quiet && !out.is_json() {
                return;
            }
            let heading = passes::at(report.at);
            if let Err(failure) = out.result(report, || passes::describe(out, report, heading)) {
                // The loop goes on until the program ends it.
                broken.send(failure).ok();
            }
        })
        .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    tracing::info!(interval_ms = context.config.interval.as_millis(), mode = %context.config.mode, "running");

    let mut ended = Ok(());
    while !signals.wait(Duration::from_millis(500)) {
        if let Ok(failure) = output_broken.try_recv() {
            ended = Err(failure);
            break;
        }
        if !reaper.is_running() {
            ended = Err(Failure::new(Exit::Failed, "the loop has ended by itself, which the log says why"));
            break;
        }
    }
    while let Err(still) = reaper.stop(PATIENCE) {
        tracing::warn!(waited_ms = still.waited_ms, "still in a pass; a second signal ends the program at once");
    }
    ended
}

/// Holds the instance's name, where there is one and the database is a file.
fn held(context: &Context) -> Result<Option<Held>, Failure> {
    let config = &context.config;
    let (Some(instance), Some(url)) = (&config.instance, config.database_url.as_deref()) else {
        return Ok(None);
    };
    if config.is_on_postgres() {
        return Ok(None);
    }
    let held = Held::beside(Path::new(sqlite_path(url)), instance);
    held.map(Some).map_err(|error| Failure::new(Exit::Failed, error.to_string()))
}

/// What tells of deaths, with room for as many processes as this program may hold. Where there is none, it says so, and
/// everything is probed in turn.
fn watch(context: &Context) -> Result<Option<Arc<dyn Watch>>, Failure> {
    #[cfg(unix)]
    {
        let limit = raise_descriptor_limit();
        tracing::debug!(before = ?limit.before, now = ?limit.now, "the limit on open files");
    }
    let watch = local_watch(&world::local_probe(&context.config)?, POLLED_EVERY.min(context.config.interval));
    Ok(watch.inspect_err(|error| tracing::error!(%error, "no watch: all processes are probed in turn")).ok())
}

/// How often processes are looked at where the kernel tells of no death by itself.
const POLLED_EVERY: Duration = Duration::from_secs(1);

/// TERM and INT, caught. A second one ends the program at once, as if it were not caught.
#[derive(Debug)]
pub(super) struct Signals {
    caught: Receiver<i32>,
}

impl Signals {
    pub(super) fn catch() -> Result<Self, Failure> {
        let fail = |error: std::io::Error| Failure::new(Exit::Failed, format!("cannot catch signals: {error}"));
        let mut signals = Caught::new([SIGINT, SIGTERM]).map_err(fail)?;
        let (sender, caught) = mpsc::channel();
        let wait = move || {
            let mut seen = false;
            for signal in signals.forever() {
                if seen {
                    // It ends the process; where it cannot, the first signal is still being answered.
                    signal_hook::low_level::emulate_default_handler(signal).ok();
                }
                seen = true;
                sender.send(signal).ok();
            }
        };
        thread::Builder::new().name("reaper-signals".into()).spawn(wait).map_err(fail)?;
        Ok(Self { caught })
    }

    /// Waits for a signal, at most so long. `true`: one came.
    pub(super) fn wait(&self, timeout: Duration) -> bool {
        match self.caught.recv_timeout(timeout) {
            Ok(_) | Err(RecvTimeoutError::Disconnected) => true,
            Err(RecvTimeoutError::Timeout) => false,
        }
    }
}
