//! The seed's cases, by their names: the behaviour that is the floor. Each on the real store, with jobs made by plain
//! SQL; where the seed replaces a function there is a fake behind the trait.
//!
//! This file is two test crates: by itself it runs on SQLite, as a module of `seed_postgres.rs` on PostgreSQL.

use std::{sync::Arc, time::Duration};

use reaper_core::{JobId, Verdict};
use reaper_gate::lease::LeaseDir;
use reaper_runner::{Reaper, Settings};
use reaper_store::{
    Outcome, Settlement, Store,
    claims::{Actor, EventId},
};
use reaper_tests::{
    database::{Database, Kind},
    fakes::{FakeGate, FakeProbe, Fakes, settings},
    jobs::{RunningJob, task},
};

// TC-01: a dead pid is reaped, in the second tick.

#[test]
fn tc01_dead_pid_reaped_to_queued() {
    let Some((db, store)) = adopted() else { return };
    let job = RunningJob { pid: Some(999_999), attempts: 0, max_attempts: 2, ..RunningJob::default() }.insert(&db);
    let reaper = Reaper::new(Fakes::with_probe(FakeProbe::dead()).parts(&store), settings());
    reaper.run_once();
    assert_eq!(db.status(job), "running");
    reaper.run_once();
    assert_eq!(db.status(job), "queued");
    assert_eq!(reaper.counters().reaped_total(), 1);
    assert_eq!(reaper.counters().last_reaped, Some(JobId::from(job)));
}

// TC-02: a live agent within its time is never reaped.

#[test]
fn tc02_alive_pid_never_reaped() {
    let Some((db, store)) = adopted() else { return };
    let job = RunningJob { pid: Some(4321), age_s: 10, ..RunningJob::default() }.insert(&db);
    let reaper = Reaper::new(Fakes::with_probe(FakeProbe::alive()).parts(&store), settings());
    for _ in 0..5 {
        reaper.run_once();
    }
    assert_eq!(db.status(job), "running");
    assert_eq!(reaper.counters().reaped_total(), 0);
}

#[test]
fn tc02_alive_within_max_running_not_reaped() {
    let Some((db, store)) = adopted() else { return };
    let job = RunningJob { pid: Some(4321), age_s: 1800, ..RunningJob::default() }.insert(&db);
    let reaper = Reaper::new(Fakes::with_probe(FakeProbe::alive()).parts(&store), max_running(3600));
    reaper.run_once();
    assert_eq!(db.status(job), "running");
}

// TC-03: a zombie only after so many dead ticks in a row.

#[test]
fn tc03_requires_consecutive_dead_ticks() {
    let Some((db, store)) = adopted() else { return };
    // Dead, dead, alive (which begins anew), dead, dead, dead: reaped in the sixth tick.
    let probe = FakeProbe::turns([false, false, true, false, false, false]);
    let job = RunningJob { pid: Some(999_998), ..RunningJob::default() }.insert(&db);
    let reaper = Reaper::new(Fakes::with_probe(probe).parts(&store), dead_ticks(3));
    for _ in 0..5 {
        reaper.run_once();
    }
    assert_eq!(db.status(job), "running");
    reaper.run_once();
    assert_eq!(db.status(job), "queued");
}

// TC-04: the ceiling reaps even where liveness says "alive", or nothing.

#[test]
fn tc04_backstop_ceiling() {
    let Some((db, store)) = adopted() else { return };
    let job = RunningJob { pid: Some(4321), age_s: 500, ..RunningJob::default() }.insert(&db);
    let reaper = Reaper::new(Fakes::with_probe(FakeProbe::alive()).parts(&store), max_running(100));
    reaper.run_once();
    assert_eq!(db.status(job), "queued");
    assert_eq!(reaper.counters().reaped_total(), 1);
}

#[test]
fn tc04_backstop_no_pid() {
    let Some((db, store)) = adopted() else { return };
    let job = RunningJob { pid: None, age_s: 500, ..RunningJob::default() }.insert(&db);
    let reaper = Reaper::new(Fakes::with_probe(FakeProbe::alive()).parts(&store), max_running(100));
    reaper.run_once();
    assert_eq!(db.status(job), "queued");
}

// TC-05: the right outcome by exit code.

#[test]
fn tc05_exit0_gate_green_done() {
    let Some((db, store)) = adopted() else { return };
    let task = task(&db, "architecture");
    let job = RunningJob { task_id: Some(task), exit_code: Some(0), ..RunningJob::default() }.insert(&db);
    let fakes = Fakes::with_gate(FakeGate::green());
    Reaper::new(fakes.parts(&store), settings()).run_once();
    assert_eq!(db.status(job), "done");
    let orders = fakes.orders.given.lock().unwrap();
    assert_eq!(orders.len(), 1, "the winner advances once");
    assert_eq!((orders[0].from.as_str(), orders[0].to.as_str()), ("architecture", "development"));
}

