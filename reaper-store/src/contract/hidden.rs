//! What a load must never do: hide a row on which `decide` would act.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::TimeDelta;
use reaper_core::{
    Bond, Certainty, Clock, Finding, JobId, JobSnapshot, Liveness, Node, NodeId, NodeObservations, NodeState,
    Observation, Policy, ProcessIdentity, Sighting,
    beat::{BeatTiming, Beating},
    decide,
    policy::Limits,
};

use super::{
    SLACK, Subject,
    load::launched,
    scene::{HOUR, PID, Scene, process},
};
use crate::{
    attempts::Launcher,
    facts::{Here, Wanted},
    foreign::{ForeignJob, JobColumn, RunColumn, When},
};

/// What a pass loads hides no row on which `decide` would act: rows of all kinds, under policies and at times of all
/// kinds, from a fixed seed.
pub fn no_row_is_hidden_on_which_decide_would_act(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let mut dice = fastrand::Rng::with_seed(20_260_504);
    let jobs: Vec<_> = (0..150).map(|_| random_job(scene, &mut dice)).collect();
    let rows: Vec<_> = jobs.iter().map(|job| scene.job(job)).collect();
    let (here, nodes) = (NodeId::of(&process("here", 11)), nodes());
    let mut policy = Policy::default();
    policy.limits.start_timeout = Some(HOUR);
    let mut timing = None;
    let mut stopped = 0;
    let mut clock = Clock::at(scene.now());
    for round in 0..25 {
        let wanted = Wanted {
            exits_until: clock.latest_with(policy.shortest_grace()),
            started_until: clock.latest_with(policy.shortest_running()),
            beats_until: timing.as_ref().map(|timing: &BeatTiming| clock.latest_with(timing.overdue())),
            late_finishes: true,
            suspects: Vec::new(),
            here: Some(Here { host: "here".into(), bare_pids: true, since: None }),
            lost: nodes.lost(&here),
        };
        let loaded: BTreeSet<_> = scene.load_ids(&wanted, dice.usize(1..40)).into_iter().collect();
        let mut acted = 0;
        for row in &rows {
            let seen = silent(row, worst(row, &here, &nodes), &clock, timing.as_ref());
            let decision = decide(row, &seen, &clock, &policy);
            if decision.action.is_claim() || decision.action.as_str() == "ask_gate" {
                acted += 1;
                stopped += usize::from(seen.executor.finding == Finding::BeatStopped);
                assert!(
                    loaded.contains(&row.attempt.job),
                    "{decision:?} about {row:?} by {policy:?} at {clock:?}"
                );
            }
        }
        assert!(round > 0 || acted > 20, "the rows are of all kinds: {acted} of 150 are acted on");
        policy = random_policy(&mut dice);
        timing = dice.bool().then(|| {
            let interval = Duration::from_secs(dice.u64(1..4_000));
            BeatTiming { interval, ttl: interval.saturating_mul(dice.u32(3..6)) }
        });
        let shift = TimeDelta::seconds(dice.i64(-20_000..20_000));
        clock = Clock::at(scene.now() + shift);
        if dice.bool() {
            // The database's clock went on by another amount than the monotonic one.
            let before = clock.now - TimeDelta::seconds(dice.i64(0..5_000));
            let _jump = clock.jumps.note(before, clock.now, Duration::from_secs(dice.u64(0..9_000)), SLACK);
        }
    }
    assert!(stopped > 20, "silence is acted on: {stopped}");
}

/// Figures that meet the ages of the rows: on them, beside them, and none at all.
fn random_policy(dice: &mut fastrand::Rng) -> Policy {
    let limits = |dice: &mut fastrand::Rng| {
        let mut secs = |of: &[u64]| Duration::from_secs(dice.choice(of).copied().unwrap_or(0));
        Limits {
            finalize_grace: secs(&[0, 10, 300, 3_000]),
            max_running: secs(&[1, 400, 3_600, 21_600]),
            start_timeout: Some(secs(&[0, 200, 3_600])).filter(|timeout| !timeout.is_zero()),
            ..Limits::default()
        }
    };
    Policy {
        limits: limits(dice),
        agents: if dice.bool() { [("developer".to_owned(), limits(dice))].into() } else { BTreeMap::new() },
        ..Policy::default()
    }
}

