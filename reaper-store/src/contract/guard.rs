//! The guard: a claim is won only on the very facts that it was decided on, and a lost claim changes nothing.

use reaper_core::{
    Fence, JobSnapshot, Mode, RunId, Status, Timestamp,
    job::{Attach, Basis, Exit, Key},
};

use super::{
    Subject,
    scene::{HOUR, PID, REQUEUE, RETRY, Scene, alert, claim, claim_by, process},
};
use crate::{
    Claim, Outcome, Settlement,
    attempts::Written,
    claims::Actor,
    foreign::{ForeignJob, JobColumn, RunColumn, When},
};

/// What a rule may do with a running job.
const SETTLEMENTS: [Settlement; 4] = [Settlement::Done, REQUEUE, Settlement::Fail, Settlement::Terminate];

/// Claims on what was read before are lost, whatever they want; a claim on what is read now is won, which shows
/// that only the change stood in their way.
fn lost_until_read_anew(scene: Scene<'_>, read: &JobSnapshot) {
    for settlement in SETTLEMENTS {
        scene.lose(&claim(read, settlement));
    }
    let _ = scene.win(&claim(&scene.job(&read.attempt.job), REQUEUE));
}

/// Another fence: lost.
pub fn another_fence(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let mut read = scene.running();
    let fence = read
        .attempt
        .fence
        .as_int()
        .map_or_else(|| Fence(Key::Text("other".into())), |fence| Fence::from(fence ^ 1));
    read.attempt.fence = fence;
    lost_until_read_anew(scene, &read);
}

/// No such job: lost.
pub fn another_job(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = scene.running();
    scene.foreign().delete_job(&read.attempt.job).expect("a foreign delete works");
    for settlement in SETTLEMENTS {
        scene.lose(&claim(&read, settlement));
    }
}

/// The status was changed, to whatever word: lost.
pub fn the_status_changed(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for word in ["queued", "done", "failed", "paused"] {
        let read = scene.running();
        scene.set_status(&read.attempt.job, word);
        for settlement in SETTLEMENTS {
            scene.lose(&claim(&read, settlement));
        }
    }
}

/// A run was named, or another one: lost.
pub fn the_run_changed(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for had_one in [false, true] {
        let read = if had_one { scene.running_with_run().0 } else { scene.running() };
        let other = scene.foreign().insert_run(None, When::Null).expect("a foreign insert works");
        scene.update(&read.attempt.job, &[JobColumn::Run(Some(other))]);
        lost_until_read_anew(scene, &read);
    }
    let (read, _) = scene.running_with_run();
    scene.update(&read.attempt.job, &[JobColumn::Run(None)]);
    lost_until_read_anew(scene, &read);
}

/// A pid was written, another one, or taken away: lost.
pub fn the_pid_changed(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for (before, after) in [(None, Some(PID)), (Some(PID), Some(PID + 1)), (Some(PID), None)] {
        let job = scene.insert(&ForeignJob { pid: before, ..ForeignJob::running(PID, 1000) });
        let read = scene.job(&job);
        scene.update(&job, &[JobColumn::Pid(after)]);
        lost_until_read_anew(scene, &read);
    }
}

/// The beginning was written anew: lost.
pub fn the_beginning_changed(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for (before, after) in [
        (When::secs_ago(1000), When::secs_ago(500)),
        (When::secs_ago(1000), When::Null),
        (When::Null, When::secs_ago(500)),
    ] {
        let job = scene.insert(&ForeignJob { started_at: before, ..ForeignJob::running(PID, 0) });
        let read = scene.job(&job);
        scene.update(&job, &[JobColumn::StartedAt(after)]);
        lost_until_read_anew(scene, &read);
    }
}

/// An exit was recorded: lost, whoever recorded it.
pub fn an_exit_was_recorded(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for code in [0, 1] {
        let (read, run) = scene.running_with_run();
        scene.write_exit(&run, code);
        lost_until_read_anew(scene, &read);
        let taken = scene.taken();
        assert!(scene.store().record_exit(&taken.run, code).is_ok());
        lost_until_read_anew(scene, &taken.job);
    }
}

/// The recorded code was rewritten, or taken away: lost.
pub fn the_exits_code_changed(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for code in [Some(0), None] {
        let (read, run) = scene.running_with_run();
        scene.write_exit(&run, 1);
        let read = scene.job(&read.attempt.job);
        scene.update_run(&run, &[RunColumn::ExitCode(code)]);
        lost_until_read_anew(scene, &read);
    }
}