#[test]
fn tc05_exit0_gate_red_requeues() {
    let Some((db, store)) = adopted() else { return };
    let task = task(&db, "architecture");
    let job = RunningJob {
        task_id: Some(task),
        exit_code: Some(0),
        attempts: 0,
        max_attempts: 2,
        ..RunningJob::default()
    }
    .insert(&db);
    let fakes = Fakes::with_gate(FakeGate::red());
    Reaper::new(fakes.parts(&store), settings()).run_once();
    assert_eq!(db.status(job), "queued", "exit 0 with a red gate is not done");
    assert_eq!(fakes.orders.count(), 0, "no advance on a red gate");
    assert_eq!(db.stage(task), "architecture");
}

#[test]
fn tc05_exit0_already_advanced_done_no_side_effects() {
    let Some((db, store)) = adopted() else { return };
    // The developer's stage is `architecture`: the monitor had moved the task on before it died.
    let task = task(&db, "development");
    let job = RunningJob { task_id: Some(task), exit_code: Some(0), ..RunningJob::default() }.insert(&db);
    let fakes = Fakes::with_probe(FakeProbe::alive());
    Reaper::new(fakes.parts(&store), settings()).run_once();
    assert_eq!(db.status(job), "done");
    assert_eq!(fakes.orders.count(), 0, "what has advanced does not advance again");
}

#[test]
fn tc05_nonzero_exit_requeue_then_failed() {
    let Some((db, store)) = adopted() else { return };
    let task = task(&db, "development");
    let bad_exit = RunningJob { task_id: Some(task), exit_code: Some(1), ..RunningJob::default() };
    let job = RunningJob { attempts: 1, max_attempts: 2, ..bad_exit }.insert(&db);
    let fakes = Fakes::with_probe(FakeProbe::alive());
    let reaper = Reaper::new(fakes.parts(&store), settings());
    reaper.run_once();
    assert_eq!(db.status(job), "queued");
    assert_eq!(fakes.alerts.count(), 0);

    let spent = RunningJob { attempts: 2, max_attempts: 2, ..bad_exit }.insert(&db);
    reaper.run_once();
    assert_eq!(db.status(spent), "failed");
    assert_eq!(fakes.alerts.count(), 1, "a failed job is told about");
}

#[test]
fn tc05_tier2_within_grace_not_reaped() {
    let Some((db, store)) = adopted() else { return };
    let task = task(&db, "architecture");
    let job = RunningJob { task_id: Some(task), exit_code: Some(0), finished_age_s: 5, ..RunningJob::default() }
        .insert(&db);
    let fakes = Fakes::with_probe(FakeProbe::alive());
    let reaper = Reaper::new(fakes.parts(&store), finalize_grace(300));
    reaper.run_once();
    assert_eq!(db.status(job), "running", "left to its monitor");
    assert_eq!(reaper.counters().reaped_total(), 0);
    assert_eq!(fakes.orders.count(), 0, "a live monitor that finalises is not overtaken");
}

#[test]
fn tc05_tier2_after_grace_reaped() {
    let Some((db, store)) = adopted() else { return };
    let task = task(&db, "architecture");
    let job = RunningJob { task_id: Some(task), exit_code: Some(0), finished_age_s: 600, ..RunningJob::default() }
        .insert(&db);
    let fakes = Fakes::with_gate(FakeGate::green());
    Reaper::new(fakes.parts(&store), finalize_grace(300)).run_once();
    assert_eq!(db.status(job), "done");
}

#[test]
fn tc05_tier2_lost_claim_no_side_effects() {
    let Some((db, store)) = adopted() else { return };
    let task = task(&db, "architecture");
    let job = RunningJob { task_id: Some(task), exit_code: Some(0), finished_age_s: 10, ..RunningJob::default() }
        .insert(&db);
    // The gate says green, but somebody else takes the row between the read and the claim.
    let thief = Arc::clone(&store);
    let green_then_steal = FakeGate::by(move |_| {
        assert_eq!(thief.requeue_all_running().unwrap(), 1);
        Verdict::Green
    });
    let fakes = Fakes::with_gate(green_then_steal);
    let reaper = Reaper::new(fakes.parts(&store), finalize_grace(0));
    reaper.run_once();
    assert_eq!(fakes.orders.count(), 0, "who lost the claim does not advance");
    assert_eq!(db.status(job), "queued", "the row stays where the winner left it");
    assert_eq!(reaper.counters().reaped_total(), 0);
    assert_eq!(reaper.counters().lost_claims, 1);
    assert_eq!(db.count("reaper_outbox"), 0);
}

// TC-06: the reaper against the start-up requeue.

#[test]
fn tc06_atomic_no_double_reap() {
    let Some((db, store)) = adopted() else { return };
    let job = RunningJob { pid: Some(999_997), attempts: 0, max_attempts: 2, ..RunningJob::default() }.insert(&db);
    assert_eq!(store.requeue_all_running().unwrap(), 1);
    assert_eq!(db.status(job), "queued");
    let reaper = Reaper::new(Fakes::with_probe(FakeProbe::dead()).parts(&store), dead_ticks(1));
    reaper.run_once();
    assert_eq!(db.status(job), "queued");
    assert_eq!(reaper.counters().reaped_total(), 0);
}

