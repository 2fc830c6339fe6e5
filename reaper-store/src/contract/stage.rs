//! The stage's version: each visit of a task to a stage has one of its own.

use reaper_core::{
    JobId, TaskId,
    job::{Place, Task},
};

use super::{Subject, scene::Scene};
use crate::{
    attempts::{Enqueued, NewJob, NewTask},
    foreign::ForeignJob,
};

fn with_task(scene: Scene<'_>) -> (TaskId, JobId) {
    let task = scene.foreign().insert_task(None, "architecture").expect("a foreign insert works");
    let job = scene.insert(&ForeignJob { task: Some(task.clone()), ..ForeignJob::running(7, 10) });
    (task, job)
}

fn place(scene: Scene<'_>, job: &JobId) -> Option<Place> {
    scene.job(job).task.expect("the job has a task").place
}

/// Each task that is inserted has a version of its own.
pub fn an_insert_draws_one(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (first, second) = (with_task(scene).1, with_task(scene).1);
    let (first, second) =
        (place(scene, &first).expect("it is there"), place(scene, &second).expect("it is there"));
    assert_eq!((first.stage.as_str(), second.stage.as_str()), ("architecture", "architecture"));
    assert_ne!(first.version, second.version);
}

/// A task that goes on and comes back is on another visit.
pub fn there_and_back_is_another_visit(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (task, job) = with_task(scene);
    let first = place(scene, &job).expect("it is there");
    scene.foreign().set_stage(&task, "development").expect("a foreign update works");
    let between = place(scene, &job).expect("it is there");
    scene.foreign().set_stage(&task, "architecture").expect("a foreign update works");
    let second = place(scene, &job).expect("it is there");
    assert_eq!((between.stage.as_str(), second.stage.as_str()), ("development", "architecture"));
    assert_ne!(first.version, between.version);
    assert_ne!(first.version, second.version);
}

/// The same stage written again is no visit.
pub fn the_same_stage_again_is_no_visit(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (task, job) = with_task(scene);
    let first = place(scene, &job);
    scene.foreign().set_stage(&task, "architecture").expect("a foreign update works");
    assert_eq!(place(scene, &job), first);
}

/// A task whose id was used before is on a visit of its own.
pub fn a_task_id_used_again_is_another_visit(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (task, job) = with_task(scene);
    let first = place(scene, &job).expect("it is there");
    scene.foreign().delete_task(&task).expect("a foreign delete works");
    assert_eq!(place(scene, &job), None, "the job names a task that is gone");
    let again = scene.foreign().insert_task(Some(&task), "architecture").expect("a foreign insert works");
    assert_eq!(again, task);
    let second = place(scene, &job).expect("it is there");
    assert_eq!(first.stage, second.stage);
    assert_ne!(first.version, second.version);
}

/// What a task was made with comes back with its job.
pub fn a_task_comes_back_as_it_was_made(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let new = NewTask {
        repo: "shop".into(),
        work_item: Some("SHOP-7".into()),
        branch: Some("feature/x".into()),
        stage: "architecture".into(),
    };
    let task = scene.store().add_task(&new).expect("the database works");
    let job = NewJob {
        agent: "developer".into(),
        repo: "shop".into(),
        task: Some(task.clone()),
        max_attempts: 2,
        source_key: None,
        payload: None,
    };
    let Enqueued::New(job) = scene.store().enqueue(&job).expect("the database works") else {
        panic!("a job without a source key is new");
    };
    let Task { id, place, branch, work_item } = scene.job(&job).task.expect("the job has a task");
    assert_eq!((id, branch, work_item), (task, new.branch, new.work_item));
    assert_eq!(place.expect("it is there").stage, "architecture");
}

/// A job without a task has none.
pub fn a_job_without_a_task_has_none(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    assert_eq!(scene.running().task, None);
    assert_eq!(scene.taken().job.task, None);
}
