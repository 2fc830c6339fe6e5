//! `reaper demo`: a real run on a throw-away database, with real processes. Some of them are killed, some of their
//! monitors too; each orphan is settled while one watches, and at the end it is checked that nothing was done twice.

mod cast;
mod checks;
mod scenes;
mod watch;

use std::{path::Path, sync::Arc, time::Duration};

use clap::Args;
use reaper_core::{
    Mode, Pipeline, Policy,
    pipeline::{Next, Stage},
    policy::Limits,
};
use reaper_gate::{
    Probe,
    gate::{CommandGate, GateCommand},
    liveness::{LocalProbe, LocalStop, watch::local_watch},
};
use reaper_store::{
    Schema, Store,
    sqlite::{Options, SqliteStore},
};
use scenes::Scene;
use watch::Watch;

use crate::{
    Parts, Reaper, Settings, SystemTime, Time as _,
    cli::{Exit, Failure, Out, sqlite_advance},
};

/// Options of the demo.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Keep the database, and say where it is.
    #[arg(long)]
    keep: bool,
}

/// What the demo runs on: the store as the reaper sees it, and what looks at processes.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) probe: Arc<LocalProbe>,
}

/// How long everything may take before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(25);

/// The ceiling of the agent that takes too long: short, so that one can watch.
const CEILING: Duration = Duration::from_secs(1);

/// The grace of an exit.
const GRACE: Duration = Duration::from_secs(2);

pub(crate) fn demo(args: &DemoArgs, out: Out) -> Result<(), Failure> {
    let mut folder = tempfile::Builder::new()
        .prefix("reaper-demo-")
        .tempdir()
        .map_err(|error| failed("cannot make a folder for the database", &error))?;
    folder.disable_cleanup(args.keep);
    let path = folder.path().join("jobs.db");
    let store = Arc::new(SqliteStore::create_or_open(&path, Options::default())?);
    store.migrate()?;
    let probe = LocalProbe::builder().build().map_err(|error| failed("cannot tell which host this is", &error))?;
    let ground = Ground { store: Arc::<SqliteStore>::clone(&store), probe: Arc::new(probe) };
    let time = Arc::new(SystemTime::new());
    let watch = Watch::new(out, Arc::<SystemTime>::clone(&time));

    watch.say("A jobs table in SQLite, and eight jobs that a worker has taken. Real processes do the work.")?;
    let mut scenes = scenes::set(&ground)?;
    for scene in &scenes {
        watch.event(scene.job(), &scene.title)?;
    }

    watch.say("\nA reaper watches their processes, and looks every 300 ms. Now things go wrong.")?;
    let reaper = Reaper::new(parts(&ground, &path, &time, &watch)?, settings());
    let reports = watch.start(&reaper)?;
    let mut began = watch.ticks(&reports, 1)?;
    for scene in &mut scenes {
        let broken_at = time.monotonic();
        for what in scene.break_it(&ground)? {
            watch.event(scene.job(), &what)?;
        }
        watch.broke(scene.job(), broken_at);
        // What is settled at once is told at once.
        began &=
            watch.until(&reports, PATIENCE, || Ok(!scene.is_settled_at_once() || scene.is_settled(&ground)?))?;
    }

    watch.say("\nThe rest takes its time.")?;
    let all_settled = |scenes: &[Scene]| -> Result<bool, Failure> {
        for scene in scenes {
            if !scene.is_settled(&ground)? {
                return Ok(false);
            }
        }
        Ok(ground.store.undelivered(1)?.is_empty())
    };
    let in_time = watch.until(&reports, PATIENCE, || all_settled(&scenes))?;
    for scene in &mut scenes {
        if let Some(what) = scene.come_late(&ground)? {
            watch.event(scene.job(), &what)?;
        }
    }
    // Two more looks, so that whatever would be done twice has its chance.
    let more = watch.ticks(&reports, 2)?;
    reaper
        .stop(Duration::from_secs(10))
        .map_err(|error| Failure::new(Exit::Failed, format!("the reaper did not stop: {error}")))?;

    let checks = checks::all(&ground, &mut scenes, began && in_time && more)?;
    watch.close(&scenes, &ground, &checks)?;
    if args.keep {
        watch.say(&format!("\nThe database is kept: {}", path.display()))?;
    }
    if checks.iter().all(|check| check.holds) {
        Ok(())
    } else {
        Err(Failure::new(Exit::Failed, "a check of the demo does not hold"))
    }
}

fn parts(ground: &Ground, path: &Path, time: &Arc<SystemTime>, watch: &Watch) -> Result<Parts, Failure> {
    let review = GateCommand::new(["/bin/sh", "-c", "test \"$REAPER_WORK_ITEM\" != DEMO-RED"]);
    let gate = CommandGate::new([("review".to_owned(), review)])
        .map_err(|error| failed("cannot set the gate up", &error))?;
    let probe: Arc<dyn Probe> = Arc::<LocalProbe>::clone(&ground.probe);
    Ok(Parts {
        store: Arc::clone(&ground.store),
        probe,
        stop: Arc::new(LocalStop::new(ground.probe.as_ref().clone())),
        gate: Arc::new(gate),
        advance: sqlite_advance(path, Options::default().busy_timeout),
        notify: watch.as_notify(),
        leases: None,
        watch: local_watch(ground.probe.as_ref(), settings().interval).ok(),
        time: Arc::<SystemTime>::clone(time),
    })
}

fn settings() -> Settings {
    let stage = |name: &str, next: Option<(&str, &str)>, gate: Option<&str>| Stage {
        name: name.to_owned(),
        next: next.map(|(stage, agent)| Next { stage: stage.to_owned(), agent: Some(agent.to_owned()) }),
        gate: gate.map(str::to_owned),
    };
    let stages = vec![
        stage("architecture", Some(("development", "tester")), Some("review")),
        stage("development", None, None),
    ];
    let candidates = |agent: &str, stage: &str| (agent.to_owned(), vec![stage.to_owned()]);
    let pipeline =
        Pipeline::new(stages, [candidates("developer", "architecture"), candidates("tester", "development")]);
    let limits = Limits { finalize_grace: GRACE, ..Limits::default() };
    let slow = Limits { max_running: CEILING, ..limits.clone() };
    Settings {
        policy: Policy {
            limits,
            agents: [("slow".to_owned(), slow)].into(),
            pipeline: pipeline.unwrap_or_default(),
            ..Policy::default()
        },
        mode: Mode::Enforce,
        interval: Duration::from_millis(300),
        name: "demo".to_owned(),
        ..Settings::default()
    }
}

fn failed(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{what}: {error}"))
}
