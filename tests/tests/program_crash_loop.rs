//! An agent that is broken: what the program does about it, and says, on both databases.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by a panic, its helpers too")]

use reaper_tests::{
    database::{Database, Kind},
    jobs::RunningJob,
    processes::dead_pid,
    program::Program,
};

const BINARY: &str = env!("CARGO_BIN_EXE_reaper-under-test");

const KEYS: &str =
    "bare_pids = true\ndead_ticks = 1\n[breaker]\npercent = 100\n[backoff]\nbase = \"1s\"\nmax = \"1s\"\n";

/// Jobs of which the executors have just died.
fn dying(db: &Database, count: usize) {
    for _ in 0..count {
        let _job = RunningJob { pid: Some(dead_pid()), age_s: 1, ..RunningJob::default() }.insert(db);
    }
}

/// For how many tens of seconds each requeued job is put off, in their order; those that wait as usual left out.
fn waits(db: &Database) -> Vec<i64> {
    let wait = "(j.reaper_available_at - e.at + 5000) / 10000";
    let list = if db.url().starts_with("postgres") {
        format!("string_agg(({wait})::text, ',' ORDER BY {wait})")
    } else {
        format!("group_concat({wait}, ',' ORDER BY {wait})")
    };
    let waits =
        db.value(&format!("SELECT {list} FROM reaper_events e JOIN jobs j ON j.id = e.job_id WHERE {wait} > 0"));
    waits.map_or_else(Vec::new, |list| list.split(',').map(|n| n.parse::<i64>().unwrap()).collect())
}

fn story(kind: Kind) {
    let Some(db) = Database::foreign_on(kind) else { return };
    let program = Program::on(BINARY, &db);
    program.configure(KEYS);
    let _migrated = program.run(&["migrate"]).ok();
    dying(&db, 23);
    let _tick = program.run(&["tick"]).ok();
    assert_eq!(db.count("jobs WHERE status = 'queued'"), 23, "no settlement is delayed");
    assert_eq!(waits(&db), [3, 6, 9], "half a minute apart");
    let alerts = "reaper_outbox WHERE key LIKE 'crash_loop:developer:%' AND state = 'done'";
    assert_eq!(db.count(alerts), 1);

    // Another process goes on where the first has left off.
    dying(&db, 2);
    let _tick = program.run(&["tick"]).ok();
    let waits = waits(&db);
    assert_eq!(waits.len(), 5);
    // It is as much less as has passed meanwhile.
    assert!(waits[3] >= 6 && waits[4] >= waits[3] + 2, "{waits:?}");
    assert_eq!(db.count(alerts), 1, "one episode is told of once");

    let listed = program.run(&["signatures", "--agent", "developer", "--since", "1h"]).ok().stdout;
    assert!(listed.contains("vanished") && listed.contains("25"), "{listed}");
    let none = program.run(&["signatures", "--agent", "nobody"]).ok().stdout;
    assert!(none.contains("no attempt has ended badly"), "{none}");
    let status = program.run(&["status"]).ok().stdout;
    assert!(status.contains("25 in 24 h; 0 finished late, 0 false"), "{status}");

    program.configure(&format!("{KEYS}[exit]\nfail_on = [\"vanished\"]\n"));
    dying(&db, 1);
    let _tick = program.run(&["tick"]).ok();
    assert_eq!(db.count("jobs WHERE status = 'failed'"), 1);
    let wrong = program.run(&["signatures", "--since", "soon"]).with_code(2);
    assert!(wrong.stderr.contains("`soon` is no instant"), "{}", wrong.stderr);
}

#[test]
fn it_comes_back_one_by_one_on_sqlite() {
    story(Kind::Sqlite);
}

#[test]
fn it_comes_back_one_by_one_on_postgres() {
    story(Kind::Postgres);
}

/// An attempt that looked dead goes on and ends well, after its job was taken again: whoever records it, the rescue was
/// wrong, and everything says so.
fn false_rescue(kind: Kind) {
    let Some(db) = Database::foreign_on(kind) else { return };
    let program = Program::on(BINARY, &db);
    program.configure(KEYS);
    let _migrated = program.run(&["migrate"]).ok();
    let mut runs = Vec::new();
    for _ in 0..2 {
        let run = db.insert("INSERT INTO agent_runs (agent) VALUES ('developer')");
        let job = RunningJob { pid: Some(dead_pid()), age_s: 600, ..RunningJob::default() }.insert(&db);
        db.sql(&format!("UPDATE jobs SET run_id = {run} WHERE id = {job}"));
        runs.push((job, run));
    }
    let _tick = program.run(&["tick"]).ok();
    let (again, waits) = (runs[0], runs[1]);
    assert_eq!((db.status(again.0), db.status(waits.0)), ("queued".into(), "queued".into()));
    db.sql(&format!(
        "UPDATE jobs SET status = 'running', run_id = NULL WHERE id = {};
         UPDATE agent_runs SET exit_code = 0",
        again.0
    ));
    // The one that nobody took again is finished by its late exit. Both are seen by a fresh reaper.
    let _tick = program.run(&["tick", "--set", "finalize_grace=0s"]).ok();
    assert_eq!(db.status(waits.0), "done");
    let status = program.run(&["status", "--output", "json"]).ok().json();
    let expected = serde_json::json!({ "rescues": 2, "late_finishes": 1, "false_rescues": 1 });
    assert_eq!(status[0]["rescues"], expected);
    let history = program.run(&["history", "--output", "json"]).ok().json();
    let late: Vec<_> = history[0].as_array().unwrap().iter().filter(|event| !event["late"].is_null()).collect();
    assert_eq!(late.len(), 1);
    assert_eq!((&late[0]["job"], &late[0]["late"]["code"]), (&again.0.into(), &0.into()));
    let told = program.run(&["history"]).ok().stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("wrongly") && told.contains("late"), "{told}");
}

#[test]
fn a_false_rescue_is_told_on_sqlite() {
    false_rescue(Kind::Sqlite);
}

#[test]
fn a_false_rescue_is_told_on_postgres() {
    false_rescue(Kind::Postgres);
}
