//! Pages: each row exactly once, whatever their size, and bad rows that hinder no other.

use chrono::TimeDelta;
use reaper_core::JobId;

use super::{
    Subject,
    load::{ago, attached, here, with_exit},
    scene::{PID, Scene, claim, id_of, nothing, process},
};
use crate::{
    Settlement,
    facts::{Cursor, Here, Wanted},
    foreign::{ForeignJob, When},
};

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
        beats_until: Some(scene.now() + TimeDelta::seconds(60)),
        late_finishes: true,
        suspects: jobs.clone(),
        here: Some(Here { host: "here".into(), bare_pids: true, since: None }),
        lost: Vec::new(),
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
    let page = scene.store().load(&wanted, &Cursor::default(), 3).expect("a load works");
    assert!((1..=3).contains(&page.rows.len()), "{}", page.rows.len());
    assert!(page.next.is_some());
}

/// A row that was settled between two pages does not hide those behind it.
pub fn pages_survive_settlements_between_them(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let mut jobs: Vec<_> = (0..9).map(|n| scene.insert(&ForeignJob::running(PID, 1000 + n))).collect();
    jobs.sort();
    let wanted = Wanted { started_until: ago(scene, 500), ..nothing() };
    let (mut seen, mut from) = (Vec::new(), Some(Cursor::default()));
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
