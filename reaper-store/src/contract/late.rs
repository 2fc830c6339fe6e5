//! Late finishes: an exit 0 that arrives after its attempt was requeued and before anyone took the job again.

use reaper_core::{JobSnapshot, RunId, Status};

use super::{
    Subject,
    scene::{REQUEUE, Scene, alert, claim, claim_by, code, nothing},
};
use crate::{
    Claim, Settlement,
    attempts::{Recorded, Wants},
    claims::Actor,
    facts::Wanted,
    foreign::{RunColumn, When},
};

/// A job of ours that was taken and requeued by a reaper, and the run of that attempt.
fn requeued(scene: Scene<'_>) -> (JobSnapshot, RunId) {
    let taken = scene.taken();
    (scene.win(&claim(&taken.job, REQUEUE)), taken.run)
}

fn record(scene: Scene<'_>, run: &RunId, code: i32) -> Recorded {
    scene.store().record_exit(run, code).expect("the database works")
}

/// An exit 0 that is recorded while the job waits is a late finish, and ends it; it is the one settlement that may
/// replace another.
pub fn a_late_finish_ends_the_job(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, run) = requeued(scene);
    assert_eq!(record(scene, &run, 0), Recorded::New);
    let late = scene.job(&read.attempt.job);
    assert!(late.is_late_finish());
    assert_eq!(late.attempt, read.attempt);
    let finish = Claim { effect: Some(alert("late")), ..claim(&late, Settlement::Done) };
    assert_eq!(scene.win(&finish).status, Status::Done);
    assert_eq!(scene.events_of(finish.event), 1);
    assert_eq!(scene.store().undelivered(10).expect("a read works").len(), 1);
    scene.lose(&claim(&late, Settlement::Done));
}

/// The monitor may settle its own late finish.
pub fn a_monitor_settles_its_own_late_finish(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, run) = requeued(scene);
    assert_eq!(record(scene, &run, 0), Recorded::New);
    let late = scene.job(&read.attempt.job);
    assert_eq!(scene.win(&claim_by(Actor::Monitor, &late, Settlement::Done)).status, Status::Done);
}

/// A job that another program requeued knows late finishes as well.
pub fn a_foreign_requeue_knows_late_finishes(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, run) = scene.running_with_run();
    scene.set_status(&read.attempt.job, "queued");
    scene.write_exit(&run, 0);
    let late = scene.job(&read.attempt.job);
    assert!(late.is_late_finish());
    assert_eq!(scene.win(&claim(&late, Settlement::Done)).status, Status::Done);
}

/// Loads show late finishes where they are wanted.
pub fn a_late_finish_is_loaded(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let ((zero, run), (bad, other), (none, _)) = (requeued(scene), requeued(scene), requeued(scene));
    assert_eq!(record(scene, &run, 0), Recorded::New);
    assert_eq!(record(scene, &other, 1), Recorded::New);
    assert_eq!(scene.load_ids(&Wanted { late_finishes: true, ..nothing() }, 10), [zero.attempt.job]);
    assert_eq!(scene.load_ids(&nothing(), 10), []);
    assert_ne!(bad.attempt.job, none.attempt.job);
}

/// Our own takes leave a late finish alone.
pub fn our_takes_leave_it_alone(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, run) = requeued(scene);
    assert_eq!(record(scene, &run, 0), Recorded::New);
    let job = read.attempt.job;
    assert_eq!(scene.try_take(&Wants::Any), None);
    assert_eq!(scene.try_take(&Wants::Job(job.clone())), None);
    let behind = scene.enqueue("developer");
    let taken = scene.try_take(&Wants::Any).expect("it hinders none behind it");
    assert_eq!(taken.job.attempt.job, behind);
    assert_eq!(scene.job(&job).status, Status::Queued);
}

/// A take of another program takes a late finish away: who took the job does the work again.
pub fn a_foreign_take_takes_it_away(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, run) = requeued(scene);
    assert_eq!(record(scene, &run, 0), Recorded::New);
    let late = scene.job(&read.attempt.job);
    scene.set_status(&read.attempt.job, "running");
    for settlement in [Settlement::Done, Settlement::Dismiss] {
        scene.lose(&claim(&late, settlement));
    }
    let now = scene.job(&read.attempt.job);
    assert_eq!((now.status, now.exit), (Status::Running, None));
}

/// A dismissed late finish is gone, and a claim on it is lost.
pub fn a_dismissed_one_is_gone(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, run) = requeued(scene);
    assert_eq!(record(scene, &run, 0), Recorded::New);
    let late = scene.job(&read.attempt.job);
    let _ = scene.win(&claim(&late, Settlement::Dismiss));
    for settlement in [Settlement::Done, Settlement::Dismiss] {
        scene.lose(&claim(&late, settlement));
    }
    assert_eq!(scene.load_ids(&Wanted { late_finishes: true, ..nothing() }, 10), []);
    assert_eq!(record(scene, &run, 0), Recorded::Known, "the run keeps its exit");
    let taken = scene.take(&read.attempt.job);
    assert_eq!(taken.job.exit, None);
}

/// An exit that is recorded after the job was taken again stands in its own run and touches nothing else.
pub fn an_exit_after_the_next_take_touches_nothing(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, run) = requeued(scene);
    let taken = scene.take(&read.attempt.job);
    assert_ne!(taken.run, run);
    assert_eq!(record(scene, &run, 0), Recorded::New);
    assert_eq!(scene.foreign().exit_code(&run).expect("a foreign read works"), Some(0));
    assert_eq!(scene.job(&read.attempt.job), taken.job);
}

/// An exit that is not 0 is no late finish: the job waits to be taken, as it did.
pub fn a_bad_exit_is_none(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, run) = requeued(scene);
    assert_eq!(record(scene, &run, 1), Recorded::New);
    let queued = scene.job(&read.attempt.job);
    assert!(!queued.is_late_finish());
    for settlement in [Settlement::Done, Settlement::Dismiss] {
        scene.lose(&claim(&queued, settlement));
    }
    assert_eq!(scene.take(&read.attempt.job).job.exit, None);
}

/// An exit that the requeue has seen may be rewritten without becoming a late finish.
pub fn a_rewritten_exit_is_none(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for column in [RunColumn::ExitCode(Some(0)), RunColumn::FinishedAt(When::secs_ago(0))] {
        for was in [1, 0] {
            let (read, run) = scene.running_with_run();
            scene.write_exit(&run, was);
            let queued = scene.win(&claim(&scene.job(&read.attempt.job), REQUEUE));
            assert_eq!(queued.exit, None);
            scene.update_run(&run, std::slice::from_ref(&column));
            assert_eq!(scene.job(&read.attempt.job), queued, "{column:?} over {was}");
        }
    }
}

/// A person may requeue a late finish, which puts it aside.
pub fn a_persons_requeue_puts_it_aside(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, run) = requeued(scene);
    assert_eq!(record(scene, &run, 0), Recorded::New);
    let late = scene.job(&read.attempt.job);
    assert_eq!(code(late.exit), Some(0));
    let after = scene.win(&claim_by(Actor::Person, &late, super::scene::RETRY));
    assert_eq!((after.status, after.exit), (Status::Queued, None));
    assert!(scene.try_take(&Wants::Job(read.attempt.job)).is_some());
}