#[test]
fn tc06_reap_running_job_guard_returns_false_when_not_running() {
    let Some((db, store)) = adopted() else { return };
    let job = db.insert("INSERT INTO jobs (agent, repo) VALUES ('developer', 'orchestrator')");
    let snapshot = store.job(&JobId::from(job)).unwrap().unwrap().unwrap();
    let mut basis = snapshot.basis();
    basis.status = reaper_core::Status::Running;
    let claim = reaper_store::Claim {
        event: EventId::draw(),
        attempt: snapshot.attempt,
        basis,
        settlement: Settlement::Done,
        by: Actor::Reaper,
        rule: String::new(),
        reason: String::new(),
        evidence: serde_json::Value::Null,
        death: None,
        effect: None,
    };
    assert_eq!(store.settle(&[claim]).unwrap(), [Outcome::Lost]);
    assert_eq!(db.status(job), "queued");
}

// TC-07: the kill switch.

#[test]
fn tc07_kill_switch() {
    let Some((db, store)) = adopted() else { return };
    let job = RunningJob { pid: Some(999_996), age_s: 99_999, ..RunningJob::default() }.insert(&db);
    let off = Settings { mode: reaper_core::Mode::Off, reclaim_leases: false, ..settings() };
    let reaper = Reaper::new(Fakes::with_probe(FakeProbe::dead()).parts(&store), off);
    for _ in 0..3 {
        reaper.run_once();
    }
    assert_eq!(db.status(job), "running");
    assert_eq!(reaper.counters().reaped_total(), 0);
}

// TC-08: an error of one job, or of a whole pass, does not spread.

#[test]
fn tc08_never_raise_isolates_per_job() {
    let Some((db, store)) = adopted() else { return };
    let good = RunningJob { pid: Some(111), ..RunningJob::default() }.insert(&db);
    let bad = RunningJob { pid: Some(222), ..RunningJob::default() }.insert(&db);
    let probe = FakeProbe::by(|pid| {
        assert_ne!(pid, 222, "simulated failure of one job");
        false
    });
    let reaper = Reaper::new(Fakes::with_probe(probe).parts(&store), dead_ticks(1));
    let report = reaper.run_once();
    assert_eq!(db.status(good), "queued", "the good one is settled");
    assert_eq!(db.status(bad), "running", "the bad one is isolated");
    assert_eq!(report.failures.len(), 1);
    assert!(report.failures[0].problem.contains("simulated failure"), "{report:?}");
}

#[test]
fn tc08_reap_once_outer_never_raises() {
    let Some((db, store)) = adopted() else { return };
    let job = RunningJob { pid: Some(333), ..RunningJob::default() }.insert(&db);
    let reaper = Reaper::new(Fakes::with_probe(FakeProbe::dead()).parts(&store), dead_ticks(1));
    db.sql("ALTER TABLE jobs RENAME TO jobs_elsewhere");
    let report = reaper.run_once();
    assert!(report.error.is_some(), "a pass that cannot read fails, and says so: {report:?}");
    let counters = reaper.counters();
    assert!(counters.last_run_at.is_some());
    assert_eq!((counters.passes, counters.failed_passes), (1, 1));
    assert!(counters.last_error.is_some());

    // The next pass comes, and works once the cause is gone.
    db.sql("ALTER TABLE jobs_elsewhere RENAME TO jobs");
    assert_eq!(reaper.run_once().error, None);
    assert_eq!(db.status(job), "queued");
}

// TC-21: starting, stopping, and the lease files.

#[test]
fn tc21_reaper_start_stop_smoke() {
    let Some((_db, store)) = adopted() else { return };
    let quick = Settings { interval: Duration::from_millis(50), ..settings() };
    let reaper = Reaper::new(Fakes::with_probe(FakeProbe::alive()).parts(&store), quick);
    reaper.start().unwrap();
    assert!(reaper.is_running());
    reaper.stop(Duration::from_secs(30)).unwrap();
    assert!(!reaper.is_running());
}

#[test]
fn tc21_reclaim_all_stale_leases_callable() {
    let Some((db, store)) = adopted() else { return };
    let mut parts = Fakes::with_probe(FakeProbe::alive()).parts(&store);
    let folder = db.dir().join("leases");
    parts.leases = Some(Arc::new(LeaseDir::new(&folder, Duration::from_secs(3600), Arc::clone(&parts.probe))));
    let reaper = Reaper::new(parts, Settings { reclaim_leases: true, ..settings() });
    assert_eq!(reaper.reclaim_all_stale_leases(), 0);
}

fn adopted() -> Option<(Database, Arc<dyn Store>)> {
    Database::adopted_on(Kind::of_crate(env!("CARGO_CRATE_NAME")))
}

fn dead_ticks(dead_ticks: u32) -> Settings {
    let mut settings = settings();
    settings.policy.limits.dead_ticks = dead_ticks;
    settings
}

fn max_running(seconds: u64) -> Settings {
    let mut settings = settings();
    settings.policy.limits.max_running = Duration::from_secs(seconds);
    settings
}

fn finalize_grace(seconds: u64) -> Settings {
    let mut settings = settings();
    settings.policy.limits.finalize_grace = Duration::from_secs(seconds);
    settings
}
