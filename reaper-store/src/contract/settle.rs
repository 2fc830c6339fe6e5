//! Each settlement's writes, and the row after it.

use std::time::Duration;

use reaper_core::{AdvanceOrder, Effect, Status, effect::claim_key, job::Attach};

use super::{
    Subject,
    scene::{HOUR, PID, REQUEUE, RETRY, Scene, alert, assert_requeued, claim, claim_by, code, process},
};
use crate::{
    Claim, Outcome, Settlement,
    attempts::{Wants, Written},
    claims::Actor,
    foreign::ForeignJob,
};

/// `Done` takes a running job to `done` and leaves its counts alone.
pub fn done_ends_the_job(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (job, run) = scene.running_with_run();
    scene.write_exit(&run, 0);
    let read = scene.job(&job.attempt.job);
    let after = scene.win(&claim(&read, Settlement::Done));
    assert_eq!(after.status, Status::Done);
    assert_eq!(after.attempt, read.attempt, "the fence stays: only entering `running` draws one");
    assert_eq!((after.attempts, after.max_attempts, after.rescues), (1, 2, 0));
    assert_eq!(after.run, Some(run), "the run stays on the row");
}

/// A requeue puts the job back, counts a rescue, clears what named processes, and keeps the run.
pub fn requeue_clears_the_attempt_and_counts_a_rescue(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let taken = scene.taken();
    let attempt = &taken.job.attempt;
    let attached = scene.store().attach(attempt, &process("here", 12)).expect("the database works");
    assert_eq!(attached, Written::Yes);
    let beaten = scene.store().beat(attempt).expect("the database works");
    assert_eq!(beaten, Written::Yes);
    let recorded = scene.store().record_exit(&taken.run, 3);
    assert!(recorded.is_ok());
    let read = scene.job(&attempt.job);
    assert_eq!(code(read.exit), Some(3));
    let after = scene.win(&claim(&read, REQUEUE));
    assert_requeued(&after);
    assert_eq!(after.attach, Attach::NotSaid, "the next taker may not follow the attach contract");
    assert_eq!(after.rescues, 1);
    assert_eq!(after.attempts, 1, "taking charges an attempt, requeueing does not give it back");
    assert_eq!(after.run, Some(taken.run), "the run is kept until the next take, for a late finish");
    assert_eq!(after.attempt, *attempt, "the fence stays until the next take, for a late finish");
    assert_eq!(scene.last_error(&attempt.job).as_deref(), Some("the executor is gone"));
}

/// A job that another program has running is requeued just the same.
pub fn requeue_clears_a_bare_pid(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = scene.running();
    assert_eq!(read.pid, Some(PID));
    let after = scene.win(&claim(&read, REQUEUE));
    assert_requeued(&after);
    assert_eq!((after.attempts, after.rescues), (1, 1));
}

/// Our own takes leave a requeued job alone for its wait, and take it when there is none.
pub fn requeue_waits(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let waits = scene.running();
    let _ = scene.win(&claim(&waits, Settlement::Requeue { wait: HOUR, rescue_cap: Some(5) }));
    assert_eq!(scene.try_take(&Wants::Any), None, "it waits for an hour");
    assert_eq!(scene.try_take(&Wants::Job(waits.attempt.job)), None, "it waits for whoever names it, too");
    let ready = scene.running();
    let _ = scene.win(&claim(&ready, REQUEUE));
    let taken = scene.try_take(&Wants::Any).expect("it does not wait");
    assert_eq!(taken.job.attempt.job, ready.attempt.job);
}

/// A wait that is longer than time itself is no error.
pub fn requeue_with_an_absurd_wait(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = scene.running();
    let after = scene.win(&claim(&read, Settlement::Requeue { wait: Duration::MAX, rescue_cap: Some(5) }));
    assert_requeued(&after);
    assert_eq!(scene.try_take(&Wants::Any), None);
}

/// `Fail` takes a running job to `failed`, with its reason.
pub fn fail_gives_the_job_up(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = scene.running();
    let after = scene.win(&claim(&read, Settlement::Fail));
    assert_eq!(after.status, Status::Failed);
    assert_eq!((after.attempts, after.rescues), (1, 0));
    assert_eq!(scene.last_error(&read.attempt.job).as_deref(), Some("the executor is gone"));
}

/// `Terminate` writes when the stop was announced and nothing else.
pub fn terminate_announces_a_stop_and_nothing_else(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    // Two attempts without an identity have no executor in common.
    let (read, _other) = (scene.running(), scene.running());
    let after = scene.win(&claim(&read, Settlement::Terminate));
    let at = after.terminating_at.expect("the stop is announced");
    assert!(scene.is_about(at, Duration::ZERO), "it bears the database's time: {at}");
    assert_eq!(reaper_core::JobSnapshot { terminating_at: None, ..after }, read, "nothing else is written");
}

