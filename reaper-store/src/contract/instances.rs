//! Instances: what a registration supersedes, and the attempts of the places before.

use std::collections::BTreeSet;

use reaper_core::{
    Incarnation, JobId, ProcessIdentity,
    instance::Place,
    node::{Lost, LostAttempts},
};

use super::{
    Subject,
    load::attached,
    scene::{REQUEUE, Scene, claim, nothing, process},
};
use crate::facts::Wanted;

fn place(pid_namespace: u64) -> Place {
    Place { host: "a".into(), boot: "1".into(), pid_namespace }
}

fn of(place: &Place, pid: u32) -> ProcessIdentity {
    ProcessIdentity {
        boot: place.boot.clone(),
        pid_namespace: Some(place.pid_namespace),
        ..process(&place.host, pid)
    }
}

fn register(scene: Scene<'_>, instance: &str, place: &Place) {
    scene.store().register(instance, place).expect("a registration works");
}

fn all(scene: Scene<'_>) -> Vec<Incarnation> {
    scene.store().incarnations().expect("a read works")
}

/// Which places an instance has, and whether each is superseded.
fn places(scene: Scene<'_>, instance: &str) -> Vec<(Place, bool)> {
    let mine = all(scene).into_iter().filter(|incarnation| incarnation.instance == instance);
    let places = mine.map(|incarnation| (incarnation.place, incarnation.superseded_at.is_some()));
    places.collect::<BTreeSet<_>>().into_iter().collect()
}

fn actions(scene: Scene<'_>) -> Vec<String> {
    scene.events().into_iter().map(|event| format!("{} {} {}", event.by, event.action, event.reason)).collect()
}

/// The place that is registered last is the latest, and those before it are superseded from that instant on.
pub fn a_registration_supersedes_the_one_before(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    assert_eq!(all(scene), []);
    register(scene, "web", &place(5));
    assert_eq!(places(scene, "web"), [(place(5), false)]);
    register(scene, "web", &place(6));
    assert_eq!(places(scene, "web"), [(place(5), true), (place(6), false)]);
    for incarnation in all(scene) {
        assert!(scene.is_about(incarnation.at, std::time::Duration::ZERO));
        assert!(incarnation.superseded_at.is_none_or(|at| scene.is_about(at, std::time::Duration::ZERO)));
    }
    assert_eq!(actions(scene), ["reaper supersede web: a/1/5"]);
}

/// Whoever registers where it is registered changes nothing.
pub fn a_registration_again_is_nothing_new(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    register(scene, "web", &place(5));
    let before = all(scene);
    register(scene, "web", &place(5));
    assert_eq!(all(scene), before);
    assert_eq!(actions(scene), [""; 0]);
}

/// Another instance is another container.
pub fn another_instance_is_let_be(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    register(scene, "web", &place(5));
    register(scene, "mail", &place(6));
    assert_eq!(places(scene, "web"), [(place(5), false)]);
    assert_eq!(places(scene, "mail"), [(place(6), false)]);
}

/// A namespace's inode that comes back is another namespace: the place is its new owner's.
pub fn a_place_that_comes_back_is_its_new_owners(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let named = attached(scene, &of(&place(5), 7), None);
    register(scene, "web", &place(5));
    register(scene, "web", &place(6));
    register(scene, "mail", &place(5));
    assert_eq!(places(scene, "web"), [(place(6), false)]);
    assert_eq!(places(scene, "mail"), [(place(5), false)]);
    register(scene, "web", &place(7));
    register(scene, "web", &place(6));
    assert_eq!(
        places(scene, "web"),
        [(place(6), false), (place(7), true)],
        "an instance may come back to one, too"
    );
    assert!(scene.job(&named).exit.is_none());
}

/// A superseded place is kept while a running job names it, and forgotten with a later registration.
pub fn what_no_running_job_names_is_forgotten(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let executor = attached(scene, &of(&place(9), 1), Some(&of(&place(5), 7)));
    let monitor = attached(scene, &of(&place(6), 8), None);
    let _other = attached(scene, &of(&place(77), 8), None);
    for inode in 4..=7 {
        register(scene, "web", &place(inode));
    }
    register(scene, "web", &place(8));
    let superseded = |inodes: &[u64]| {
        let superseded = inodes.iter().map(|inode| (place(*inode), true));
        superseded.chain([(place(8), false)]).collect::<Vec<_>>()
    };
    assert_eq!(places(scene, "web"), superseded(&[5, 6, 7]), "the one before is kept for one registration");
    for job in [executor, monitor] {
        let _ = scene.win(&claim(&scene.job(&job), REQUEUE));
    }
    register(scene, "web", &place(8));
    assert_eq!(places(scene, "web"), superseded(&[]));
}

/// What is noted of a place only grows, and is nobody's any more once the place is registered anew.
pub fn what_a_reaper_has_seen_is_noted_of_its_place(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let note = |place: &Place, start| scene.store().note_start(place, start).expect("a note works");
    let noted = || all(scene).into_iter().map(|seen| (seen.place, seen.seen_start)).collect::<Vec<_>>();
    note(&place(5), 40);
    assert_eq!(noted(), [], "nobody is registered there");
    register(scene, "web", &place(5));
    assert_eq!(noted(), [(place(5), None)]);
    for (start, then) in [(40, 40), (39, 40), (41, 41)] {
        note(&place(5), start);
        assert_eq!(noted(), [(place(5), Some(then))], "after {start}");
    }
    register(scene, "web", &place(5));
    assert_eq!(noted(), [(place(5), Some(41))], "the same again");
    register(scene, "web", &place(6));
    note(&place(6), 50);
    let of_both: BTreeSet<_> = noted().into_iter().collect();
    assert_eq!(of_both, BTreeSet::from([(place(5), Some(41)), (place(6), Some(50))]));
    register(scene, "mail", &place(5));
    register(scene, "web", &place(5));
    let again: BTreeSet<_> = noted().into_iter().collect();
    assert!(again.contains(&(place(5), None)), "another container had it meanwhile: {again:?}");
}

/// What runs, or is watched, at a place is loaded by it; another namespace of the same boot is not.
pub fn attempts_of_a_place(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let there = place(5);
    let mut mine = vec![
        attached(scene, &of(&there, 7), Some(&of(&there, 8))),
        attached(scene, &of(&there, 7), None),
        attached(scene, &of(&place(6), 7), Some(&of(&there, 8))),
    ];
    let _others = [attached(scene, &of(&place(55), 7), None), attached(scene, &of(&place(6), 7), None)];
    let lost = Lost { host: there.host.clone(), prefix: there.prefix(), attempts: LostAttempts::All };
    let mut loaded: Vec<JobId> = scene.load_ids(&Wanted { lost: vec![lost], ..nothing() }, 2);
    loaded.sort_unstable();
    mine.sort_unstable();
    assert_eq!(loaded, mine);
}
