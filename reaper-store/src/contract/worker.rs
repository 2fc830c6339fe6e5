//! The worker's side: enqueue, take, attach, beat, record the exit.

use std::time::Duration;

use reaper_core::{
    Attempt, Fence, Status,
    job::{Attach, Beat},
};

use super::{
    Subject,
    scene::{HOUR, PID, REQUEUE, RETRY, Scene, claim, claim_by, code, process},
};
use crate::{
    Settlement,
    attempts::{Enqueued, LONGEST_PAYLOAD, NewJob, Recorded, Wants, Written},
    claims::Actor,
    foreign::{ForeignJob, When},
};

/// A take charges the attempt, makes its run, names the monitor, and leaves the executor to be attached.
pub fn a_take_begins_an_attempt(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let job = scene.enqueue("developer");
    let queued = scene.job(&job);
    assert_eq!((queued.status, queued.attempts, queued.max_attempts), (Status::Queued, 0, 3));
    let monitor = process("here", 11);
    let taken = scene
        .store()
        .take(&Wants::Any, &crate::attempts::Launcher::free(monitor.clone()))
        .expect("a take works")
        .expect("a job is due");
    let row = &taken.job;
    assert_eq!(
        (row.attempt.job.clone(), row.status, row.attempts, row.rescues),
        (job.clone(), Status::Running, 1, 0)
    );
    assert_eq!(row.run.as_ref(), Some(&taken.run));
    assert_eq!(row.monitor, Some(monitor));
    assert_eq!((&row.executor, row.pid, row.attach), (&None, None, Attach::Pending));
    assert_eq!((row.exit, row.beat, row.terminating_at), (None, None, None));
    assert!(scene.is_about(row.started_at.expect("it began"), Duration::ZERO));
    assert_eq!((row.agent.as_str(), row.repo.as_str()), ("developer", "shop"));
    assert_eq!(*row, scene.job(&job), "it is the row as it stands");
    assert_eq!(scene.foreign().exit_code(&taken.run).expect("the run is there"), None);
}

/// The oldest that is due goes first; there is nothing after the last.
pub fn the_oldest_goes_first(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let jobs: Vec<_> = (0..3).map(|_| scene.enqueue("developer")).collect();
    for job in jobs {
        assert_eq!(scene.try_take(&Wants::Any).expect("a job is due").job.attempt.job, job);
    }
    assert_eq!(scene.try_take(&Wants::Any), None);
}

/// A worker that wants jobs of one agent gets those.
pub fn a_worker_of_one_agent_gets_its_jobs(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (other, own) = (scene.enqueue("developer"), scene.enqueue("reviewer"));
    let wants = Wants::Agent("reviewer".into());
    assert_eq!(scene.try_take(&wants).expect("a job is due").job.attempt.job, own);
    assert_eq!(scene.try_take(&wants), None);
    assert_eq!(scene.job(&other).status, Status::Queued);
}

/// A worker that wants one job gets that, or nothing.
pub fn a_worker_of_one_job_gets_that(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (first, second) = (scene.enqueue("developer"), scene.enqueue("developer"));
    assert_eq!(scene.take(&second).job.attempt.job, second);
    assert_eq!(scene.try_take(&Wants::Job(second)), None, "it runs already");
    assert_eq!(scene.job(&first).status, Status::Queued);
}

/// Only what is queued is taken.
pub fn only_queued_jobs_are_taken(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for word in ["running", "done", "failed", "paused"] {
        scene.insert(&ForeignJob { status: word.into(), ..ForeignJob::default() });
    }
    assert_eq!(scene.try_take(&Wants::Any), None);
    let job = scene.insert(&ForeignJob::default());
    assert_eq!(scene.try_take(&Wants::Any).expect("a job is due").job.attempt.job, job);
}

/// A job that waits hinders none behind it.
pub fn a_waiting_job_hinders_none(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let waits = scene.taken().job;
    let _ = scene.win(&claim(&waits, Settlement::Requeue { wait: HOUR, rescue_cap: Some(5) }));
    let behind = scene.enqueue("developer");
    assert_eq!(scene.try_take(&Wants::Any).expect("a job is due").job.attempt.job, behind);
    assert_eq!(scene.try_take(&Wants::Any), None);
}