/// An announced stop that was read may be announced anew: its first winner may have died.
pub fn terminate_is_won_anew_on_the_basis_of_the_first(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = scene.running();
    let announced = scene.win(&claim(&read, Settlement::Terminate));
    scene.lose(&claim(&read, Settlement::Terminate));
    let again = scene.win(&claim(&announced, Settlement::Terminate));
    assert_eq!(again.status, Status::Running);
    assert!(again.terminating_at >= announced.terminating_at);
}

/// Nothing is stopped that another running attempt names as its executor too.
pub fn terminate_is_lost_where_another_running_row_has_the_executor(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (one, two) = (scene.taken(), scene.taken());
    for taken in [&one, &two] {
        let attached = scene.store().attach(&taken.job.attempt, &process("here", 12)).expect("the database works");
        assert_eq!(attached, Written::Yes);
    }
    let read = scene.job(&one.job.attempt.job);
    scene.lose(&claim(&read, Settlement::Terminate));
    // Once the other does not run any more, its identity stands in nobody's way.
    scene.set_status(&two.job.attempt.job, "failed");
    assert!(scene.win(&claim(&read, Settlement::Terminate)).terminating_at.is_some());
}

/// `Dismiss` takes a late finish away and leaves the job queued.
pub fn dismiss_clears_a_late_finish(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (read, run) = scene.running_with_run();
    let _ = scene.win(&claim(&read, REQUEUE));
    scene.write_exit(&run, 0);
    let late = scene.job(&read.attempt.job);
    assert!(late.is_late_finish());
    let after = scene.win(&claim(&late, Settlement::Dismiss));
    assert_eq!(after.status, Status::Queued);
    assert_eq!(after.exit, None);
    assert_eq!(after.rescues, 1, "it counts nothing");
    assert!(scene.try_take(&Wants::Job(after.attempt.job)).is_some(), "the job can be taken again");
}

/// A person's requeue begins the rescues anew; a monitor's does not touch them.
pub fn a_persons_requeue_begins_the_rescues_anew(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let job = scene.enqueue("developer");
    for rescues in 1..=2 {
        let taken = scene.take(&job);
        assert_eq!(scene.win(&claim(&taken.job, REQUEUE)).rescues, rescues);
    }
    let taken = scene.take(&job);
    assert_eq!(scene.win(&claim_by(Actor::Monitor, &taken.job, RETRY)).rescues, 2);
    let taken = scene.take(&job);
    let after = scene.win(&claim_by(Actor::Person, &taken.job, RETRY));
    assert_eq!(after.rescues, 0);
    assert_eq!(after.attempts, 4, "it does not give attempts back");
}

/// A person may requeue a job that has failed, however often it was taken.
pub fn a_person_retries_a_failed_job(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let job = scene.insert(&ForeignJob { attempts: 2, max_attempts: 2, ..ForeignJob::running(PID, 1000) });
    let failed = scene.win(&claim(&scene.job(&job), Settlement::Fail));
    let after = scene.win(&claim_by(Actor::Person, &failed, RETRY));
    assert_requeued(&after);
    assert_eq!(after.attempts, 2);
    assert!(scene.try_take(&Wants::Job(job)).is_some());
}

/// A monitor finishes its own attempt by the same claim as a reaper.
pub fn a_monitor_finishes_its_own_attempt(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let taken = scene.taken();
    assert!(scene.store().record_exit(&taken.run, 0).is_ok());
    let read = scene.job(&taken.job.attempt.job);
    assert_eq!(scene.win(&claim_by(Actor::Monitor, &read, Settlement::Done)).status, Status::Done);
    // The reaper read the same row and comes second.
    scene.lose(&claim(&read, Settlement::Done));
}

/// The effect is stored with a claim that is won, under the attempt's key.
pub fn an_effect_is_stored_with_a_won_claim(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = scene.running();
    let task = scene.foreign().insert_task(None, "architecture").expect("a foreign insert works");
    let effect = Effect::Advance(AdvanceOrder {
        task,
        repo: "shop".into(),
        from: "architecture".into(),
        version: 7.into(),
        to: "development".into(),
        next_agent: Some("reviewer".into()),
    });
    let _ = scene.win(&Claim { effect: Some(effect.clone()), ..claim(&read, Settlement::Done) });
    let rows = scene.store().undelivered(10).expect("a read works");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].key, claim_key(&read.attempt, &effect));
    assert_eq!(rows[0].effect, effect, "every field comes back");
}

/// A claim that is lost stores no effect.
pub fn an_effect_is_not_stored_with_a_lost_claim(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = scene.running();
    scene.set_status(&read.attempt.job, "done");
    scene.lose(&Claim { effect: Some(alert("no")), ..claim(&read, Settlement::Fail) });
    assert_eq!(scene.store().undelivered(10).expect("a read works"), []);
}

