//! Loads: each set, paging that reaches everything once, bad rows that hinder no other, and no row hidden on which
//! `decide` would act.

use std::time::Duration;

use chrono::TimeDelta;
use reaper_core::{
    Certainty, Clock, Finding, JobId, JobSnapshot, Liveness, Observation, Policy, ProcessIdentity, Sighting,
    Timestamp, decide,
};

use super::{
    Subject,
    scene::{HOUR, PID, Scene, claim, id_of, nothing, process},
};
use crate::{
    Settlement,
    attempts::Written,
    facts::{Here, Wanted},
    foreign::{ForeignJob, JobColumn, RunColumn, When},
};

fn ago(scene: Scene<'_>, secs: i64) -> Timestamp {
    scene.now() - TimeDelta::seconds(secs)
}

fn with_exit(scene: Scene<'_>, code: i32, finished_at: When) -> JobId {
    let run = scene.foreign().insert_run(Some(code), finished_at).expect("a foreign insert works");
    scene.insert(&ForeignJob { run: Some(run), ..ForeignJob::running(PID, 5000) })
}

fn attached(scene: Scene<'_>, monitor: &ProcessIdentity, executor: Option<&ProcessIdentity>) -> JobId {
    let wants = crate::attempts::Wants::Job(scene.enqueue("developer"));
    let taken = scene.store().take(&wants, monitor).expect("a take works").expect("the job is due");
    if let Some(executor) = executor {
        let written = scene.store().attach(&taken.job.attempt, executor).expect("the database works");
        assert_eq!(written, Written::Yes);
    }
    taken.job.attempt.job
}

fn here(bare_pids: bool) -> Wanted {
    Wanted { here: Some(Here { host: "here".into(), bare_pids }), ..nothing() }
}

/// A load that wants nothing gives nothing, and the database's clock.
pub fn nothing_is_wanted(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (_, _) = (scene.running(), with_exit(scene, 0, When::secs_ago(900)));
    let page = scene.store().load(&nothing(), &crate::facts::Cursor::default(), 10).expect("a load works");
    assert!(page.rows.is_empty() && page.next.is_none());
    assert!(scene.is_about(page.now, Duration::ZERO));
}

