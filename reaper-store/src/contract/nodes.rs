//! Nodes: their beats, a person's word that one is gone, and the attempts that run there.

use std::{collections::BTreeSet, time::Duration};

use chrono::TimeDelta;
use reaper_core::{
    Bond, JobId, NodeId, NodeState, ProcessIdentity,
    node::{Lost, LostAttempts},
};

use super::{
    Subject,
    load::{attached, here, launched},
    scene::{PID, REQUEUE, Scene, claim, nothing, process},
};
use crate::{
    attempts::{Launcher, Wants},
    facts::Wanted,
    foreign::{ForeignJob, JobColumn},
    nodes::{Beaten, Boots, NodeBeat, NodeRow},
};

const TTL: Duration = Duration::from_millis(60_500);

fn id(host: &str, boot: &str) -> NodeId {
    NodeId { host: host.into(), boot: boot.into() }
}

fn beat(scene: Scene<'_>, host: &str, boot: &str) -> Beaten {
    let beat = NodeBeat { id: id(host, boot), ttl: TTL, reaper: format!("{host}:1") };
    scene.store().beat_node(&beat).expect("a beat works")
}

fn node(scene: Scene<'_>, id: &NodeId) -> NodeRow {
    let nodes = scene.store().nodes().expect("a read works");
    nodes.into_iter().find(|row| row.node.id == *id).unwrap_or_else(|| panic!("{id} is not recorded"))
}

fn declare(scene: Scene<'_>, host: &str, boots: &Boots) -> Vec<NodeId> {
    scene.store().declare_dead(host, boots).expect("a declaration works")
}

fn actions(scene: Scene<'_>) -> Vec<String> {
    scene.events().into_iter().map(|event| format!("{} {} {}", event.by, event.action, event.reason)).collect()
}

/// From which state to which each event went.
fn ways(scene: Scene<'_>) -> Vec<(Option<String>, Option<String>)> {
    scene.events().into_iter().map(|event| (event.from, event.to)).collect()
}

fn owned((from, to): (Option<&str>, Option<&str>)) -> (Option<String>, Option<String>) {
    (from.map(Into::into), to.map(Into::into))
}

/// A beat records a node, and raises its counter by one; nobody else's.
pub fn a_beat_raises_the_counter(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    assert_eq!(scene.store().nodes().expect("a read works"), []);
    for _ in 0..3 {
        assert_eq!(beat(scene, "b", "2"), Beaten::Up);
    }
    assert_eq!(beat(scene, "a", "1"), Beaten::Up);
    let row = node(scene, &id("b", "2"));
    assert_eq!((row.node.state, row.node.beat, row.node.ttl), (NodeState::Up, 3, TTL));
    assert_eq!(row.reaper, "b:1");
    assert!(scene.is_about(row.beat_at, Duration::ZERO));
    let nodes = scene.store().nodes().expect("a read works");
    let ids: Vec<_> = nodes.into_iter().map(|row| row.node.id).collect();
    assert_eq!(ids, [id("a", "1"), id("b", "2")], "in their order");
}

/// A node that was retired is up again with its next beat. One that is not recorded is not retired.
pub fn a_retired_node_beats_again(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (a, store) = (id("a", "1"), scene.store());
    store.retire_node(&a).expect("a retirement works");
    assert_eq!(store.nodes().expect("a read works"), []);
    assert_eq!(beat(scene, "a", "1"), Beaten::Up);
    store.retire_node(&a).expect("a retirement works");
    assert_eq!((node(scene, &a).node.state, node(scene, &a).node.beat), (NodeState::Retired, 1));
    assert_eq!(beat(scene, "a", "1"), Beaten::Up);
    assert_eq!((node(scene, &a).node.state, node(scene, &a).node.beat), (NodeState::Up, 2));
}

/// A node that is declared dead is told so when it beats, and stays so until it is revived.
pub fn a_declared_node_is_told_so(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (a, store) = (id("a", "1"), scene.store());
    assert_eq!(beat(scene, "a", "1"), Beaten::Up);
    assert!(!store.revive_node(&a).expect("a revival works"), "nobody has declared it dead");
    assert_eq!(declare(scene, "a", &Boots::One("1".into())), std::slice::from_ref(&a));
    assert_eq!(declare(scene, "a", &Boots::One("1".into())), [], "it is said already");
    for _ in 0..2 {
        assert_eq!(beat(scene, "a", "1"), Beaten::DeclaredDead);
        store.retire_node(&a).expect("a retirement works");
        assert_eq!((node(scene, &a).node.state, node(scene, &a).node.beat), (NodeState::DeclaredDead, 1));
    }
    assert!(store.revive_node(&a).expect("a revival works"));
    assert!(!store.revive_node(&a).expect("a revival works"));
    assert_eq!(beat(scene, "a", "1"), Beaten::Up);
    assert_eq!(actions(scene), ["person declare_dead a/1", "reaper revive a/1"]);
    assert_eq!(ways(scene), [(Some("up"), Some("declared_dead")), (Some("declared_dead"), Some("up"))].map(owned));
}

