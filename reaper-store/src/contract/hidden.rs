//! What a load must never do: hide a row on which `decide` would act.

use reaper_core::{
    Bond, Certainty, Clock, Finding, JobId, JobSnapshot, Liveness, Node, NodeId, NodeObservations, NodeState,
    Observation, Policy, ProcessIdentity, Sighting, decide,
};

use super::{
    Subject,
    load::launched,
    scene::{HOUR, PID, Scene, process},
};
use crate::{
    attempts::Launcher,
    facts::{Here, Wanted},
    foreign::{ForeignJob, JobColumn, RunColumn, When},
};

/// What a pass loads hides no row on which `decide` would act: rows of all kinds, from a fixed seed.
pub fn no_row_is_hidden_on_which_decide_would_act(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let mut dice = fastrand::Rng::with_seed(20_260_504);
    let jobs: Vec<_> = (0..150).map(|_| random_job(scene, &mut dice)).collect();
    let mut policy = Policy::default();
    policy.limits.start_timeout = Some(HOUR);
    let clock = Clock::at(scene.now());
    let (here, nodes) = (NodeId::of(&process("here", 11)), nodes());
    let wanted = Wanted {
        exits_until: clock.latest_with(policy.shortest_grace()),
        started_until: clock.latest_with(policy.shortest_running()),
        late_finishes: true,
        suspects: Vec::new(),
        here: Some(Here { host: "here".into(), bare_pids: true }),
        lost: nodes.lost(&here),
    };
    let loaded = scene.load_ids(&wanted, 7);
    let mut acted = 0;
    for job in jobs {
        let row = scene.job(&job);
        let decision = decide(&row, &worst(&row, &here, &nodes), &clock, &policy);
        if decision.action.is_claim() || decision.action.as_str() == "ask_gate" {
            acted += 1;
            assert!(loaded.contains(&job), "{decision:?} about {row:?}");
        }
    }
    assert!(acted > 20, "the rows are of all kinds: {acted} of 150 are acted on");
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
        verdict: None,
    }
}
