//! Late finishes: an exit 0 that arrives after its attempt was requeued and before anyone took the job again.

use chrono::TimeDelta;
use reaper_core::{JobSnapshot, RunId, Status};

use super::{
    Subject,
    scene::{REQUEUE, RETRY, Scene, alert, claim, claim_by, code, nothing},
};
use crate::{
    Claim, Settlement,
    attempts::{Recorded, Wants},
    claims::Actor,
    facts::Wanted,
    foreign::{RunColumn, When},
    history::{Event, Rescues},
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

/// A late finish may be corrected while it waits to be looked at: the last word counts. One that was dismissed stays so.
pub fn a_late_finish_may_be_corrected(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, run) = requeued(scene);
    let job = read.attempt.job;
    assert_eq!(record(scene, &run, 0), Recorded::New);
    for (written, is_late) in [(Some(1), false), (Some(0), true), (None, false), (Some(0), true)] {
        scene.update_run(&run, &[RunColumn::ExitCode(written)]);
        let row = scene.job(&job);
        assert_eq!((code(row.exit), row.is_late_finish()), (written, is_late));
    }
    let _ = scene.win(&claim(&scene.job(&job), Settlement::Dismiss));
    scene.update_run(&run, &[RunColumn::ExitCode(Some(1))]);
    scene.update_run(&run, &[RunColumn::ExitCode(Some(0))]);
    assert_eq!(scene.job(&job).exit, None);
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
    let after = scene.win(&claim_by(Actor::Person, &late, RETRY));
    assert_eq!((after.status, after.exit), (Status::Queued, None));
    assert!(scene.try_take(&Wants::Job(read.attempt.job)).is_some());
}

/// The rescues of which late exits were seen.
fn late_exits(scene: Scene<'_>) -> Vec<Event> {
    scene.store().late_exits(scene.now() - TimeDelta::hours(1), 100).expect("a read works")
}

/// An exit of whatever code that is recorded after the job was taken again, by whomever, is noted on the rescue with its
/// instant, once.
pub fn an_exit_after_the_next_take_is_noted_on_the_rescue(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for (by_us, code) in [(true, 0), (false, 3)] {
        let taken = scene.taken();
        let rescue = claim(&taken.job, REQUEUE);
        let _ = scene.win(&rescue);
        if by_us {
            let _taken = scene.take(&taken.job.attempt.job);
        } else {
            // The run stays on the row, and is not the new attempt's.
            scene.set_status(&taken.job.attempt.job, "running");
        }
        assert_eq!(late_exits(scene).len(), usize::from(!by_us), "nothing came yet");
        if by_us {
            assert_eq!(record(scene, &taken.run, code), Recorded::New);
        } else {
            scene.write_exit(&taken.run, code);
        }
        scene.update_run(&taken.run, &[RunColumn::ExitCode(Some(9))]);
        let late = late_exits(scene).pop().expect("it is noted");
        assert_eq!((late.id, late.fence.as_ref()), (rescue.event, Some(&rescue.attempt.fence)));
        let exit = late.late.expect("it was late");
        assert_eq!(exit.code, code, "a rewrite is none");
        assert!(scene.is_about(exit.at, std::time::Duration::ZERO), "{}", exit.at);
        assert_eq!(scene.events().into_iter().find(|event| event.id == rescue.event), Some(late));
    }
    assert_eq!(late_exits(scene).len(), 2);
    let (store, now) = (scene.store(), scene.now());
    assert_eq!(store.late_exits(now - TimeDelta::hours(1), 1).expect("a read works").len(), 1);
    assert_eq!(store.late_exits(now + TimeDelta::hours(1), 9).expect("a read works"), []);
}

/// What is recorded while the job waits, or after a person has ended it, is no sign of a wrong rescue.
pub fn an_exit_of_what_nobody_took_again_is_none(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for code in [0, 1] {
        let (_, run) = requeued(scene);
        assert_eq!(record(scene, &run, code), Recorded::New);
    }
    let (read, run) = requeued(scene);
    let _ = scene.win(&claim_by(Actor::Person, &read, Settlement::Fail));
    assert_eq!(record(scene, &run, 0), Recorded::New);
    assert_eq!(late_exits(scene), []);
}

/// Only what a reaper has requeued without an exit can have been alive; a person knows what he does.
pub fn only_rescues_without_an_exit_can_be_wrong(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for by in [Actor::Monitor, Actor::Person] {
        let taken = scene.taken();
        let _ = scene.win(&claim_by(by, &taken.job, RETRY));
        let _taken = scene.take(&taken.job.attempt.job);
        assert_eq!(record(scene, &taken.run, 0), Recorded::New);
    }
    let taken = scene.taken();
    assert_eq!(record(scene, &taken.run, 3), Recorded::New);
    let _ = scene.win(&claim(&scene.job(&taken.job.attempt.job), REQUEUE));
    let _taken = scene.take(&taken.job.attempt.job);
    scene.write_exit(&taken.run, 0);
    let taken = scene.taken();
    let _ = scene.win(&claim(&taken.job, Settlement::Fail));
    assert_eq!(record(scene, &taken.run, 0), Recorded::New);
    assert_eq!(late_exits(scene), []);
}

/// Rescues, late finishes and false rescues are counted since an instant. An exit that only tells of the very death that
/// was certain makes no rescue wrong; an exit 0 does.
pub fn rescues_are_counted(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, run) = requeued(scene);
    assert_eq!(record(scene, &run, 0), Recorded::New);
    let _ = scene.win(&claim(&scene.job(&read.attempt.job), Settlement::Done));
    let certain = serde_json::json!({ "executor": { "liveness": { "dead": "verified" }, "finding": "ended" } });
    for (evidence, code) in [(certain.clone(), 0), (certain, -9), (serde_json::Value::Null, -9)] {
        let taken = scene.taken();
        let _ = scene.win(&Claim { evidence, ..claim(&taken.job, REQUEUE) });
        let _taken = scene.take(&taken.job.attempt.job);
        assert_eq!(record(scene, &taken.run, code), Recorded::New);
    }
    let _ = scene.win(&claim_by(Actor::Person, &scene.taken().job, RETRY));
    let since = |hours| scene.store().rescues(scene.now() + TimeDelta::hours(hours)).expect("a read works");
    assert_eq!(since(-1), Rescues { rescues: 4, late_finishes: 1, false_rescues: 2 });
    assert_eq!(since(1), Rescues::default());
}