/// A host's name alone stands for every boot of it that is recorded or that a running job names, and no other host's.
pub fn a_host_is_declared_dead_in_every_boot(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let of = |host: &str, boot: &str| ProcessIdentity { boot: boot.into(), ..process(host, 11) };
    assert_eq!(beat(scene, "a", "1"), Beaten::Up);
    assert_eq!(beat(scene, "ab", "1"), Beaten::Up);
    let _monitor = attached(scene, &of("a", "2"), None);
    let _executor = attached(scene, &of("b", "7"), Some(&of("a", "3")));
    let _other = attached(scene, &of("ab", "4"), None);
    let settled = scene.job(&attached(scene, &of("a", "5"), None));
    let _ = scene.win(&claim(&settled, REQUEUE));
    assert_eq!(declare(scene, "a", &Boots::All), [id("a", "1"), id("a", "2"), id("a", "3")]);
    assert_eq!(declare(scene, "a", &Boots::All), []);
    assert_eq!(node(scene, &id("ab", "1")).node.state, NodeState::Up);
    assert_eq!(declare(scene, "nobody", &Boots::All), []);
    let declared = ways(scene).into_iter().filter(|(_, to)| to.as_deref() == Some("declared_dead"));
    let before: Vec<_> = declared.map(|(from, _)| from).collect();
    assert_eq!(before, [Some("up".to_owned()), None, None], "of two of them nothing was recorded before");
}

/// A take stores whether its attempt is bound to its node, and nobody inherits that.
pub fn a_bond_is_the_attempts_own(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let job = scene.enqueue("developer");
    let take = |bond| {
        let launcher = Launcher { monitor: process("here", 11), bond };
        let taken = scene.store().take(&Wants::Job(job.clone()), &launcher).expect("a take works");
        taken.expect("the job is due").job
    };
    for bond in [Bond::NodeBound, Bond::NodeBound, Bond::Free, Bond::NodeBound] {
        let taken = take(bond);
        assert_eq!(taken.bond, bond);
        assert_eq!(scene.job(&job).bond, bond);
        scene.update(&job, &[JobColumn::status("queued"), JobColumn::Attempts(0)]);
    }
    let _ = take(Bond::NodeBound);
    scene.set_status(&job, "done");
    scene.set_status(&job, "running");
    assert_eq!(scene.job(&job).bond, Bond::Free, "a foreign take says nothing of a bond");
}

/// Pruning removes the nodes that have not beaten since, whatever their state, and not those that a running job names.
pub fn nodes_that_are_long_gone_are_pruned(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let of = |host: &str, boot: &str| ProcessIdentity { boot: boot.into(), ..process(host, 11) };
    for boot in ["gone", "retired", "declared", "monitor", "executor", "executo"] {
        assert_eq!(beat(scene, "a", boot), Beaten::Up);
    }
    scene.store().retire_node(&id("a", "retired")).expect("a retirement works");
    let running =
        [attached(scene, &of("a", "monitor"), None), attached(scene, &of("b", "1"), Some(&of("a", "executor")))];
    let _declared = declare(scene, "a", &Boots::One("declared".into()));
    let left = |before| {
        let removed = scene.store().prune(before).expect("the database works");
        let nodes = scene.store().nodes().expect("a read works");
        (removed, nodes.into_iter().map(|row| row.node.id.boot).collect::<Vec<_>>())
    };
    let all = ["declared", "executo", "executor", "gone", "monitor", "retired"].map(str::to_owned).to_vec();
    assert_eq!(left(scene.now() - TimeDelta::hours(1)), (0, all), "nothing is that old");
    let soon = scene.now() + TimeDelta::hours(1);
    let kept = ["executor", "monitor"].map(str::to_owned).to_vec();
    assert_eq!(
        left(soon),
        (5, kept),
        "what a running job names is kept; the declaration's event went with its node"
    );
    for job in running {
        let _ = scene.win(&claim(&scene.job(&job), REQUEUE));
    }
    assert_eq!(left(soon), (4, Vec::new()), "two events and two nodes");
    assert_eq!(beat(scene, "a", "gone"), Beaten::Up, "one that comes back is recorded anew");
    assert_eq!(node(scene, &id("a", "gone")).node.beat, 1);
}

fn bound(scene: Scene<'_>, monitor: &ProcessIdentity, executor: Option<&ProcessIdentity>) -> JobId {
    launched(scene, &Launcher { monitor: monitor.clone(), bond: Bond::NodeBound }, executor)
}

fn lost(id: NodeId, attempts: LostAttempts) -> Wanted {
    Wanted { lost: vec![Lost { host: id.host.clone(), prefix: id.prefix(), attempts }], ..nothing() }
}

/// Of a node that is silent what is bound to it is loaded, of one that is declared dead everything; each row once,
/// whatever other sets have it.
pub fn attempts_of_a_lost_node(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let of = |host: &str, boot: &str| ProcessIdentity { boot: boot.into(), ..process(host, 11) };
    let there = of("there", "1");
    let mut all = vec![
        attached(scene, &there, Some(&there)),
        attached(scene, &there, None),
        attached(scene, &of("here", "9"), Some(&there)),
    ];
    let only_bound = vec![bound(scene, &there, Some(&there)), bound(scene, &there, None)];
    all.extend(only_bound.iter().cloned());
    let _others = [
        attached(scene, &of("there", "10"), None),
        bound(scene, &of("here", "1"), None),
        scene.insert(&ForeignJob::running(PID, 100)),
    ];
    let ids = |wanted: &Wanted| {
        let loaded = scene.load_ids(wanted, 2);
        let once: BTreeSet<_> = loaded.iter().cloned().collect();
        assert_eq!(once.len(), loaded.len(), "each row once");
        once.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(ids(&lost(id("there", "1"), LostAttempts::All)), all);
    assert_eq!(ids(&lost(id("there", "1"), LostAttempts::NodeBound)), only_bound);
    assert_eq!(ids(&lost(id("the", "1"), LostAttempts::All)), []);
    let with_more = Wanted {
        suspects: vec![all[0].clone(), only_bound[0].clone()],
        lost: lost(id("there", "1"), LostAttempts::All).lost,
        ..here(true)
    };
    assert!(ids(&with_more).len() >= all.len());
}
