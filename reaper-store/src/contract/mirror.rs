//! The exit's mirror on the job's row, and the values that an attempt must not inherit from the one before.

use std::time::Duration;

use reaper_core::{JobSnapshot, RunId, job::Attach};

use super::{
    Subject,
    scene::{HOUR, PID, REQUEUE, Scene, claim, code, process},
};
use crate::{
    Settlement,
    attempts::Written,
    foreign::{ForeignJob, JobColumn, RunColumn, When},
};

/// An exit that is written to the run stands on the running job's row, with its own time.
pub fn an_exit_is_mirrored(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, run) = scene.running_with_run();
    assert_eq!(read.run, Some(run.clone()));
    assert_eq!(read.exit, None);
    scene.update_run(&run, &[RunColumn::ExitCode(Some(-9)), RunColumn::FinishedAt(When::secs_ago(600))]);
    let exit = scene.job(&read.attempt.job).exit.expect("the exit is mirrored");
    assert_eq!(exit.code, -9);
    assert!(scene.is_about(exit.at, Duration::from_secs(600)), "{}", exit.at);
}

/// An exit without a time has the time at which it was seen, until its own is written one statement later.
pub fn an_exit_without_a_time_was_recorded_when_it_was_seen(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for when in [When::Null, When::Unreadable] {
        let (read, run) = scene.running_with_run();
        scene.update_run(&run, &[RunColumn::ExitCode(Some(0)), RunColumn::FinishedAt(when)]);
        let exit = scene.job(&read.attempt.job).exit.expect("the exit is mirrored");
        assert!(scene.is_about(exit.at, Duration::ZERO), "{}", exit.at);
        scene.update_run(&run, &[RunColumn::FinishedAt(When::secs_ago(600))]);
        let exit = scene.job(&read.attempt.job).exit.expect("the exit is mirrored");
        assert!(scene.is_about(exit.at, Duration::from_secs(600)), "{}", exit.at);
    }
}

/// A time in the future says nothing: the exit was recorded when it was seen.
pub fn an_exit_of_the_future_was_recorded_when_it_was_seen(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, run) = scene.running_with_run();
    scene.update_run(&run, &[RunColumn::ExitCode(Some(0)), RunColumn::FinishedAt(When::Ahead(HOUR))]);
    let exit = scene.job(&read.attempt.job).exit.expect("the exit is mirrored");
    assert!(scene.is_about(exit.at, Duration::ZERO), "{}", exit.at);
}

/// A row that is inserted as running has the exit that its run had before.
pub fn an_exit_from_before_the_insert_is_mirrored(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let run = scene.foreign().insert_run(Some(0), When::secs_ago(600)).expect("a foreign insert works");
    let job = scene.insert(&ForeignJob { run: Some(run), ..ForeignJob::running(PID, 1000) });
    let exit = scene.job(&job).exit.expect("the exit is mirrored");
    assert_eq!(exit.code, 0);
    assert!(scene.is_about(exit.at, Duration::from_secs(600)), "{}", exit.at);
}

/// A run that is named late brings its exit along.
pub fn an_exit_from_before_the_run_was_named_is_mirrored(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = scene.running();
    let run = scene.foreign().insert_run(Some(3), When::secs_ago(600)).expect("a foreign insert works");
    scene.update(&read.attempt.job, &[JobColumn::Run(Some(run))]);
    assert_eq!(code(scene.job(&read.attempt.job).exit), Some(3));
    // Another run that has recorded nothing takes it away again.
    let other = scene.foreign().insert_run(None, When::Null).expect("a foreign insert works");
    scene.update(&read.attempt.job, &[JobColumn::Run(Some(other))]);
    assert_eq!(scene.job(&read.attempt.job).exit, None);
}

/// An exit that is taken away, or rewritten, is so on the running job's row as well.
pub fn a_rewritten_exit_is_mirrored(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, run) = scene.running_with_run();
    scene.write_exit(&run, 1);
    scene.update_run(&run, &[RunColumn::ExitCode(Some(2))]);
    assert_eq!(code(scene.job(&read.attempt.job).exit), Some(2));
    scene.update_run(&run, &[RunColumn::ExitCode(None)]);
    assert_eq!(scene.job(&read.attempt.job).exit, None);
}

/// An exit stands on the row of its own job and of no other.
pub fn an_exit_is_mirrored_onto_its_own_job(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let ((one, run), (two, _), three) = (scene.running_with_run(), scene.running_with_run(), scene.running());
    scene.write_exit(&run, 0);
    assert_eq!(code(scene.job(&one.attempt.job).exit), Some(0));
    for other in [two, three] {
        assert_eq!(scene.job(&other.attempt.job), other);
    }
}

/// Entering `queued` clears the mirror, whoever writes it.
pub fn entering_queued_clears_it(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, run) = scene.running_with_run();
    scene.write_exit(&run, 0);
    scene.set_status(&read.attempt.job, "queued");
    let queued = scene.job(&read.attempt.job);
    assert_eq!(queued.exit, None);
    assert!(!queued.is_late_finish());
}

