//! Loads: the sets that a load is the union of, and what stands on their boundaries.

use std::time::Duration;

use chrono::TimeDelta;
use reaper_core::{
    JobId, NodeId, ProcessIdentity, Timestamp,
    node::{Lost, LostAttempts},
};

use super::{
    Subject,
    scene::{HOUR, PID, Scene, claim, nothing, process},
};
use crate::{
    Settlement,
    attempts::{Launcher, Written},
    facts::{Here, Wanted},
    foreign::{ForeignJob, JobColumn, When},
};

pub(super) fn ago(scene: Scene<'_>, secs: i64) -> Timestamp {
    scene.now() - TimeDelta::seconds(secs)
}

pub(super) fn with_exit(scene: Scene<'_>, code: i32, finished_at: When) -> JobId {
    let run = scene.foreign().insert_run(Some(code), finished_at).expect("a foreign insert works");
    scene.insert(&ForeignJob { run: Some(run), ..ForeignJob::running(PID, 5000) })
}

pub(super) fn attached(scene: Scene<'_>, monitor: &ProcessIdentity, executor: Option<&ProcessIdentity>) -> JobId {
    launched(scene, &Launcher::free(monitor.clone()), executor)
}

pub(super) fn launched(scene: Scene<'_>, launcher: &Launcher, executor: Option<&ProcessIdentity>) -> JobId {
    let wants = crate::attempts::Wants::Job(scene.enqueue("developer"));
    let taken = scene.store().take(&wants, launcher).expect("a take works").expect("the job is due");
    if let Some(executor) = executor {
        let written = scene.store().attach(&taken.job.attempt, executor).expect("the database works");
        assert_eq!(written, Written::Yes);
    }
    taken.job.attempt.job
}

pub(super) fn here(bare_pids: bool) -> Wanted {
    Wanted { here: Some(Here { host: "here".into(), bare_pids, since: None }), ..nothing() }
}

/// A load that wants nothing gives nothing, and the database's clock.
pub fn nothing_is_wanted(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (_, _) = (scene.running(), with_exit(scene, 0, When::secs_ago(900)));
    let page = scene.store().load(&nothing(), &crate::facts::Cursor::default(), 10).expect("a load works");
    assert!(page.rows.is_empty() && page.next.is_none());
    assert!(scene.is_about(page.now, Duration::ZERO));
}

/// Asserts that a load gives the oldest so many of these jobs, which are 300, 200 and 100 s old.
fn assert_by_age(scene: Scene<'_>, jobs: &[JobId; 3], wanted_until: impl Fn(Timestamp) -> Wanted) {
    for (until, oldest) in [(350, 0), (250, 1), (150, 2), (50, 3)] {
        let mut expected = jobs[..oldest].to_vec();
        expected.sort();
        let wanted = wanted_until(ago(scene, until));
        assert_eq!(scene.load_ids(&wanted, 10), expected, "until {until} s ago");
    }
}

/// Exits that are not younger than the instant.
pub fn exits_by_their_time(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let jobs = [300, 200, 100].map(|secs| with_exit(scene, 1, When::secs_ago(secs)));
    let _running = scene.running();
    assert_by_age(scene, &jobs, |until| Wanted { exits_until: until, ..nothing() });
}

/// An exit exactly as old as the instant belongs to the set.
pub fn an_exit_on_the_boundary(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let job = with_exit(scene, 0, When::secs_ago(300));
    let at = scene.job(&job).exit.expect("it is mirrored").at;
    assert_eq!(scene.load_ids(&Wanted { exits_until: at, ..nothing() }, 10), [job]);
    let before = at - TimeDelta::seconds(1);
    assert_eq!(scene.load_ids(&Wanted { exits_until: before, ..nothing() }, 10), []);
}

/// Beginnings that are not younger than the instant, of what has no exit.
pub fn beginnings_by_their_time(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let jobs = [300, 200, 100].map(|secs| scene.insert(&ForeignJob::running(PID, secs)));
    let _with_exit = with_exit(scene, 0, When::secs_ago(2000));
    for word in ["queued", "done", "failed"] {
        scene.insert(&ForeignJob { status: word.into(), ..ForeignJob::running(PID, 1000) });
    }
    assert_by_age(scene, &jobs, |until| Wanted { started_until: until, ..nothing() });
}

/// A beginning exactly as old as the instant belongs to the set.
pub fn a_beginning_on_the_boundary(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let read = scene.running();
    let at = read.started_at.expect("it began");
    let job = read.attempt.job;
    assert_eq!(scene.load_ids(&Wanted { started_until: at, ..nothing() }, 10), [job]);
    let before = at - TimeDelta::seconds(1);
    assert_eq!(scene.load_ids(&Wanted { started_until: before, ..nothing() }, 10), []);
}

/// A row whose time is missing, unreadable or in the future is reached like any other, by when it was seen.
pub fn a_missing_time_hides_no_row(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for when in [When::Null, When::Unreadable, When::Ahead(HOUR)] {
        let began = scene.insert(&ForeignJob { started_at: when, ..ForeignJob::running(PID, 0) });
        let ended = with_exit(scene, 0, when);
        let soon = scene.now() + TimeDelta::seconds(60);
        let wanted = Wanted { started_until: soon, ..nothing() };
        assert!(scene.load_ids(&wanted, 10).contains(&began), "{when:?}");
        let wanted = Wanted { exits_until: soon, ..nothing() };
        assert!(scene.load_ids(&wanted, 10).contains(&ended), "{when:?}");
    }
}

