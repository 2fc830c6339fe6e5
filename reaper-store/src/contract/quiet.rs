//! What a store may tell so that a pass with nothing to do is a short one. A store that cannot tell passes these too.

use std::time::Duration;

use chrono::TimeDelta;
use reaper_core::{
    Breakers, Mode, NodeId, Timestamp,
    breaker::{Open, Tally},
};

use super::{
    Subject,
    load::{ago, with_exit},
    scene::{HOUR, PID, Scene, alert},
};
use crate::{
    control::{Follow, Opening},
    facts::{Upcoming, Wanted},
    foreign::{ForeignJob, JobColumn, RunColumn, When},
    nodes::{Beaten, NodeBeat},
    outbox::{Delivered, Posted, Which},
};

fn version(scene: Scene<'_>) -> Option<u64> {
    scene.store().version().expect("the database works")
}

fn upcoming(scene: Scene<'_>, until: Timestamp) -> Option<Upcoming> {
    scene.store().upcoming(until, until).expect("a read works")
}

/// Whoever writes whatever: the token is another one.
pub fn every_write_is_told(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let job = scene.running();
    let run = scene.foreign().insert_run(None, When::Null).expect("a foreign insert works");
    let store = scene.store();
    let writes: [&dyn Fn(); 7] = [
        &|| scene.set_status(&job.attempt.job, "done"),
        &|| drop(scene.insert(&ForeignJob::running(PID, 5))),
        &|| scene.update(&job.attempt.job, &[JobColumn::StartedAt(When::secs_ago(7))]),
        &|| scene.update_run(&run, &[RunColumn::ExitCode(Some(0))]),
        &|| assert_eq!(store.set_mode(Mode::Report).expect("the database works"), Mode::Enforce),
        &|| assert_eq!(store.post("k", &alert("a")).expect("the database works"), Posted::New),
        &|| drop(store.lease(&Which::Due, 1, HOUR).expect("the database works")),
    ];
    for (at, write) in writes.iter().enumerate() {
        let before = version(scene);
        write();
        assert!(before.is_none() || version(scene) != before, "write {at}");
    }
}

/// As long as nobody writes, the token stays, whatever is read.
pub fn what_was_not_written_is_not_told(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let job = scene.running();
    let before = version(scene);
    for _ in 0..3 {
        let (_read, _dump, _now) = (scene.job(&job.attempt.job), scene.dump(), scene.now());
        assert_eq!(version(scene), before);
    }
}

/// The first exit and the first beginning that are younger than the limits, and none that a load gives already.
pub fn what_time_will_bring_is_told(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    if upcoming(scene, scene.now()).is_none() {
        return;
    }
    assert_eq!(upcoming(scene, ago(scene, 1000)), Some(Upcoming::default()));
    for secs in [500, 300, 100] {
        scene.insert(&ForeignJob::running(PID, secs));
        with_exit(scene, 0, When::secs_ago(secs + 50));
    }
    scene.insert(&ForeignJob { status: "done".into(), ..ForeignJob::running(PID, 350) });
    let found = upcoming(scene, ago(scene, 400)).expect("it can be told");
    assert!(found.start.is_some_and(|at| scene.is_about(at, Duration::from_secs(300))), "{found:?}");
    assert!(found.exit.is_some_and(|at| scene.is_about(at, Duration::from_secs(350))), "{found:?}");
    assert_eq!(found.effect, None);
    assert_eq!(upcoming(scene, ago(scene, -100)), Some(Upcoming::default()), "all of them are due already");
}