/// Entering `running` clears the mirror, whoever writes it.
pub fn entering_running_clears_it(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for word in ["queued", "done", "failed", "paused"] {
        let (read, run) = scene.running_with_run();
        scene.write_exit(&run, 0);
        scene.set_status(&read.attempt.job, word);
        scene.set_status(&read.attempt.job, "running");
        assert_eq!(scene.job(&read.attempt.job).exit, None, "from {word}");
    }
}

/// A job that ran with a pid and a run, was requeued by a program that left both on the row, and runs again.
fn with_inherited(scene: Scene<'_>) -> (JobSnapshot, RunId) {
    let (read, run) = scene.running_with_run();
    scene.set_status(&read.attempt.job, "queued");
    scene.set_status(&read.attempt.job, "running");
    (scene.job(&read.attempt.job), run)
}

/// A pid and a run that stand on the row from the attempt before are none of this one's.
pub fn an_inherited_pid_and_run_are_none(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, _) = with_inherited(scene);
    assert_eq!((read.pid, read.run), (None, None));
}

/// Nothing is mirrored through an inherited run: the exit is the attempt's before.
pub fn an_inherited_run_mirrors_nothing(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, run) = with_inherited(scene);
    scene.write_exit(&run, 0);
    assert_eq!(scene.job(&read.attempt.job), read);
    // Nor once the job waits again: that finish is too late even for a late one.
    let (read, run) = with_inherited(scene);
    scene.set_status(&read.attempt.job, "queued");
    scene.write_exit(&run, 0);
    assert_eq!(scene.job(&read.attempt.job).exit, None);
}

/// What the new attempt writes is its own, and its run's exit is mirrored.
pub fn a_changed_pid_and_run_are_its_own(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, _) = with_inherited(scene);
    let run = scene.foreign().insert_run(Some(5), When::secs_ago(1)).expect("a foreign insert works");
    scene.update(&read.attempt.job, &[JobColumn::Pid(Some(PID + 1))]);
    scene.update(&read.attempt.job, &[JobColumn::Run(Some(run.clone()))]);
    let own = scene.job(&read.attempt.job);
    assert_eq!((own.pid, own.run, code(own.exit)), (Some(PID + 1), Some(run), Some(5)));
}

/// A take that writes pid and run in the statement that writes the status inherits nothing.
pub fn a_take_in_one_statement_inherits_nothing(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, _) = scene.running_with_run();
    scene.set_status(&read.attempt.job, "queued");
    let run = scene.foreign().insert_run(None, When::Null).expect("a foreign insert works");
    scene.update(
        &read.attempt.job,
        &[JobColumn::status("running"), JobColumn::Pid(Some(PID + 1)), JobColumn::Run(Some(run.clone()))],
    );
    let own = scene.job(&read.attempt.job);
    assert_eq!((own.pid, own.run), (Some(PID + 1), Some(run.clone())));
    scene.write_exit(&run, 4);
    assert_eq!(code(scene.job(&read.attempt.job).exit), Some(4));
}

/// A beginning that stands on the row from the attempt before is none of this one's: it began when it was seen to.
/// Otherwise a young attempt would be over the ceiling from its first moment.
pub fn an_inherited_beginning_is_none(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, _) = with_inherited(scene);
    let began = read.started_at.expect("every running job has begun");
    assert!(scene.is_about(began, Duration::ZERO), "{began}");
    scene.update(&read.attempt.job, &[JobColumn::StartedAt(When::secs_ago(60))]);
    let began = scene.job(&read.attempt.job).started_at.expect("every running job has begun");
    assert!(scene.is_about(began, Duration::from_secs(60)), "{began}");
}

/// A job that runs without a beginning that can be read, or with one in the future, began when it was seen to.
pub fn a_missing_beginning_is_when_it_was_seen(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for when in [When::Null, When::Unreadable, When::Ahead(HOUR)] {
        let job = scene.insert(&ForeignJob { started_at: when, ..ForeignJob::running(PID, 0) });
        let began = scene.job(&job).started_at.expect("every running job has begun");
        assert!(scene.is_about(began, Duration::ZERO), "{when:?}: {began}");
    }
}

/// Identities, beat and announced stop of the attempt before are cleared by a foreign requeue, and by a foreign take
/// from any other status.
pub fn a_foreign_requeue_or_take_clears_what_named_processes(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for word in ["queued", "done", "paused"] {
        let taken = scene.taken().job;
        let attempt = &taken.attempt;
        let attached = scene.store().attach(attempt, &process("here", 12)).expect("the database works");
        assert_eq!(attached, Written::Yes);
        assert_eq!(scene.store().beat(attempt).expect("the database works"), Written::Yes);
        let announced = scene.win(&claim(&scene.job(&attempt.job), Settlement::Terminate));
        assert!(announced.terminating_at.is_some());
        let assert_cleared = || {
            let read = scene.job(&attempt.job);
            assert_eq!((&read.executor, &read.monitor, read.attach), (&None, &None, Attach::NotSaid), "{word}");
            assert_eq!((read.beat, read.terminating_at), (None, None), "{word}");
            read
        };
        scene.set_status(&attempt.job, word);
        if word == "queued" {
            let _queued = assert_cleared();
        }
        scene.set_status(&attempt.job, "running");
        let read = assert_cleared();
        assert_eq!((read.pid, &read.run), (None, &None), "{word}");
        assert_eq!(scene.win(&claim(&read, REQUEUE)).rescues, 1);
    }
}