/// An inherited beginning does not make a row old, and a written one does.
pub fn an_inherited_beginning_is_not_old(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let job = scene.insert(&ForeignJob::running(PID, 5000));
    scene.set_status(&job, "queued");
    scene.set_status(&job, "running");
    let wanted = Wanted { started_until: ago(scene, 1000), ..nothing() };
    let old: Vec<_> = scene.load(&wanted, 10).into_iter().flatten().filter_map(|row| row.started_at).collect();
    assert!(old.iter().all(|at| scene.is_about(*at, Duration::ZERO)), "a prefilter may show it, but not as old");
    scene.update(&job, &[JobColumn::StartedAt(When::secs_ago(4000))]);
    assert_eq!(scene.load_ids(&wanted, 10), [job]);
}

/// Suspects by id, however young, as long as they run.
pub fn suspects_by_id(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (one, other) = (scene.taken().job.attempt.job, scene.taken().job.attempt.job);
    let wanted = Wanted { suspects: vec![one.clone(), 9_999.into(), one.clone()], ..nothing() };
    assert_eq!(scene.load_ids(&wanted, 10), [one]);
    assert_ne!(other, 9_999.into());
}

/// This host's attempts: by the executor, by the monitor (an exit beside it or not), never another host's.
pub fn attempts_of_this_host(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (ours, theirs) = (process("here", 11), process("there", 11));
    let mut expected = vec![
        attached(scene, &ours, Some(&ours)),
        attached(scene, &theirs, Some(&ours)),
        attached(scene, &ours, Some(&theirs)),
        attached(scene, &ours, None),
    ];
    let ended = scene.taken();
    assert!(scene.store().record_exit(&ended.run, 0).is_ok());
    expected.push(ended.job.attempt.job);
    expected.sort();
    let (_, _) = (attached(scene, &theirs, Some(&theirs)), attached(scene, &theirs, None));
    let _foreign = scene.running();
    let done = scene.taken().job;
    let _ = scene.win(&claim(&done, Settlement::Done));
    assert_eq!(scene.load_ids(&here(false), 10), expected);
}

/// This host's attempts since an instant: those that began then or later, and those whose exit was recorded then or
/// later, whenever they began. The row on the boundary is one of them.
pub fn attempts_of_this_host_since_an_instant(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let began = |secs| scene.insert(&ForeignJob::running(PID, secs));
    let (old, young) = (began(2000), began(20));
    let (long_ended, just_ended) =
        (with_exit(scene, 0, When::secs_ago(2000)), with_exit(scene, 0, When::secs_ago(20)));
    let theirs = attached(scene, &process("there", 11), Some(&process("there", 12)));
    let ours = attached(scene, &process("there", 11), Some(&process("here", 12)));
    let since =
        |at| Wanted { here: Some(Here { host: "here".into(), bare_pids: true, since: Some(at) }), ..nothing() };
    let mut expected = [young.clone(), just_ended, ours];
    expected.sort();
    for limit in [1, 10] {
        assert_eq!(scene.load_ids(&since(ago(scene, 1000)), limit), expected, "pages of {limit}");
    }
    let at = scene.job(&old).started_at.expect("it began");
    assert!(scene.load_ids(&since(at), 10).contains(&old), "it began at that instant");
    let later = scene.load_ids(&since(at + TimeDelta::milliseconds(1)), 10);
    assert!(!later.contains(&old) && !later.contains(&theirs), "{later:?}");
    let at = scene.job(&long_ended).exit.expect("it ended").at;
    assert!(scene.load_ids(&since(at), 10).contains(&long_ended), "it ended at that instant");
    let unbelieved =
        Wanted { here: Some(Here { host: "here".into(), bare_pids: false, since: Some(at) }), ..nothing() };
    assert!(!scene.load_ids(&unbelieved, 10).contains(&young), "bare pids are not believed");
}

/// Who belongs to this host and to a lost node is loaded for the node where this host wants new attempts alone, and
/// once where it is new.
pub fn a_lost_node_beside_new_attempts_of_this_host(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (there, here) = (process("there", 11), process("here", 12));
    let job = attached(scene, &here, Some(&there));
    let at = scene.job(&job).started_at.expect("it began");
    let lost =
        vec![Lost { host: there.host.clone(), prefix: NodeId::of(&there).prefix(), attempts: LostAttempts::All }];
    for since in [None, Some(at), Some(at + TimeDelta::hours(1))] {
        let here = Some(Here { host: "here".into(), bare_pids: true, since });
        let wanted = Wanted { here, lost: lost.clone(), ..nothing() };
        assert_eq!(scene.load_ids(&wanted, 10), std::slice::from_ref(&job), "since {since:?}");
    }
}

/// A bare pid is this host's where bare pids are trusted; an inherited one is none, and one that stands beside
/// another host's identity is that host's.
pub fn bare_pids_where_they_are_trusted(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let bare = scene.running().attempt.job;
    let inherited = scene.running().attempt.job;
    scene.set_status(&inherited, "queued");
    scene.set_status(&inherited, "running");
    let without = scene.insert(&ForeignJob { pid: None, ..ForeignJob::running(PID, 1000) });
    let theirs = attached(scene, &process("there", 11), Some(&process("there", 12)));
    scene.update(&theirs, &[JobColumn::Pid(Some(PID))]);
    assert_eq!(scene.load_ids(&here(true), 10), [bare]);
    assert_eq!(scene.load_ids(&here(false), 10), []);
    assert_ne!(without, inherited);
}

/// A job that is not there is none.
pub fn a_job_that_is_not_there(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    assert_eq!(scene.store().job(&9_999.into()).expect("a read works"), None);
}
