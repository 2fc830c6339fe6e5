//! The fence: a claim for one attempt never touches another, whatever wrote in between.

use reaper_core::{JobSnapshot, Status};

use super::{
    Subject,
    scene::{PID, REQUEUE, RETRY, Scene, claim, claim_by},
};
use crate::{
    Claim, Settlement,
    claims::Actor,
    foreign::{ForeignJob, JobColumn, When},
};

/// A claim for the attempt that was read is lost, even with the facts of the one that runs now.
fn settles_no_other(scene: Scene<'_>, read: &JobSnapshot) {
    let now = scene.job(&read.attempt.job);
    assert_ne!(now.attempt.fence, read.attempt.fence, "each attempt has a fence of its own");
    for settlement in [Settlement::Done, REQUEUE, Settlement::Fail, Settlement::Terminate] {
        scene.lose(&claim(read, settlement));
        scene.lose(&Claim { basis: now.basis(), ..claim(read, settlement) });
    }
}

/// Each row that is inserted as `running` has a fence of its own.
pub fn an_insert_as_running_draws_one(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let mut fences: Vec<_> = (0..20).map(|_| scene.running().attempt.fence).collect();
    fences.sort();
    fences.dedup();
    assert_eq!(fences.len(), 20);
}

/// A status that is written again draws no fence: the attempt is the same.
pub fn running_again_is_no_new_attempt(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = scene.running();
    scene.set_status(&read.attempt.job, "running");
    assert_eq!(scene.job(&read.attempt.job), read);
    let _ = scene.win(&claim(&read, REQUEUE));
}

/// Leaving `running` keeps the fence, so that a late finish knows its attempt.
pub fn leaving_running_keeps_it(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for word in ["queued", "done", "failed"] {
        let read = scene.running();
        scene.set_status(&read.attempt.job, word);
        assert_eq!(scene.job(&read.attempt.job).attempt, read.attempt);
    }
}

/// Requeued and taken again by our own worker.
pub fn a_requeue_and_a_take_between(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = scene.taken().job;
    let _ = scene.win(&claim_by(Actor::Person, &read, RETRY));
    let _ = scene.take(&read.attempt.job);
    settles_no_other(scene, &read);
}

/// Requeued and taken again by a program that writes back every value that was there before.
pub fn a_foreign_requeue_and_take_between(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = scene.running();
    scene.set_status(&read.attempt.job, "queued");
    scene.update(
        &read.attempt.job,
        &[JobColumn::status("running"), JobColumn::Pid(Some(PID)), JobColumn::StartedAt(When::secs_ago(1000))],
    );
    settles_no_other(scene, &read);
}

/// From a status that only the other program knows, back into `running`.
pub fn a_foreign_status_between(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = scene.running();
    scene.set_status(&read.attempt.job, "paused");
    scene.set_status(&read.attempt.job, "running");
    settles_no_other(scene, &read);
}

/// A finished job that is run once more.
pub fn a_finished_job_run_once_more(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for word in ["done", "failed"] {
        let read = scene.running();
        scene.set_status(&read.attempt.job, word);
        scene.set_status(&read.attempt.job, "running");
        settles_no_other(scene, &read);
    }
}

/// The start-up requeue and a take between.
pub fn a_requeue_of_all_and_a_take_between(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = scene.running();
    assert_eq!(scene.store().requeue_all_running().expect("the database works"), 1);
    let _ = scene.take(&read.attempt.job);
    settles_no_other(scene, &read);
}

/// The job deleted, and its id used again by one that runs with the same values.
pub fn an_id_deleted_and_used_again(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = scene.running();
    scene.foreign().delete_job(&read.attempt.job).expect("a foreign delete works");
    let again = ForeignJob { id: Some(read.attempt.job.clone()), ..ForeignJob::running(PID, 1000) };
    assert_eq!(scene.insert(&again), read.attempt.job);
    settles_no_other(scene, &read);
}

/// The row replaced by one that runs with the same values.
pub fn a_row_replaced(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = scene.running();
    let again = ForeignJob { id: Some(read.attempt.job.clone()), ..ForeignJob::running(PID, 1000) };
    assert_eq!(scene.foreign().replace_job(&again).expect("a foreign write works"), read.attempt.job);
    settles_no_other(scene, &read);
}

/// A row that waits and has never run, replaced by another: a person's word was about the first.
pub fn a_waiting_row_replaced(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let job = scene.insert(&ForeignJob::default());
    let read = scene.job(&job);
    let again = ForeignJob { id: Some(job.clone()), ..ForeignJob::default() };
    assert_eq!(scene.foreign().replace_job(&again).expect("a foreign write works"), job);
    for settlement in [Settlement::Fail, Settlement::Done, RETRY] {
        scene.lose(&claim_by(Actor::Person, &read, settlement));
    }
}

/// The row replaced by one that waits, and that taken.
pub fn a_row_replaced_and_taken(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = scene.taken().job;
    let again = ForeignJob { id: Some(read.attempt.job.clone()), ..ForeignJob::default() };
    assert_eq!(scene.foreign().replace_job(&again).expect("a foreign write works"), read.attempt.job);
    for settlement in [Settlement::Done, REQUEUE, Settlement::Fail] {
        scene.lose(&claim(&read, settlement));
    }
    let taken = scene.take(&read.attempt.job);
    assert_eq!((taken.job.attempts, taken.job.rescues), (1, 0), "nothing of the replaced row is left");
    settles_no_other(scene, &read);
}

/// Two attempts of one job have fences of their own, and each is settled by its own claim.
pub fn each_attempt_is_settled_by_its_own_claim(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let first = scene.taken().job;
    let _ = scene.win(&claim(&first, REQUEUE));
    let second = scene.take(&first.attempt.job).job;
    settles_no_other(scene, &first);
    assert_eq!(scene.win(&claim(&second, Settlement::Fail)).status, Status::Failed);
}
