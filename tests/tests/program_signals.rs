//! `run` and its signals, and two programs on one database at once.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::{
    fs,
    io::PipeWriter,
    process::{Command, Stdio},
};

use reaper_tests::{
    database::Database,
    jobs::RunningJob,
    processes::dead_pid,
    program::{adopted, eventually, signal, skipped},
};
use rustix::process::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_reaper-under-test");
const RUN: [&str; 9] = [
    "run",
    "--output",
    "json",
    "--set",
    "interval=50ms",
    "--set",
    "breaker.percent=100",
    "--set",
    "intensity=off",
];

fn dead(db: &Database) -> i64 {
    RunningJob { pid: Some(dead_pid()), ..RunningJob::default() }.insert(db)
}

#[test]
fn term_and_int_each_end_a_run_with_0() {
    for ending in [Signal::TERM, Signal::INT] {
        let (db, program) = adopted(BINARY);
        let job = dead(&db);
        let run = program.spawn(&RUN);
        eventually("the job is requeued", || db.status(job) == "queued");
        signal(&run, ending);
        let ended = run.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{ending:?}");
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
        assert_eq!(db.count("reaper_events"), 1);
    }
}

#[test]
fn two_runs_settle_each_job_once() {
    let (db, program) = adopted(BINARY);
    let jobs: Vec<_> = (0..30).map(|_| dead(&db)).collect();
    let runs = [program.spawn(&RUN), program.spawn(&RUN)];
    eventually("every job is requeued", || db.count("jobs WHERE status = 'queued'") == 30);
    for run in runs {
        signal(&run, Signal::TERM);
        let ended = run.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));
        for line in String::from_utf8(ended.stdout).unwrap().lines() {
            let pass: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(pass["error"].is_null() && pass["failures"] == serde_json::json!([]), "{line}");
        }
    }
    for job in jobs {
        assert_eq!(db.count(&format!("reaper_events WHERE job_id = {job}")), 1, "job {job}");
    }
}

#[test]
fn two_ticks_settle_each_job_once() {
    let (db, program) = adopted(BINARY);
    let jobs: Vec<_> = (0..30).map(|_| dead(&db)).collect();
    let tick = [
        "tick",
        "--set",
        "dead_ticks=1",
        "--set",
        "breaker.percent=100",
        "--set",
        "intensity=off",
        "--output",
        "json",
    ];
    let ticks = [program.spawn(&tick), program.spawn(&tick)];
    for tick in ticks {
        let ended = tick.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));
    }
    for job in jobs {
        assert_eq!(db.status(job), "queued");
        assert_eq!(db.count(&format!("reaper_events WHERE job_id = {job}")), 1, "job {job}");
    }
}

#[test]
fn a_run_that_is_killed_leaves_a_database_that_works() {
    let (db, program) = adopted(BINARY);
    let first = dead(&db);
    let mut run = program.spawn(&RUN);
    eventually("the job is requeued", || db.status(first) == "queued");
    run.kill().unwrap();
    let ended = run.wait().unwrap();
    assert_eq!(ended.code(), None, "it ended by the signal");
    let second = dead(&db);
    let _tick = program.run(&["tick", "--set", "dead_ticks=1"]).ok();
    assert_eq!(db.status(second), "queued");
    assert_eq!(db.value("SELECT integrity_check FROM pragma_integrity_check").as_deref(), Some("ok"));
}

/// A log that cannot be written is lost, and nothing else.
#[test]
fn a_standard_error_that_nobody_reads_ends_no_loop() {
    let (db, program) = adopted(BINARY);
    let said = db.dir().join("passes.jsonl");
    let mut command = program.command(&RUN);
    command.stdin(Stdio::null()).stdout(fs::File::create(&said).unwrap()).stderr(nobody_reads());
    let mut run = command.spawn().unwrap();
    // Every pass fails, and logs that.
    db.sql(SPOILT);
    eventually("a pass fails", || fs::read_to_string(&said).unwrap().contains("nonsense"));
    db.sql("DELETE FROM reaper_settings WHERE key = 'mode'");
    let job = dead(&db);
    eventually("the loop goes on", || db.status(job) == "queued");
    signal(&run, Signal::TERM);
    assert_eq!(run.wait().unwrap().code(), Some(0));
}

#[test]
fn an_exit_code_is_the_same_where_nobody_reads_the_output() {
    let (db, program) = adopted(BINARY);
    let code = |args: &[&str]| {
        let mut command = program.command(args);
        command.stdin(Stdio::null()).stdout(nobody_reads()).stderr(Stdio::null());
        command.status().unwrap().code()
    };
    let _enqueued = program.run(&["enqueue", "--agent", "developer", "--repo", "shop"]).ok();
    assert_eq!(code(&["exec", "--output", "json", "--", "false"]), Some(6), "requeued");
    let job = dead(&db);
    assert_eq!(code(&["tick", "--times", "2", "--interval", "1ms"]), Some(0));
    assert_eq!(db.status(job), "queued", "both passes were made");
    db.sql(SPOILT);
    assert_eq!(code(&["tick", "--times", "2", "--interval", "1ms"]), Some(1));
}

/// Children whose ends are ignored leave no exit code, and a disposition of signals is inherited.
#[test]
fn a_program_that_was_told_to_ignore_its_children_hears_of_them() {
    let (db, program) = adopted(BINARY);
    let _enqueued = program.run(&["enqueue", "--agent", "developer", "--repo", "shop"]).ok();
    let tried = Command::new("env").args(["--ignore-signal=CHLD", "true"]).status();
    if !tried.is_ok_and(|status| status.success()) {
        return skipped("there is no `env` that makes a signal ignored");
    }
    let mut deaf = Command::new("env");
    deaf.arg("--ignore-signal=CHLD").arg(program.binary()).args(["exec", "--", "true"]);
    let ended = deaf.current_dir(program.dir()).env("DATABASE_URL", db.url()).output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(db.value("SELECT exit_code FROM agent_runs").as_deref(), Some("0"));
}

/// What no pass can read.
const SPOILT: &str = "INSERT INTO reaper_settings (key, value) VALUES ('mode', 'nonsense')";

/// A pipe that has no reader any more.
fn nobody_reads() -> PipeWriter {
    let (_reader, writer) = std::io::pipe().unwrap();
    writer
}