/// An effect is told with the instant at which it can be delivered: at once, after its lease, after its wait, or never.
pub fn effects_on_their_way_are_told(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let effect = || upcoming(scene, scene.now()).map(|upcoming| upcoming.effect);
    if effect().is_none() {
        return;
    }
    let _posted = scene.store().post("k", &alert("a")).expect("the database works");
    assert!(effect().flatten().is_some_and(|at| at <= scene.now()), "it is due");
    let lease = || scene.store().lease(&Which::Due, 1, HOUR).expect("the database works").remove(0);
    let leased = lease();
    let in_an_hour = |at: Timestamp| scene.is_about(at - TimeDelta::hours(1), Duration::ZERO);
    assert!(effect().flatten().is_some_and(in_an_hour), "its lease holds");
    let again = |wait| Delivered::Again { problem: "no".into(), wait };
    assert!(scene.store().record(&leased, &again(Duration::ZERO)).expect("the database works"));
    assert!(effect().flatten().is_some_and(|at| at <= scene.now()), "it is due again");
    assert!(scene.store().record(&lease(), &again(HOUR)).expect("the database works"));
    assert!(effect().flatten().is_some_and(in_an_hour), "it waits");
    assert!(scene.store().discard("k").expect("the database works"));
    assert_eq!(effect(), Some(None), "it is on its way no more");
}

/// One statement says what each question by itself would.
pub fn the_outset_is_what_each_question_says(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let store = scene.store();
    let outset = || store.outset().expect("a read works");
    if outset().is_none() {
        return;
    }
    let same = |effects_due: bool| {
        let outset = outset().expect("it has one");
        assert!(scene.is_about(outset.now, Duration::ZERO));
        assert_eq!(outset.mode, store.mode().expect("a read works"));
        assert_eq!(outset.breaker, store.breaker().expect("a read works"));
        assert_eq!(outset.effects_due, effects_due);
        if let Some(mut nodes) = outset.nodes {
            nodes.sort_by(|a, b| a.node.id.cmp(&b.node.id));
            assert_eq!(nodes, store.nodes().expect("a read works"));
        }
    };
    same(false);
    let _before = store.set_mode(Mode::Report).expect("the database works");
    let tally = Tally { followed: 20, dead: 19 };
    let open = Open { since: scene.now(), seen_at: scene.now(), tally, released: true };
    store.set_breaker(&Breakers { age: Some(open), ..Breakers::default() }).expect("the database works");
    same(false);
    let _posted = store.post("k", &alert("a")).expect("the database works");
    same(true);
    let _leased = store.lease(&Which::Due, 1, HOUR).expect("the database works");
    same(false);
    for boot in ["b", "a"] {
        let id = NodeId { host: "there".into(), boot: boot.into() };
        let beat = NodeBeat { id, ttl: HOUR, reaper: "r".into() };
        assert_eq!(store.beat_node(&beat).expect("the database works"), Beaten::Up);
    }
    same(false);
}

/// A pass's first call gives what its questions and its load would give one by one, and the load is the one that was
/// asked for by what the outset says.
pub fn an_opening_is_the_outset_and_the_first_page(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let store = scene.store();
    let id = NodeId { host: "there".into(), boot: "a".into() };
    let beat = NodeBeat { id, ttl: HOUR, reaper: "r".into() };
    assert_eq!(store.beat_node(&beat).expect("the database works"), Beaten::Up);
    for secs in [500, 300, 100] {
        scene.insert(&ForeignJob::running(PID, secs));
    }
    let unasked = store.open(Follow::Nothing, &mut |_| None).expect("a read works");
    let Some(unasked) = unasked else {
        return;
    };
    assert!(unasked.page.is_none() && unasked.outset.nodes.is_none());
    assert_eq!(unasked.version, version(scene));
    let mut asked = 0;
    let opening = store.open(Follow::Nodes, &mut |outset| {
        asked += 1;
        assert!(scene.is_about(outset.now, Duration::ZERO));
        let until = outset.now - TimeDelta::seconds(200);
        let wanted = Wanted {
            exits_until: until,
            started_until: until,
            beats_until: Some(until),
            late_finishes: true,
            suspects: Vec::new(),
            here: None,
            lost: Vec::new(),
        };
        Some((wanted, 1))
    });
    let Opening { outset, page, .. } = opening.expect("a read works").expect("it can still be opened");
    assert_eq!(asked, 1);
    assert_eq!(outset.nodes.map(|nodes| nodes.len()), Some(1));
    let page = page.expect("a page was asked for");
    assert_eq!(page.rows.len(), 1, "a page has as many rows as were asked for");
    assert!(page.next.is_some(), "two are older than that");
}
