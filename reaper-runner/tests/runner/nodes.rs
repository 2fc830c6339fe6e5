//! Other hosts: their silence, a person's word about them, and this one coming back.

use std::{sync::mpsc, time::Duration};

use reaper_core::{Attempt, Bond, JobId, NodeId, NodeState, ProcessIdentity, node::NodeTiming};
use reaper_runner::{Reaper, Settings};
use reaper_store::{
    Attempts as _, Claims as _, History as _, Nodes as _,
    attempts::{Enqueued, Launcher, NewJob, Wants, Written},
    history::Query,
    nodes::{Beaten, Boots, NodeBeat},
};

use crate::world::{World, here, settings, wait_for};

const TTL: Duration = Duration::from_secs(30);

fn follows() -> Settings {
    let node = NodeTiming { interval: Duration::from_secs(10), ttl: TTL };
    Settings { node: Some(node), ..settings() }
}

fn beat(world: &World, id: &NodeId) {
    let beat = NodeBeat { id: id.clone(), ttl: TTL, reaper: "another".into() };
    assert_eq!(world.store.beat_node(&beat).unwrap(), Beaten::Up);
}

fn node(host: &str, boot: &str) -> NodeId {
    NodeId { host: host.into(), boot: boot.into() }
}

fn process(id: &NodeId) -> ProcessIdentity {
    format!("{id}/1/77/5/9").parse().unwrap()
}

/// An attempt that runs on a node.
pub(crate) fn runs_on(world: &World, id: &NodeId, bond: Bond) -> Attempt {
    let job = NewJob {
        agent: "developer".into(),
        repo: "shop".into(),
        task: None,
        max_attempts: 3,
        source_key: None,
        payload: None,
    };
    let Enqueued::New(job) = world.store.enqueue(&job).unwrap() else { panic!("it has no source key") };
    let launcher = Launcher { monitor: process(id), bond };
    let taken = world.store.take(&Wants::Job(job), &launcher).unwrap().unwrap();
    let attempt = taken.job.attempt;
    assert_eq!(world.store.attach(&attempt, &process(id)).unwrap(), Written::Yes);
    attempt
}

/// What a probe of `here` says of processes that are not its own.
fn stranger() -> reaper_core::Sighting {
    reaper_core::Sighting::new(reaper_core::Liveness::Unknown, reaper_core::Finding::OtherHost)
}

fn statuses(world: &World, jobs: &[&JobId]) -> Vec<String> {
    jobs.iter().map(|job| world.status(job)).collect()
}

#[test]
fn what_is_bound_to_a_silent_node_is_settled_and_nothing_else() {
    let world = World::new().probe(|_| stranger());
    let there = node("there", "1");
    beat(&world, &there);
    let (bound, free) = (runs_on(&world, &there, Bond::NodeBound), runs_on(&world, &there, Bond::Free));
    let reaper = Reaper::new(world.parts(), follows());
    let mut settled_after = 0;
    for tick in 1..=8 {
        assert_eq!(reaper.run_once().error, None);
        if world.status(&bound.job) == "queued" && settled_after == 0 {
            settled_after = tick;
        }
        world.pass(Duration::from_secs(10));
    }
    // Read at 0, 10, 20 and 30 s: silent. Seen dead in the ticks at 30 and 40 s.
    assert_eq!(settled_after, 5);
    assert_eq!(statuses(&world, &[&bound.job, &free.job]), ["queued", "running"]);
}

#[test]
fn a_node_that_beats_now_and_then_loses_nothing() {
    let world = World::new().probe(|_| stranger());
    let there = node("there", "1");
    let bound = runs_on(&world, &there, Bond::NodeBound);
    let reaper = Reaper::new(world.parts(), follows());
    for tick in 0..12 {
        if tick % 3 == 0 {
            beat(&world, &there);
        }
        assert_eq!(reaper.run_once().won().count(), 0);
        world.pass(Duration::from_secs(10));
    }
    world.store.retire_node(&there).unwrap();
    for _ in 0..8 {
        assert_eq!(reaper.run_once().won().count(), 0, "a retired node's silence says nothing");
        world.pass(Duration::from_secs(10));
    }
    assert_eq!(world.status(&bound.job), "running");
}