fn random_job(scene: Scene<'_>, dice: &mut fastrand::Rng) -> JobId {
    let when = |dice: &mut fastrand::Rng| match dice.u8(0..6) {
        0 => When::Null,
        1 => When::Ahead(HOUR),
        2 => When::Unreadable,
        _ => When::secs_ago(dice.choice([10, 200, 400, 3000, 4000, 20_000, 30_000]).unwrap_or(10)),
    };
    let job = if dice.bool() {
        let hosts = ["here", "there", "silent", "declared"].map(|host| process(host, 11));
        let executor = dice.bool().then(|| &hosts[dice.usize(0..hosts.len())]);
        let bond = if dice.bool() { Bond::NodeBound } else { Bond::Free };
        launched(scene, &Launcher { monitor: hosts[dice.usize(0..hosts.len())].clone(), bond }, executor)
    } else {
        let status = dice.choice(["queued", "running", "running", "running", "done"]).unwrap_or("running");
        scene.insert(&ForeignJob {
            status: status.into(),
            pid: dice.bool().then_some(PID),
            started_at: when(dice),
            ..ForeignJob::running(PID, 0)
        })
    };
    if dice.bool() {
        let run = scene.foreign().insert_run(None, When::Null).expect("a foreign insert works");
        scene.update(&job, &[JobColumn::Run(Some(run.clone()))]);
        if dice.u8(0..4) == 0 {
            scene.set_status(&job, "queued");
        }
        if dice.bool() {
            let code = dice.choice([0, 0, 1]);
            scene.update_run(&run, &[RunColumn::ExitCode(code), RunColumn::FinishedAt(when(dice))]);
        }
    }
    if dice.u8(0..4) == 0 {
        scene.update(&job, &[JobColumn::StartedAt(when(dice))]);
    }
    if dice.u8(0..6) == 0 {
        scene.set_status(&job, "queued");
        scene.set_status(&job, "running");
    }
    if dice.bool()
        && let Ok(Some(Ok(row))) = scene.store().job(&job)
    {
        // It may not run.
        let _written = scene.store().beat(&row.attempt).expect("the database works");
    }
    job
}

/// What is known of the nodes: one is silent, one is declared dead.
fn nodes() -> NodeObservations {
    let node = |host, state| Node { id: NodeId::of(&process(host, 11)), state, beat: 1, ttl: HOUR };
    let mut nodes = NodeObservations::default();
    for hours in 0..reaper_core::node::READS {
        let rows = vec![node("silent", NodeState::Up), node("declared", NodeState::DeclaredDead)];
        nodes.read(rows, HOUR.saturating_mul(hours));
    }
    nodes
}

/// The most that can have been made of its beat: it was read all the time since, and has stopped.
fn silent(row: &JobSnapshot, seen: Observation, clock: &Clock, timing: Option<&BeatTiming>) -> Observation {
    let is_over = |timing: &BeatTiming| row.beat.is_some_and(|beat| clock.age(beat.at) >= timing.ttl);
    if !timing.is_some_and(is_over) {
        return seen;
    }
    Observation { executor: Beating::Stopped.judge(seen.executor), ..seen }
}

/// The most that this host's reaper can have seen: whatever is its own to probe is dead.
fn worst(row: &JobSnapshot, here: &NodeId, nodes: &NodeObservations) -> Observation {
    let see = |process: &Option<ProcessIdentity>, bare: bool| match process {
        Some(process) if process.host == "here" => {
            Sighting::new(Liveness::Dead(Certainty::Verified), Finding::NoSuchProcess)
        }
        Some(process) => nodes.judge(here, process, row.bond, Sighting::NOTHING_RECORDED),
        None if bare => Sighting::new(Liveness::Dead(Certainty::Unverified), Finding::NoSuchProcess),
        None => Sighting::NOTHING_RECORDED,
    };
    Observation {
        executor: see(&row.executor, row.pid.is_some()),
        monitor: see(&row.monitor, false),
        dead_ticks: 2,
        ..Observation::NONE
    }
}