/// A row that does not parse hinders none behind it.
pub fn a_bad_row_hinders_none(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (bad, good) = (scene.enqueue("developer"), scene.enqueue("developer"));
    scene.foreign().spoil_job(&bad).expect("a foreign update works");
    assert_eq!(scene.try_take(&Wants::Any).expect("a job is due").job.attempt.job, good);
}

/// A source key is enqueued once, whatever has become of its job.
pub fn a_source_key_is_enqueued_once(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let new = |key: Option<&str>| NewJob {
        agent: "developer".into(),
        repo: "shop".into(),
        task: None,
        max_attempts: 2,
        source_key: key.map(str::to_owned),
        payload: None,
    };
    let enqueue = |key| scene.store().enqueue(&new(key)).expect("the database works");
    let Enqueued::New(job) = enqueue(Some("a")) else { panic!("it is new") };
    assert_eq!(enqueue(Some("a")), Enqueued::Known(job.clone()));
    scene.set_status(&job, "done");
    assert_eq!(enqueue(Some("a")), Enqueued::Known(job));
    for key in [Some("b"), None, None] {
        assert!(matches!(enqueue(key), Enqueued::New(_)), "{key:?}");
    }
}

/// A payload comes back with each take as it was enqueued, and one that could not is refused.
pub fn a_payload_comes_with_the_take(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let new = |payload: Option<String>| NewJob {
        agent: "developer".into(),
        repo: "shop".into(),
        task: None,
        max_attempts: 3,
        source_key: None,
        payload,
    };
    let longest = "x".repeat(LONGEST_PAYLOAD);
    let hostile = "{\"a\": \"'; $(x)\\n\u{fffd}\u{1b}\"}\r\n\n";
    for payload in [None, Some(""), Some(hostile), Some(&longest)] {
        let payload = payload.map(str::to_owned);
        let enqueued = scene.store().enqueue(&new(payload.clone())).expect("the database works");
        let Enqueued::New(job) = enqueued else { panic!("it is new") };
        assert_eq!(scene.store().unreadable_payloads(10).expect("a read works"), []);
        for _ in 0..2 {
            let taken = scene.try_take(&Wants::Job(job.clone())).expect("the job is due");
            assert_eq!(taken.payload, payload, "it stays with the job");
            let _ = scene.win(&claim_by(Actor::Person, &taken.job, RETRY));
        }
        scene.set_status(&job, "done");
    }
    for refused in [format!("{longest}x"), "a\0b".to_owned()] {
        assert!(scene.store().enqueue(&new(Some(refused))).is_err());
    }
    assert_eq!(scene.try_take(&Wants::Any), None, "nothing of what was refused is there");
}

/// Attach stores the executor, and says that it was let go.
pub fn an_attach_stores_the_executor(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let taken = scene.taken().job;
    let executor = process("here", 12);
    let written = scene.store().attach(&taken.attempt, &executor).expect("the database works");
    assert_eq!(written, Written::Yes);
    let row = scene.job(&taken.attempt.job);
    assert_eq!((row.executor, row.attach), (Some(executor), Attach::Done));
    assert_eq!((row.monitor, row.attempt, row.run), (taken.monitor, taken.attempt, taken.run));
}

/// An identity of which little is known comes back as it was stored.
pub fn a_poor_identity_comes_back(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let taken = scene.taken().job;
    let executor = reaper_core::ProcessIdentity {
        pid_namespace: None,
        start_time: None,
        inode: None,
        ..process("höst-1.example", u32::MAX)
    };
    let written = scene.store().attach(&taken.attempt, &executor).expect("the database works");
    assert_eq!(written, Written::Yes);
    assert_eq!(scene.job(&taken.attempt.job).executor, Some(executor));
}

/// A beat counts, and bears the database's time.
pub fn a_beat_counts(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let taken = scene.taken().job;
    for expected in 1..=3 {
        let written = scene.store().beat(&taken.attempt).expect("the database works");
        assert_eq!(written, Written::Yes);
        let Beat { count, at } = scene.job(&taken.attempt.job).beat.expect("it has beaten");
        assert_eq!(count, expected);
        assert!(scene.is_about(at, Duration::ZERO), "{at}");
    }
}

