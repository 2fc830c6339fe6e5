//! The seed's cases once more, through the program itself: a database written by plain SQL, real dead and living
//! processes, a gate command. Those that live from a replaced function (tc03, tc08, tc21's start and stop) are not here.

use std::path::Path;

use reaper_tests::{
    database::{Database, Kind},
    jobs::{RunningJob, task},
    processes::{Sleeper, dead_pid},
    program::{Ended, Program},
};

const BINARY: &str = env!("CARGO_BIN_EXE_reaper-under-test");

fn pipeline(gate: &str) -> String {
    format!(
        r#"
        [pipeline]
        stages = [
          {{ name = "architecture", next = "development", next_agent = "tester", gate = "quality" }},
          {{ name = "development", next = "testing", gate = "quality" }},
          {{ name = "testing" }},
        ]
        [pipeline.agents]
        developer = ["architecture"]
        tester = ["development"]
        [gates.quality]
        command = {gate}
        "#
    )
}

fn adopted(gate: &str) -> Option<(Database, Program)> {
    let database = Database::foreign_on(Kind::of_crate(env!("CARGO_CRATE_NAME")))?;
    let program = Program::on(BINARY, &database);
    // The processes of these cases are this machine's, whatever the database is.
    program.configure(&format!("bare_pids = true\n{}", pipeline(gate)));
    let _migrated = program.run(&["migrate"]).ok();
    Some((database, program))
}

const GREEN: &str = "[\"true\"]";
const RED: &str = "[\"sh\", \"-c\", \"echo the tests fail; exit 1\"]";
const MUST_NOT_BE_ASKED: &str = "[\"sh\", \"-c\", \"touch asked; exit 1\"]";

fn ticks(program: &Program, times: &str, set: &[&str]) -> Ended {
    let mut args = vec!["tick", "--times", times, "--interval", "1ms"];
    for key_value in set {
        args.extend(["--set", key_value]);
    }
    program.run(&args).ok()
}

fn was_asked(dir: &Path) -> bool {
    dir.join("asked").exists()
}

#[test]
fn program_tc01_dead_pid_reaped_to_queued() {
    let Some((db, program)) = adopted(GREEN) else { return };
    let job = RunningJob { pid: Some(dead_pid()), ..RunningJob::default() }.insert(&db);
    let _first = ticks(&program, "1", &[]);
    assert_eq!(db.status(job), "running");
    let _both = ticks(&program, "2", &[]);
    assert_eq!(db.status(job), "queued");
    assert_eq!(db.count("reaper_events WHERE action = 'requeue'"), 1);
}

#[test]
fn program_tc02_alive_pid_never_reaped() {
    let Some((db, program)) = adopted(GREEN) else { return };
    let mut sleeper = Sleeper::start();
    let job = RunningJob { pid: Some(sleeper.pid()), age_s: 10, ..RunningJob::default() }.insert(&db);
    let _done = ticks(&program, "5", &[]);
    assert_eq!(db.status(job), "running");
    assert!(sleeper.is_running());
}

#[test]
fn program_tc02_alive_within_max_running_not_reaped() {
    let Some((db, program)) = adopted(GREEN) else { return };
    let sleeper = Sleeper::start();
    let job = RunningJob { pid: Some(sleeper.pid()), age_s: 1800, ..RunningJob::default() }.insert(&db);
    let _done = ticks(&program, "2", &["max_running=1h"]);
    assert_eq!(db.status(job), "running");
}

#[test]
fn program_tc04_backstop_ceiling() {
    let Some((db, program)) = adopted(GREEN) else { return };
    let mut sleeper = Sleeper::start();
    let job = RunningJob { pid: Some(sleeper.pid()), age_s: 500, ..RunningJob::default() }.insert(&db);
    let _done = ticks(&program, "1", &["max_running=100s"]);
    assert_eq!(db.status(job), "queued");
    assert!(sleeper.is_running(), "a bare pid is never signalled");
}

#[test]
fn program_tc04_backstop_no_pid() {
    let Some((db, program)) = adopted(GREEN) else { return };
    let job = RunningJob { pid: None, age_s: 500, ..RunningJob::default() }.insert(&db);
    let _done = ticks(&program, "1", &["max_running=100s"]);
    assert_eq!(db.status(job), "queued");
}

#[test]
fn program_tc05_exit0_gate_green_done() {
    let Some((db, program)) = adopted(GREEN) else { return };
    let task = task(&db, "architecture");
    let job = RunningJob { task_id: Some(task), exit_code: Some(0), ..RunningJob::default() }.insert(&db);
    let _done = ticks(&program, "2", &[]);
    assert_eq!((db.status(job).as_str(), db.stage(task).as_str()), ("done", "development"));
    let next = format!("jobs WHERE task_id = {task} AND agent = 'tester' AND status = 'queued'");
    assert_eq!(db.count(&next), 1, "the next job is enqueued once");
    assert_eq!(db.count("reaper_outbox WHERE state <> 'done'"), 0);
}

#[test]
fn program_tc05_exit0_gate_red_requeues() {
    let Some((db, program)) = adopted(RED) else { return };
    let task = task(&db, "architecture");
    let job = RunningJob { task_id: Some(task), exit_code: Some(0), ..RunningJob::default() }.insert(&db);
    let _done = ticks(&program, "1", &[]);
    assert_eq!((db.status(job).as_str(), db.stage(task).as_str()), ("queued", "architecture"));
    assert_eq!(db.count("jobs"), 1, "no next job");
}

