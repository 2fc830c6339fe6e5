//! Exits that are recorded on the word of a witness.

use reaper_core::{Attempt, Fence, Mode};

use super::{
    Subject,
    scene::{PID, REQUEUE, Scene, claim},
};
use crate::{
    Settlement,
    attempts::{Recorded, Testified, WitnessedExit},
    foreign::{ForeignJob, When},
};

fn witnessed(attempt: &Attempt, code: i32) -> WitnessedExit {
    WitnessedExit { attempt: attempt.clone(), code, witness: "the pidfd of here:77".into() }
}

fn record(scene: Scene<'_>, exits: &[WitnessedExit]) -> Vec<Testified> {
    scene.store().record_witnessed(exits).expect("the database works")
}

/// It shows on the job's row like any exit, stands in the run, and has an event that names the witness.
pub fn a_witnessed_exit_is_recorded(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (one, other) = (scene.taken(), scene.taken());
    let exits = [witnessed(&other.job.attempt, -9), witnessed(&one.job.attempt, 0)];
    assert_eq!(record(scene, &exits), [const { Testified::Recorded }; 2]);
    for (taken, code) in [(&one, 0), (&other, -9)] {
        let row = scene.job(&taken.job.attempt.job);
        let exit = row.exit.expect("it is mirrored");
        assert_eq!(exit.code, code);
        assert!(scene.is_about(exit.at, std::time::Duration::ZERO));
        assert_eq!(scene.foreign().exit_code(&taken.run).expect("the run is there"), Some(code));
        assert!(scene.win(&claim(&row, Settlement::Done)).attempt == row.attempt, "it is a basis like any other");
    }
    let events = scene.events();
    let told: Vec<_> = events.iter().filter(|event| event.action == "exit").collect();
    assert_eq!(told.len(), 2);
    for event in told {
        let code = if event.job == Some(one.job.attempt.job.clone()) { 0 } else { -9 };
        assert_eq!(event.reason, format!("exit {code}, witnessed by the pidfd of here:77"));
        assert_eq!(
            (event.by.as_str(), event.from.as_deref(), event.to.as_deref()),
            ("reaper", Some("running"), Some("running"))
        );
        assert_eq!(event.evidence["code"], code);
    }
}

/// Whose exit is known has that one, whoever told it; and the monitor that comes after a witness learns so.
pub fn a_known_exit_stands_against_a_witness(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (told, untold) = (scene.taken(), scene.taken());
    assert_eq!(scene.store().record_exit(&told.run, 3).expect("the database works"), Recorded::New);
    let exits = [witnessed(&told.job.attempt, 0), witnessed(&untold.job.attempt, 0)];
    assert_eq!(record(scene, &exits), [Testified::NotOpen, Testified::Recorded]);
    assert_eq!(record(scene, &exits), [const { Testified::NotOpen }; 2]);
    assert_eq!(scene.job(&told.job.attempt.job).exit.map(|exit| exit.code), Some(3));
    assert_eq!(scene.store().record_exit(&untold.run, 5).expect("the database works"), Recorded::Known);
    assert_eq!(scene.job(&untold.job.attempt.job).exit.map(|exit| exit.code), Some(0));
}

/// A witness of one attempt says nothing of another, nor of one that has moved on.
pub fn a_witness_is_bound_by_the_fence(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let taken = scene.taken();
    let before = scene.dump();
    let other = Attempt { fence: Fence::from(1), ..taken.job.attempt.clone() };
    let gone = Attempt { job: 9_999.into(), ..taken.job.attempt.clone() };
    assert_eq!(record(scene, &[witnessed(&other, 0), witnessed(&gone, 0)]), [const { Testified::NotOpen }; 2]);
    assert_eq!(scene.dump(), before);
    let _requeued = scene.win(&claim(&taken.job, REQUEUE));
    assert_eq!(record(scene, &[witnessed(&taken.job.attempt, 0)]), [Testified::NotOpen]);
    let again = scene.take(&taken.job.attempt.job);
    assert_eq!(record(scene, &[witnessed(&taken.job.attempt, 0)]), [Testified::NotOpen]);
    assert_eq!(scene.job(&again.job.attempt.job).exit, None);
}

/// An attempt without a run, or with one that was another's, has nowhere to keep an exit.
pub fn a_witness_of_an_attempt_without_a_run(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let without = scene.running();
    let run = scene.foreign().insert_run(None, When::Null).expect("a foreign insert works");
    let inherited = scene.insert(&ForeignJob { run: Some(run.clone()), ..ForeignJob::running(PID, 10) });
    scene.set_status(&inherited, "queued");
    scene.set_status(&inherited, "running");
    let inherited = scene.job(&inherited);
    assert_eq!(inherited.run, None);
    let exits = [witnessed(&without.attempt, 0), witnessed(&inherited.attempt, 0)];
    assert_eq!(record(scene, &exits), [const { Testified::NotOpen }; 2]);
    assert_eq!(scene.foreign().exit_code(&run).expect("the run is there"), None);
}

/// It shows on a job's row, so the mode forbids it like a claim.
pub fn a_witness_is_bound_by_the_mode(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let taken = scene.taken();
    for mode in [Mode::Off, Mode::Report] {
        let _before = scene.store().set_mode(mode).expect("the database works");
        assert_eq!(record(scene, &[witnessed(&taken.job.attempt, 0)]), [Testified::Forbidden(mode)]);
    }
    assert_eq!(scene.job(&taken.job.attempt.job).exit, None);
    let _before = scene.store().set_mode(Mode::Enforce).expect("the database works");
    assert_eq!(record(scene, &[]), []);
    assert_eq!(record(scene, &[witnessed(&taken.job.attempt, 0)]), [Testified::Recorded]);
}