/// The exit's time was rewritten: lost.
pub fn the_exits_instant_changed(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for before in [When::Null, When::secs_ago(900)] {
        let (read, run) = scene.running_with_run();
        scene.update_run(&run, &[RunColumn::ExitCode(Some(1)), RunColumn::FinishedAt(before)]);
        let read = scene.job(&read.attempt.job);
        scene.update_run(&run, &[RunColumn::FinishedAt(When::secs_ago(400))]);
        lost_until_read_anew(scene, &read);
    }
}

/// The executor was let go since: lost.
pub fn the_executor_was_attached(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let taken = scene.taken();
    assert_eq!(taken.job.attach, Attach::Pending);
    let attached = scene.store().attach(&taken.job.attempt, &process("here", 12));
    assert_eq!(attached.expect("the database works"), Written::Yes);
    lost_until_read_anew(scene, &taken.job);
}

/// A beat came since: lost.
pub fn a_beat_came(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let first = scene.taken();
    for read in [first.job.clone(), {
        assert_eq!(scene.store().beat(&first.job.attempt).expect("the database works"), Written::Yes);
        scene.job(&first.job.attempt.job)
    }] {
        assert_eq!(scene.store().beat(&first.job.attempt).expect("the database works"), Written::Yes);
        for settlement in SETTLEMENTS {
            scene.lose(&claim(&read, settlement));
        }
    }
    let _ = scene.win(&claim(&scene.job(&first.job.attempt.job), REQUEUE));
}

/// A stop was announced since: lost.
pub fn a_stop_was_announced(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = scene.running();
    let _ = scene.win(&claim(&read, Settlement::Terminate));
    lost_until_read_anew(scene, &read);
}

/// Every value of the basis is compared: a claim that has any one of them otherwise is lost.
pub fn every_value_of_the_basis_is_compared(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let taken = scene.taken();
    let attempt = &taken.job.attempt;
    let attached = scene.store().attach(attempt, &process("here", 12)).expect("the database works");
    assert_eq!(attached, Written::Yes);
    assert_eq!(scene.store().beat(attempt).expect("the database works"), Written::Yes);
    scene.update(&attempt.job, &[JobColumn::Pid(Some(PID))]);
    assert!(scene.store().record_exit(&taken.run, 1).is_ok());
    let read = scene.win(&claim(&scene.job(&attempt.job), Settlement::Terminate));
    let right = read.basis();
    let exit = right.exit.expect("an exit is recorded");
    for wrong in [
        Basis { status: Status::Queued, ..right.clone() },
        Basis { run: None, ..right.clone() },
        Basis { run: Some(another_run(&taken.run)), ..right.clone() },
        Basis { pid: None, ..right.clone() },
        Basis { pid: Some(PID + 1), ..right.clone() },
        Basis { started_at: None, ..right.clone() },
        Basis { started_at: right.started_at.map(|at| at - HOUR), ..right.clone() },
        Basis { exit: None, ..right.clone() },
        Basis { exit: Some(Exit { code: 2, ..exit }), ..right.clone() },
        Basis { exit: Some(Exit { at: exit.at - HOUR, ..exit }), ..right.clone() },
        Basis { attach: Attach::NotSaid, ..right.clone() },
        Basis { attach: Attach::Pending, ..right.clone() },
        Basis { beat: None, ..right.clone() },
        Basis { beat: Some(7), ..right.clone() },
        Basis { terminating_at: None, ..right.clone() },
        Basis { terminating_at: right.terminating_at.map(|at| at - HOUR), ..right },
    ] {
        for settlement in SETTLEMENTS {
            scene.lose(&Claim { basis: wrong.clone(), ..claim(&read, settlement) });
        }
    }
    let _ = scene.win(&claim(&read, REQUEUE));
}

/// A value that is not there is compared as well: nothing equals nothing, and no value equals it.
pub fn nothing_equals_nothing_alone(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let job = scene.insert(&ForeignJob { status: "running".into(), ..ForeignJob::default() });
    let read = scene.job(&job);
    let right = read.basis();
    assert_eq!((&right.run, right.pid, right.exit, right.beat), (&None, None, None, None));
    let at: Timestamp = scene.now();
    for wrong in [
        Basis { run: Some(1.into()), ..right.clone() },
        Basis { pid: Some(PID), ..right.clone() },
        Basis { exit: Some(Exit { code: 0, at }), ..right.clone() },
        Basis { attach: Attach::Pending, ..right.clone() },
        Basis { beat: Some(0), ..right.clone() },
        Basis { terminating_at: Some(at), ..right },
    ] {
        for settlement in SETTLEMENTS {
            scene.lose(&Claim { basis: wrong.clone(), ..claim(&read, settlement) });
        }
    }
    let _ = scene.win(&claim(&read, REQUEUE));
}