#[test]
fn program_tc05_exit0_already_advanced_done_no_side_effects() {
    let Some((db, program)) = adopted(MUST_NOT_BE_ASKED) else { return };
    let task = task(&db, "development");
    let job = RunningJob { task_id: Some(task), exit_code: Some(0), ..RunningJob::default() }.insert(&db);
    let _done = ticks(&program, "1", &[]);
    assert_eq!((db.status(job).as_str(), db.stage(task).as_str()), ("done", "development"));
    assert_eq!(db.count("jobs"), 1);
    assert!(!was_asked(db.dir()));
}

#[test]
fn program_tc05_nonzero_exit_requeue_then_failed() {
    let Some((db, program)) = adopted(MUST_NOT_BE_ASKED) else { return };
    let task = task(&db, "development");
    let bad = RunningJob { task_id: Some(task), exit_code: Some(1), max_attempts: 2, ..RunningJob::default() };
    let job = RunningJob { attempts: 1, ..bad }.insert(&db);
    let first = ticks(&program, "1", &[]);
    assert_eq!(db.status(job), "queued");
    assert!(!first.stderr.contains("failed"), "{}", first.stderr);
    let spent = RunningJob { attempts: 2, ..bad }.insert(&db);
    let second = ticks(&program, "1", &[]);
    assert_eq!(db.status(spent), "failed");
    assert!(second.stderr.contains(&format!("job {spent}")), "a failed job is told about: {}", second.stderr);
    assert_eq!(db.count("reaper_outbox WHERE state = 'done'"), 1);
}

#[test]
fn program_tc05_tier2_within_grace_not_reaped() {
    let Some((db, program)) = adopted(MUST_NOT_BE_ASKED) else { return };
    let task = task(&db, "architecture");
    let job = RunningJob { task_id: Some(task), exit_code: Some(0), finished_age_s: 5, ..RunningJob::default() }
        .insert(&db);
    let _done = ticks(&program, "2", &["finalize_grace=300s"]);
    assert_eq!((db.status(job).as_str(), db.stage(task).as_str()), ("running", "architecture"));
    assert!(!was_asked(db.dir()));
}

#[test]
fn program_tc05_tier2_after_grace_reaped() {
    let Some((db, program)) = adopted(GREEN) else { return };
    let task = task(&db, "architecture");
    let job = RunningJob { task_id: Some(task), exit_code: Some(0), finished_age_s: 600, ..RunningJob::default() }
        .insert(&db);
    let _done = ticks(&program, "1", &["finalize_grace=300s"]);
    assert_eq!(db.status(job), "done");
}

#[test]
fn program_tc05_tier2_lost_claim_no_side_effects() {
    // The gate is green, and requeues the job itself before it says so.
    let steal = format!("[\"sh\", \"-c\", \"'{BINARY}' requeue-running --all >&2 && exit 0\"]");
    let Some((db, program)) = adopted(&steal) else { return };
    let task = task(&db, "architecture");
    let job = RunningJob { task_id: Some(task), exit_code: Some(0), finished_age_s: 10, ..RunningJob::default() }
        .insert(&db);
    let ended = program.run(&["tick", "--set", "finalize_grace=0", "--output", "json"]).ok();
    assert_eq!((db.status(job).as_str(), db.stage(task).as_str()), ("queued", "architecture"));
    assert_eq!(ended.json()[0]["settled"][0]["outcome"], "lost", "{}", ended.stdout);
    assert_eq!((db.count("jobs"), db.count("reaper_outbox")), (1, 0));
}

#[test]
fn program_tc06_atomic_no_double_reap() {
    let Some((db, program)) = adopted(GREEN) else { return };
    let job = RunningJob { pid: Some(dead_pid()), ..RunningJob::default() }.insert(&db);
    let requeued = program.run(&["requeue-running", "--all", "--output", "json"]).ok();
    assert_eq!(requeued.json()[0]["requeued"], 1);
    let _done = ticks(&program, "2", &["dead_ticks=1"]);
    assert_eq!(db.status(job), "queued");
    assert_eq!(db.count("reaper_events"), 1, "only the start-up requeue changed it");
}

#[test]
fn program_tc06_reap_running_job_guard_returns_false_when_not_running() {
    let Some((db, program)) = adopted(GREEN) else { return };
    let job = db.insert("INSERT INTO jobs (agent, repo) VALUES ('developer', 'orchestrator')");
    let nothing = program.run(&["requeue-running", "--all"]).with_code(3);
    assert!(nothing.stderr.contains("no job is running"), "{}", nothing.stderr);
    assert_eq!(db.status(job), "queued");
}

#[test]
fn program_tc07_kill_switch() {
    let Some((db, program)) = adopted(GREEN) else { return };
    let job = RunningJob { pid: Some(dead_pid()), age_s: 99_999, ..RunningJob::default() }.insert(&db);
    let _off = program.run(&["mode", "off"]).ok();
    let _done = ticks(&program, "3", &["leases.reclaim=false"]);
    assert_eq!(db.status(job), "running");
    let _on = program.run(&["mode", "enforce"]).ok();
    let _done = ticks(&program, "3", &["mode=off", "leases.reclaim=false"]);
    assert_eq!(db.status(job), "running", "the stricter of the two wins");
}

#[test]
fn program_tc21_reclaim_all_stale_leases_callable() {
    let Some((_db, program)) = adopted(GREEN) else { return };
    let nothing = program.run(&["leases", "reclaim", "--set", "leases.dir=leases"]).with_code(3);
    assert!(nothing.stderr.contains("no lease is stale"), "{}", nothing.stderr);
}