/// Two claims of one attempt with effects of one kind store the first of them alone; both are won.
pub fn an_effect_is_stored_once_per_key(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = scene.running();
    let stop = Claim { effect: Some(alert("first")), ..claim(&read, Settlement::Terminate) };
    let read = scene.win(&stop);
    let _ = scene.win(&Claim { effect: Some(alert("second")), ..claim(&read, Settlement::Fail) });
    let rows = scene.store().undelivered(10).expect("a read works");
    assert_eq!(rows.iter().map(|row| &row.effect).collect::<Vec<_>>(), [&alert("first")]);
}

/// A set is answered in its order, and each of its claims stands for itself.
pub fn a_set_is_answered_in_order(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let rows: Vec<_> = (0..20).map(|_| scene.running()).collect();
    for moved in rows.iter().step_by(3) {
        scene.set_status(&moved.attempt.job, "done");
    }
    let claims: Vec<_> = rows.iter().rev().map(|row| claim(row, REQUEUE)).collect();
    let mut outcomes = scene.settle_all(&claims);
    outcomes.reverse();
    for (at, (row, outcome)) in rows.iter().zip(outcomes).enumerate() {
        let (expected, status) = if at % 3 == 0 { (Outcome::Lost, "done") } else { (Outcome::Won, "queued") };
        assert_eq!(outcome, expected, "row {at}");
        assert_eq!(scene.job(&row.attempt.job).status.as_str(), status, "row {at}");
    }
}

/// One attempt twice in a set is settled once.
pub fn a_set_with_one_attempt_twice_settles_it_once(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = scene.running();
    let outcomes = scene.settle_all(&[claim(&read, REQUEUE), claim(&read, Settlement::Fail)]);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Won).count(), 1);
    assert_eq!(scene.events().len(), 1);
}

/// An empty set is answered with nothing.
pub fn an_empty_set_is_nothing(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    assert_eq!(scene.settle_all(&[]), []);
}

/// A row that the database refuses is left out, says why, and hinders no other of its set.
pub fn a_refused_row_hinders_no_other(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let rows: Vec<_> = (0..9).map(|_| scene.running()).collect();
    let stubborn = &rows[4].attempt.job;
    scene.foreign().refuse_updates(stubborn).expect("a foreign trigger can be made");
    let effect = Some(alert("given up"));
    let claims: Vec<_> =
        rows.iter().map(|row| Claim { effect: effect.clone(), ..claim(row, Settlement::Fail) }).collect();
    let outcomes = scene.settle_all(&claims);
    for (row, outcome) in rows.iter().zip(outcomes) {
        let after = scene.job(&row.attempt.job);
        if row.attempt.job == *stubborn {
            assert!(matches!(&outcome, Outcome::Refused(why) if !why.is_empty()), "{outcome:?}");
            assert_eq!(after, *row, "nothing of it is changed");
        } else {
            assert_eq!((outcome, after.status), (Outcome::Won, Status::Failed));
        }
    }
    assert_eq!(scene.events_of(claims[4].event), 0, "a refused claim has no event");
    assert_eq!(scene.events().len(), 8);
    assert_eq!(scene.store().undelivered(20).expect("a read works").len(), 8, "nor an effect");
}

/// The start-up requeue puts every running job back, whoever lives, and says how many, with an event each.
pub fn requeue_all_running_takes_every_running_row(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (foreign, taken) = (scene.running(), scene.taken());
    let spoilt = scene.running().attempt.job;
    scene.foreign().spoil_job(&spoilt).expect("a foreign update works");
    for word in ["queued", "done", "failed", "paused"] {
        scene.insert(&ForeignJob { status: word.into(), ..ForeignJob::default() });
    }
    assert_eq!(scene.store().requeue_all_running().expect("the database works"), 3);
    for before in [&foreign, &taken.job] {
        let after = scene.job(&before.attempt.job);
        assert_requeued(&after);
        assert_eq!(after.attempts, before.attempts);
        scene.lose(&claim(before, REQUEUE));
    }
    let events = scene.events();
    assert_eq!(events.iter().filter(|event| event.action == "requeue_all").count(), 3);
    let mut jobs: Vec<_> = events.into_iter().filter_map(|event| event.job).collect();
    jobs.sort();
    let mut expected = [foreign.attempt.job, taken.job.attempt.job, spoilt];
    expected.sort();
    assert_eq!(jobs, expected);
    assert_eq!(scene.store().requeue_all_running().expect("the database works"), 0);
}

/// It takes all or none: a row that the database refuses ends it, and nothing was changed.
pub fn requeue_all_running_takes_all_or_none(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let rows: Vec<_> = (0..3).map(|_| scene.running().attempt.job).collect();
    scene.foreign().refuse_updates(&rows[1]).expect("a foreign trigger can be made");
    let before = scene.dump();
    assert!(scene.store().requeue_all_running().is_err());
    assert_eq!(scene.dump(), before);
}