/// In `off` and `report` a rule changes no row; people and monitors do what they always do.
pub fn the_mode_binds_rules_alone(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for mode in [Mode::Off, Mode::Report] {
        let _before = scene.store().set_mode(mode).expect("the database works");
        for settlement in SETTLEMENTS {
            let read = scene.running();
            let barred = Claim { effect: Some(alert("no")), ..claim(&read, settlement) };
            scene.refused_as(&barred, &Outcome::Forbidden(mode));
            assert_eq!(scene.win(&claim_by(Actor::Person, &read, RETRY)).status, Status::Queued);
        }
        let (read, run) = scene.running_with_run();
        scene.set_status(&read.attempt.job, "queued");
        scene.write_exit(&run, 0);
        let late = scene.job(&read.attempt.job);
        for settlement in [Settlement::Done, Settlement::Dismiss] {
            scene.refused_as(&claim(&late, settlement), &Outcome::Forbidden(mode));
        }
        assert_eq!(scene.win(&claim_by(Actor::Monitor, &late, Settlement::Done)).status, Status::Done);
    }
    let _before = scene.store().set_mode(Mode::Enforce).expect("the database works");
    let _ = scene.win(&claim(&scene.running(), REQUEUE));
}

/// A rule requeues no job that was taken as often as it may be, though it was taken once less when it was read.
pub fn a_requeue_is_bound_by_the_attempts(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let job = scene.insert(&ForeignJob { attempts: 2, max_attempts: 2, ..ForeignJob::running(PID, 1000) });
    scene.lose(&claim(&scene.job(&job), REQUEUE));
    let read = scene.running();
    scene.update(&read.attempt.job, &[JobColumn::Attempts(2)]);
    scene.lose(&claim(&read, REQUEUE));
    assert_eq!(scene.win(&claim(&read, Settlement::Fail)).status, Status::Failed);
}

/// A rule requeues no job that was rescued as often as it may be.
pub fn a_requeue_is_bound_by_the_rescues(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let capped = |cap| Settlement::Requeue { wait: std::time::Duration::ZERO, rescue_cap: Some(cap) };
    let job = scene.insert(&ForeignJob { max_attempts: 100, ..ForeignJob::default() });
    scene.lose(&claim(&scene.take(&job).job, capped(0)));
    for rescues in 0..2 {
        let read = scene.job(&job);
        assert_eq!(scene.win(&claim(&read, capped(2))).rescues, rescues + 1);
        let _ = scene.take(&job);
    }
    scene.lose(&claim(&scene.job(&job), capped(2)));
    assert_eq!(scene.win(&claim(&scene.job(&job), capped(3))).rescues, 3);
}

/// A person's and a monitor's requeue are bound by neither.
pub fn a_requeue_of_a_person_is_bound_by_nothing(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for by in [Actor::Person, Actor::Monitor] {
        let job = scene.insert(&ForeignJob { attempts: 9, max_attempts: 2, ..ForeignJob::running(PID, 1000) });
        assert_eq!(scene.win(&claim_by(by, &scene.job(&job), RETRY)).status, Status::Queued);
    }
}

/// A rule and a monitor settle nothing that does not run, except a late finish.
pub fn what_does_not_run_is_no_rules_to_settle(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for word in ["queued", "done", "failed"] {
        let (read, _) = scene.running_with_run();
        scene.set_status(&read.attempt.job, word);
        let read = scene.job(&read.attempt.job);
        for by in [Actor::Reaper, Actor::Monitor] {
            for settlement in [REQUEUE, RETRY, Settlement::Done, Settlement::Fail, Settlement::Terminate] {
                scene.lose(&claim_by(by, &read, settlement));
            }
            scene.lose(&claim_by(by, &read, Settlement::Dismiss));
        }
    }
}

/// Not even a person stops what does not run, or dismisses an exit that is no late finish.
pub fn what_makes_no_sense_is_lost(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, run) = scene.running_with_run();
    scene.write_exit(&run, 0);
    let read = scene.job(&read.attempt.job);
    scene.lose(&claim_by(Actor::Person, &read, Settlement::Dismiss));
    scene.set_status(&read.attempt.job, "queued");
    let queued = scene.job(&read.attempt.job);
    assert_eq!(queued.exit, None);
    scene.lose(&claim_by(Actor::Person, &queued, Settlement::Dismiss));
    scene.lose(&claim_by(Actor::Person, &queued, Settlement::Terminate));
}

fn another_run(run: &RunId) -> RunId {
    run.as_int().map_or_else(|| RunId(Key::Text("other".into())), |run| RunId::from(run + 1))
}