/// A worker whose attempt was taken away is told so, and changes nothing.
fn assert_not_mine(scene: Scene<'_>, attempt: &Attempt) {
    let before = scene.dump();
    let attached = scene.store().attach(attempt, &process("late", 13)).expect("the database works");
    assert_eq!(attached, Written::NotMine);
    assert_eq!(scene.store().beat(attempt).expect("the database works"), Written::NotMine);
    assert_eq!(scene.dump(), before);
}

/// After a requeue, after another take, and after the end, the attempt is nobody's any more.
pub fn a_worker_that_came_late_changes_nothing(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let old = scene.taken().job;
    let _ = scene.win(&claim(&old, REQUEUE));
    assert_not_mine(scene, &old.attempt);
    let new = scene.take(&old.attempt.job).job;
    assert_not_mine(scene, &old.attempt);
    let _ = scene.win(&claim_by(Actor::Monitor, &new, Settlement::Done));
    assert_not_mine(scene, &new.attempt);
    let other = Attempt { fence: Fence::from(1), ..scene.taken().job.attempt };
    assert_not_mine(scene, &other);
    assert_not_mine(scene, &Attempt { job: 9_999.into(), ..other });
}

/// A run's exit is recorded once, and the first one stands.
pub fn an_exit_is_recorded_once(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let taken = scene.taken();
    let record = |code| scene.store().record_exit(&taken.run, code).expect("the database works");
    assert_eq!(record(7), Recorded::New);
    let first = scene.job(&taken.job.attempt.job);
    assert_eq!(code(first.exit), Some(7));
    assert!(scene.is_about(first.exit.expect("it is mirrored").at, Duration::ZERO));
    assert_eq!(record(0), Recorded::Known);
    assert_eq!(scene.foreign().exit_code(&taken.run).expect("a foreign read works"), Some(7));
    assert_eq!(scene.job(&taken.job.attempt.job), first);
}

/// There is nothing to record where there is no run.
pub fn an_exit_without_a_run(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let recorded = scene.store().record_exit(&9_999.into(), 0).expect("the database works");
    assert_eq!(recorded, Recorded::NoSuchRun);
}

/// An exit is recorded whatever has become of its job, and changes that no more.
pub fn an_exit_is_recorded_whatever_became_of_the_job(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (ended, gone) = (scene.taken(), scene.taken());
    assert_eq!(scene.win(&claim(&ended.job, Settlement::Fail)).status, Status::Failed);
    scene.foreign().delete_job(&gone.job.attempt.job).expect("a foreign delete works");
    for run in [&ended.run, &gone.run] {
        assert_eq!(scene.store().record_exit(run, 0).expect("the database works"), Recorded::New);
        assert_eq!(scene.foreign().exit_code(run).expect("a foreign read works"), Some(0));
    }
    assert_eq!(scene.job(&ended.job.attempt.job).status, Status::Failed);
}

/// A job that another program took and finished is ours to take again after a requeue.
pub fn a_foreign_job_is_taken_like_any_other(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let run = scene.foreign().insert_run(Some(1), When::secs_ago(5)).expect("a foreign insert works");
    let job = scene.insert(&ForeignJob { run: Some(run.clone()), ..ForeignJob::running(PID, 1000) });
    let _ = scene.win(&claim_by(Actor::Person, &scene.job(&job), RETRY));
    let taken = scene.take(&job);
    assert_ne!(taken.run, run, "it has a run of its own");
    assert_eq!((taken.job.pid, taken.job.exit, taken.job.attempts), (None, None, 2));
}

/// Texts that mean something to a database, a shell or a terminal come back as they were, and harm nothing.
pub fn hostile_texts_come_back_as_they_were(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for text in ["'; DROP TABLE jobs; --", "\"$(reboot)\"", "-rf", "a\nb\tc", "\u{1b}[31mred", "%s{}\\", "ждать"]
    {
        let job = scene.enqueue(text);
        let taken = scene.try_take(&Wants::Agent(text.into())).expect("a job is due");
        assert_eq!((&taken.job.attempt.job, taken.job.agent.as_str()), (&job, text));
        let fail = crate::Claim { reason: text.into(), ..claim(&taken.job, Settlement::Fail) };
        let _ = scene.win(&fail);
        assert_eq!(scene.last_error(&job).as_deref(), Some(text));
    }
}