/// Exits that are not younger than the instant.
pub fn exits_by_their_time(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let [young, middle, old] = [100, 200, 300].map(|secs| with_exit(scene, 1, When::secs_ago(secs)));
    let _running = scene.running();
    for (until, expected) in [
        (250, vec![old.clone()]),
        (150, vec![middle.clone(), old.clone()]),
        (50, vec![young.clone(), middle.clone(), old.clone()]),
        (350, vec![]),
    ] {
        let mut expected = expected;
        expected.sort();
        let wanted = Wanted { exits_until: ago(scene, until), ..nothing() };
        assert_eq!(scene.load_ids(&wanted, 10), expected, "until {until} s ago");
    }
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
    let [young, middle, old] = [100, 200, 300].map(|secs| scene.insert(&ForeignJob::running(PID, secs)));
    let _with_exit = with_exit(scene, 0, When::secs_ago(2000));
    for word in ["queued", "done", "failed"] {
        scene.insert(&ForeignJob { status: word.into(), ..ForeignJob::running(PID, 1000) });
    }
    for (until, expected) in [
        (250, vec![old.clone()]),
        (150, vec![middle.clone(), old.clone()]),
        (50, vec![young.clone(), middle.clone(), old.clone()]),
        (350, vec![]),
    ] {
        let mut expected = expected;
        expected.sort();
        let wanted = Wanted { started_until: ago(scene, until), ..nothing() };
        assert_eq!(scene.load_ids(&wanted, 10), expected, "until {until} s ago");
    }
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

/// Rows of every set, many of them in several sets at once.
fn many(scene: Scene<'_>) -> (Wanted, Vec<JobId>) {
    let ours = process("here", 11);
    let mut jobs = Vec::new();
    for n in 0..7 {
        jobs.push(scene.insert(&ForeignJob::running(PID, 1000 + n)));
        jobs.push(with_exit(scene, 1, When::secs_ago(900)));
        jobs.push(attached(scene, &ours, (n % 2 == 0).then_some(&ours)));
        let (late, run) = scene.running_with_run();
        scene.set_status(&late.attempt.job, "queued");
        scene.write_exit(&run, 0);
        jobs.push(late.attempt.job);
        let null = scene.insert(&ForeignJob { started_at: When::Null, ..ForeignJob::running(PID, 0) });
        jobs.push(null);
        let _done = scene.insert(&ForeignJob { status: "done".into(), ..ForeignJob::running(PID, 1000) });
    }
    jobs.sort();
    let wanted = Wanted {
        exits_until: scene.now() + TimeDelta::seconds(60),
        started_until: scene.now() + TimeDelta::seconds(60),
        late_finishes: true,
        suspects: jobs.clone(),
        here: Some(Here { host: "here".into(), bare_pids: true }),
    };
    (wanted, jobs)
}

/// Whatever the pages' size, each row comes exactly once.
pub fn pages_reach_everything_once(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (wanted, jobs) = many(scene);
    for limit in [1, 2, 3, 1000] {
        assert_eq!(scene.load_ids(&wanted, limit), jobs, "pages of {limit}");
    }
}

/// A page holds at most so many rows from each set, so that memory stays bounded.
pub fn pages_are_bounded(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for _ in 0..10 {
        let _running = scene.running();
    }
    let wanted = Wanted { started_until: ago(scene, 500), ..nothing() };
    let page = scene.store().load(&wanted, &crate::facts::Cursor::default(), 3).expect("a load works");
    assert!((1..=3).contains(&page.rows.len()), "{}", page.rows.len());
    assert!(page.next.is_some());
}

/// A row that was settled between two pages does not hide those behind it.
pub fn pages_survive_settlements_between_them(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let mut jobs: Vec<_> = (0..9).map(|n| scene.insert(&ForeignJob::running(PID, 1000 + n))).collect();
    jobs.sort();
    let wanted = Wanted { started_until: ago(scene, 500), ..nothing() };
    let (mut seen, mut from) = (Vec::new(), Some(crate::facts::Cursor::default()));
    for _ in 0..50 {
        let Some(cursor) = from else { break };
        let page = scene.store().load(&wanted, &cursor, 2).expect("a load works");
        for row in page.rows.into_iter().flatten() {
            seen.push(row.attempt.job.clone());
            let _ = scene.win(&claim(&row, Settlement::Fail));
        }
        from = page.next;
    }
    seen.sort();
    assert_eq!(seen, jobs);
}

/// A row that does not parse says which column, harms no other, and does not end the load.
pub fn a_bad_row_harms_no_other(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let [before, bad, after] = [1200, 1100, 1000].map(|secs| scene.insert(&ForeignJob::running(PID, secs)));
    scene.foreign().spoil_job(&bad).expect("a foreign update works");
    let wanted = Wanted { started_until: ago(scene, 500), ..nothing() };
    let rows = scene.load(&wanted, 10);
    assert_eq!(rows.len(), 3);
    for row in rows {
        match row {
            Ok(row) => assert!([&before, &after].contains(&&row.attempt.job)),
            Err(problem) => {
                assert_eq!(problem.job, bad);
                assert!(!problem.column.is_empty() && !problem.problem.is_empty());
            }
        }
    }
    assert_eq!(scene.bad(&bad).job, bad, "nor does a look at it alone fail");
}

/// A page full of bad rows does not starve the good ones behind them.
pub fn bad_rows_starve_none(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for n in 0..5 {
        let bad = scene.insert(&ForeignJob::running(PID, 2000 + n));
        scene.foreign().spoil_job(&bad).expect("a foreign update works");
    }
    let good = scene.insert(&ForeignJob::running(PID, 1000));
    let wanted = Wanted { started_until: ago(scene, 500), ..here(true) };
    for limit in [1, 2, 5] {
        let rows = scene.load(&wanted, limit);
        assert_eq!(rows.len(), 6, "pages of {limit}");
        assert!(rows.iter().any(|row| row.is_ok() && id_of(row) == good), "pages of {limit}");
    }
}

/// A status of another program's making is no running job, and a bad row to whoever asks for it.
pub fn a_foreign_status_is_no_running_job(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let job = scene.insert(&ForeignJob { status: "paused".into(), ..ForeignJob::running(PID, 1000) });
    let wanted = Wanted { started_until: ago(scene, 500), ..here(true) };
    assert_eq!(scene.load_ids(&wanted, 10), []);
    assert_eq!(scene.bad(&job).column, "status");
}

/// A job that is not there is none.
pub fn a_job_that_is_not_there(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    assert_eq!(scene.store().job(&9_999.into()).expect("a read works"), None);
}

/// What a pass loads hides no row on which `decide` would act: rows of all kinds, from a fixed seed.
pub fn no_row_is_hidden_on_which_decide_would_act(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let mut dice = fastrand::Rng::with_seed(20_260_504);
    let jobs: Vec<_> = (0..150).map(|_| random_job(scene, &mut dice)).collect();
    let mut policy = Policy::default();
    policy.limits.start_timeout = Some(HOUR);
    let clock = Clock::at(scene.now());
    let wanted = Wanted {
        exits_until: clock.latest_with(policy.shortest_grace()),
        started_until: clock.latest_with(policy.shortest_running()),
        late_finishes: true,
        suspects: Vec::new(),
        here: Some(Here { host: "here".into(), bare_pids: true }),
    };
    let loaded = scene.load_ids(&wanted, 7);
    let mut acted = 0;
    for job in jobs {
        let row = scene.job(&job);
        let decision = decide(&row, &worst(&row), &clock, &policy);
        if decision.action.is_claim() || decision.action.as_str() == "ask_gate" {
            acted += 1;
            assert!(loaded.contains(&job), "{decision:?} about {row:?}");
        }
    }
    assert!(acted > 20, "the rows are of all kinds: {acted} of 150 are acted on");
}

fn random_job(scene: Scene<'_>, dice: &mut fastrand::Rng) -> JobId {
    let when = |dice: &mut fastrand::Rng| match dice.u8(0..6) {
        0 => When::Null,
        1 => When::Ahead(HOUR),
        2 => When::Unreadable,
        _ => When::secs_ago(dice.choice([10, 200, 400, 3000, 4000, 20_000, 30_000]).unwrap_or(10)),
    };
    let job = if dice.bool() {
        let hosts = ["here", "there"].map(|host| process(host, 11));
        let executor = dice.bool().then(|| &hosts[dice.usize(0..2)]);
        attached(scene, &hosts[dice.usize(0..2)], executor)
    } else {
        let status = dice.choice(["queued", "running", "running", "running", "done"]).unwrap_or("running");
        scene.insert(&ForeignJob {
            status: status.into(),
            pid: dice.bool().then_some(PID),
            started_at: when(dice),
            ..ForeignJob::running(PID, 0)
        })
    };
    if dice.bool() {
        let run = scene.foreign().insert_run(None, When::Null).expect("a foreign insert works");
        scene.update(&job, &[JobColumn::Run(Some(run.clone()))]);
        if dice.u8(0..4) == 0 {
            scene.set_status(&job, "queued");
        }
        if dice.bool() {
            let code = dice.choice([0, 0, 1]);
            scene.update_run(&run, &[RunColumn::ExitCode(code), RunColumn::FinishedAt(when(dice))]);
        }
    }
    if dice.u8(0..4) == 0 {
        scene.update(&job, &[JobColumn::StartedAt(when(dice))]);
    }
    if dice.u8(0..6) == 0 {
        scene.set_status(&job, "queued");
        scene.set_status(&job, "running");
    }
    job
}

/// The most that this host's reaper can have seen: whatever is its own to probe is dead.
fn worst(row: &JobSnapshot) -> Observation {
    let see = |process: &Option<ProcessIdentity>, bare: bool| match process {
        Some(process) if process.host == "here" => {
            Sighting::new(Liveness::Dead(Certainty::Verified), Finding::NoSuchProcess)
        }
        None if bare => Sighting::new(Liveness::Dead(Certainty::Unverified), Finding::NoSuchProcess),
        Some(_) | None => Sighting::NOTHING_RECORDED,
    };
    Observation {
        executor: see(&row.executor, row.pid.is_some()),
        monitor: see(&row.monitor, false),
        dead_ticks: 2,
        verdict: None,
    }
}