#[test]
fn a_persons_word_settles_what_ran_there_in_one_tick() {
    let world = World::new().probe(|_| stranger());
    let (there, other) = (node("there", "1"), node("other", "1"));
    let on = [runs_on(&world, &there, Bond::NodeBound), runs_on(&world, &there, Bond::Free)];
    let elsewhere = runs_on(&world, &other, Bond::Free);
    assert_eq!(world.store.declare_dead("there", &Boots::All).unwrap(), [there]);
    let report = Reaper::new(world.parts(), follows()).run_once();
    assert_eq!(report.won().count(), 2);
    assert_eq!(statuses(&world, &[&on[0].job, &on[1].job, &elsewhere.job]), ["queued", "queued", "running"]);
}

#[test]
fn nobody_is_believed_lost_where_nodes_are_not_followed() {
    let world = World::new().probe(|_| stranger());
    let there = node("there", "1");
    let bound = runs_on(&world, &there, Bond::NodeBound);
    assert_eq!(world.store.declare_dead("there", &Boots::All).unwrap().len(), 1);
    assert_eq!(Reaper::new(world.parts(), settings()).run_once().won().count(), 0);
    assert_eq!(world.status(&bound.job), "running");
}

#[test]
fn two_machines_with_one_name_are_told_of_and_settle_nothing_of_each_other() {
    // The probe takes the other boot's processes for dead, as after a reboot.
    let world = World::new();
    let double = node("here", "other");
    let theirs = runs_on(&world, &double, Bond::Free);
    let reaper = Reaper::new(world.parts(), follows());
    for _ in 0..4 {
        beat(&world, &double);
        assert_eq!(reaper.run_once().won().count(), 0);
        world.pass(Duration::from_secs(10));
    }
    assert_eq!(world.status(&theirs.job), "running");
    assert_eq!(world.alerts.kinds(), ["host_shared"], "once");
    // It stops beating: it was a boot of this machine after all.
    for _ in 0..5 {
        let _report = reaper.run_once();
        world.pass(Duration::from_secs(10));
    }
    assert_eq!(world.status(&theirs.job), "queued");
}

#[test]
fn a_loop_beats_and_is_retired_when_it_stops() {
    let world = World::new();
    let reaper = Reaper::new(world.parts(), follows());
    let (passed, reports) = mpsc::channel();
    reaper.start_with(move |_| passed.send(()).unwrap_or_default()).unwrap();
    wait_for(&reports, || !world.store.nodes().unwrap().is_empty());
    let row = world.store.nodes().unwrap().remove(0).node;
    assert_eq!((row.id, row.state, row.ttl), (here(), NodeState::Up, TTL));
    reaper.stop(Duration::from_secs(10)).unwrap();
    assert_eq!(world.store.nodes().unwrap()[0].node.state, NodeState::Retired);
}

#[test]
fn a_node_that_was_declared_dead_stops_what_has_moved_on_and_comes_back() {
    let mut world = World::new().probe(|_| crate::world::alive());
    beat(&world, &here());
    let [moved, still, done] = [0; 3].map(|_| runs_on(&world, &here(), Bond::Free));
    assert_eq!(world.store.declare_dead("here", &Boots::All).unwrap(), [here()]);
    // Meanwhile others have settled two of them, and one was taken again.
    for attempt in [&moved, &done] {
        let row = reaper_store::Facts::job(&*world.store, &attempt.job).unwrap().unwrap().unwrap();
        let claim = reaper_store::Claim {
            event: reaper_store::claims::EventId::draw(),
            attempt: row.attempt.clone(),
            basis: row.basis(),
            settlement: reaper_store::Settlement::Done,
            by: reaper_store::claims::Actor::Person,
            rule: String::new(),
            reason: String::new(),
            evidence: serde_json::Value::Null,
            death: None,
            effect: None,
        };
        assert_eq!(world.store.settle(&[claim]).unwrap(), [reaper_store::Outcome::Won]);
    }
    let unknown = Attempt { job: 4711.into(), fence: 1.into() };
    world.executors =
        [&moved, &still, &done, &unknown].map(|attempt| (attempt.clone(), process(&here()))).to_vec();
    let reaper = Reaper::new(world.parts(), follows());
    let (passed, reports) = mpsc::channel();
    reaper.start_with(move |_| passed.send(()).unwrap_or_default()).unwrap();
    wait_for(&reports, || world.store.nodes().unwrap()[0].node.state == NodeState::Up);
    reaper.stop(Duration::from_secs(10)).unwrap();
    assert_eq!(
        *world.stopped.lock().unwrap(),
        [moved, done],
        "neither what still runs nor what is not known here"
    );
    assert_eq!(world.status(&still.job), "running");
    let events = world.store.events(&Query { limit: 100, ..Query::default() }).unwrap();
    let actions: Vec<_> = events.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(actions.last(), Some(&"revive"));
}
