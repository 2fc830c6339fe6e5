//! Beats of executors that cannot be seen: their silence is a death, after its whole time and no sooner.

use std::time::Duration;

use reaper_core::{
    Attempt, Bond, Finding, Liveness, NodeId, Sighting, beat::BeatTiming, breaker::EvidenceKind, node::NodeTiming,
};
use reaper_runner::{Reaper, Settings};
use reaper_store::{
    Attempts as _, History as _, Nodes as _,
    attempts::Written,
    history::Query,
    nodes::{Beaten, NodeBeat},
};

use crate::{
    nodes::runs_on,
    world::{World, alive, here, settings},
};

/// Ticks come every 10 s.
const TICK: Duration = Duration::from_secs(10);

fn listens() -> Settings {
    let beat = BeatTiming { interval: TICK, ttl: Duration::from_secs(30) };
    Settings { beat: Some(beat), bare_pids: false, ..settings() }
}

fn unseen() -> World {
    World::new().probe(|_| Sighting::new(Liveness::Unknown, Finding::OtherHost))
}

fn there() -> NodeId {
    NodeId { host: "there".into(), boot: "1".into() }
}

fn beat(world: &World, attempt: &Attempt) {
    assert_eq!(world.store.beat(attempt).unwrap(), Written::Yes);
}

/// The tick, from 1 on, in which a job was settled; `before` comes before each.
fn settled_in(world: &World, reaper: &Reaper, attempt: &Attempt, before: impl Fn(u32)) -> Option<u32> {
    (1..=15).find(|tick| {
        before(*tick);
        assert_eq!(reaper.run_once().error, None);
        world.pass(TICK);
        world.status(&attempt.job) != "running"
    })
}

#[test]
fn a_beat_that_stops_is_a_death_after_its_time_to_live() {
    let world = unseen();
    let attempt = runs_on(&world, &there(), Bond::Free);
    let reaper = Reaper::new(world.parts(), listens());
    let beats = |tick| {
        if tick <= 3 {
            beat(&world, &attempt);
        }
    };
    // The latest beat is of 20 s. It is overdue at 40 s, read at 40, 50, 60 and 70 s, and seen dead then and at 80 s.
    assert_eq!(settled_in(&world, &reaper, &attempt, beats), Some(9));
    assert_eq!(world.status(&attempt.job), "queued");
    let events = world.store.events(&Query { job: None, since: None, limit: 9 }).unwrap();
    let finding = events.first().unwrap().evidence.pointer("/executor/finding").cloned();
    assert_eq!(finding, Some("beat_stopped".into()));
}

#[test]
fn whoever_beats_now_and_then_or_never_beat_or_is_not_judged_runs_on() {
    let world = unseen();
    let (beating, silent) = (runs_on(&world, &there(), Bond::Free), runs_on(&world, &there(), Bond::Free));
    let reaper = Reaper::new(world.parts(), listens());
    let now_and_then = |tick: u32| {
        if tick % 4 == 1 {
            beat(&world, &beating);
        }
    };
    assert_eq!(settled_in(&world, &reaper, &beating, now_and_then), None);
    assert_eq!(world.status(&silent.job), "running", "a beat that never came is no death");

    let deaf = Reaper::new(world.parts(), Settings { beat: None, ..listens() });
    assert_eq!(settled_in(&world, &deaf, &beating, |_| ()), None);
}

#[test]
fn the_kernels_word_and_another_hosts_reaper_outrank_a_beat() {
    let world = World::new().probe(|_| alive());
    let own = runs_on(&world, &here(), Bond::Free);
    beat(&world, &own);
    let reaper = Reaper::new(world.parts(), listens());
    assert_eq!(settled_in(&world, &reaper, &own, |_| ()), None);

    let world = unseen();
    let theirs = runs_on(&world, &there(), Bond::Free);
    beat(&world, &theirs);
    let node = NodeTiming { interval: TICK, ttl: Duration::from_secs(60) };
    let reaper = Reaper::new(world.parts(), Settings { node: Some(node), ..listens() });
    let its_reaper_beats = |_| {
        let beat = NodeBeat { id: there(), ttl: Duration::from_secs(60), reaper: "another".into() };
        assert_eq!(world.store.beat_node(&beat).unwrap(), Beaten::Up);
    };
    assert_eq!(settled_in(&world, &reaper, &theirs, its_reaper_beats), None);
}

#[test]
fn silence_begins_anew_after_a_jump_of_the_clock() {
    for jump in [Duration::from_secs(3600), Duration::ZERO] {
        let world = unseen();
        let attempt = runs_on(&world, &there(), Bond::Free);
        beat(&world, &attempt);
        let reaper = Reaper::new(world.parts(), listens());
        let jumps = |tick| {
            if tick == 6 {
                world.store.advance(jump);
            }
        };
        // Without a jump: read at 20, 30, 40 and 50 s, dead then and at 60 s.
        let expected = if jump.is_zero() { 7 } else { 10 };
        assert_eq!(settled_in(&world, &reaper, &attempt, jumps), Some(expected), "{jump:?}");
    }
}

#[test]
fn many_that_stop_at_once_are_not_believed_and_few_among_many_are() {
    for (others, held) in [(0, true), (20, false)] {
        let world = unseen();
        let silent: Vec<_> = (0..10).map(|_| runs_on(&world, &there(), Bond::Free)).collect();
        let beating: Vec<_> = (0..others).map(|_| runs_on(&world, &there(), Bond::Free)).collect();
        silent.iter().for_each(|attempt| beat(&world, attempt));
        let reaper = Reaper::new(world.parts(), listens());
        for _ in 0..8 {
            beating.iter().for_each(|attempt| beat(&world, attempt));
            let report = reaper.run_once();
            assert_eq!(report.error, None);
            let open = report.breaker.open.contains_key(&EvidenceKind::Beat);
            assert!(held || !open, "{:?}", report.breaker);
            world.pass(TICK);
        }
        let expected = if held { "running" } else { "queued" };
        assert!(silent.iter().all(|attempt| world.status(&attempt.job) == expected), "{others} beat");
        assert!(beating.iter().all(|attempt| world.status(&attempt.job) == "running"));
    }
}
