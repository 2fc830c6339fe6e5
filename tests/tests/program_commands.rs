//! Each command at its work, and that it says so where there was none.

use std::fs;

use reaper_tests::{
    database::Database,
    jobs::RunningJob,
    processes::{Sleeper, dead_pid},
    program::{Program, adopted},
};

const BINARY: &str = env!("CARGO_BIN_EXE_reaper-under-test");

fn schema(db: &Database) -> Option<String> {
    db.value("SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_master ORDER BY type, name)")
}

fn job(db: &Database, status: &str) -> i64 {
    db.insert(&format!("INSERT INTO jobs (agent, repo, status) VALUES ('developer', 'r', '{status}')"))
}

#[test]
fn migrate_shows_runs_and_takes_away() {
    let db = Database::foreign();
    let program = Program::new(BINARY, db.dir());
    let before = schema(&db);
    let dry = program.run(&["migrate", "--dry-run"]).ok();
    assert!(dry.stdout.contains("would run") && dry.stdout.contains("CREATE TRIGGER"), "{}", dry.stdout);
    assert_eq!(schema(&db), before, "a dry run changes nothing");
    assert!(program.run(&["migrate"]).ok().stdout.contains("ran "));
    assert_ne!(schema(&db), before);
    assert!(program.run(&["migrate"]).ok().stdout.contains("nothing to do"));
    let migrated = schema(&db);
    let _dry = program.run(&["migrate", "--uninstall", "--dry-run"]).ok();
    assert_eq!(schema(&db), migrated);
    let _away = program.run(&["migrate", "--uninstall"]).ok();
    assert_eq!(schema(&db), before, "the schema is as it was");
    let _nothing = program.run(&["migrate", "--uninstall"]).with_code(3);
}

#[test]
fn retry_and_fail_on_each_status() {
    let (db, program) = adopted(BINARY);
    for (command, from, code, to) in [
        ("retry", "queued", 3, "queued"),
        ("retry", "running", 0, "queued"),
        ("retry", "done", 0, "queued"),
        ("retry", "failed", 0, "queued"),
        ("fail", "queued", 0, "failed"),
        ("fail", "running", 0, "failed"),
        ("fail", "done", 3, "done"),
        ("fail", "failed", 3, "failed"),
    ] {
        let job = job(&db, from);
        let ended = program.run(&[command, &job.to_string(), "--reason", "tried"]).with_code(code);
        assert_eq!(db.status(job), to, "{command} {from}: {}", ended.stderr);
        let events = db.count(&format!("reaper_events WHERE job_id = {job} AND actor = 'person'"));
        assert_eq!(events, i64::from(code == 0), "{command} {from}");
    }
    assert_eq!(db.count("reaper_outbox WHERE state <> 'done'"), 0, "the alerts were delivered");
}

#[test]
fn mode_is_kept_and_says_when_it_changes_nothing() {
    let (_db, program) = adopted(BINARY);
    assert!(program.run(&["mode", "report"]).ok().stdout.contains("enforce → report"));
    assert!(program.run(&["mode"]).ok().stdout.starts_with("report"));
    let _same = program.run(&["mode", "report"]).with_code(3);
}

#[test]
fn a_breaker_that_holds_is_released_by_a_persons_word() {
    let (db, program) = adopted(BINARY);
    let _nothing = program.run(&["breaker", "release"]).with_code(3);
    for _ in 0..20 {
        let _dead = RunningJob { pid: Some(dead_pid()), ..RunningJob::default() }.insert(&db);
    }
    let tick = ["tick", "--times", "2", "--interval", "1ms"];
    let held = program.run(&tick).ok();
    assert!(held.stdout.contains("20 of 20 look dead"), "{}", held.stdout);
    assert_eq!(db.count("jobs WHERE status = 'running'"), 20);
    assert!(program.run(&["breaker"]).ok().stdout.contains("held until"));
    let _released = program.run(&["breaker", "release"]).ok();
    let _settled = program.run(&tick).ok();
    assert_eq!(db.count("jobs WHERE status = 'queued'"), 20);
}

#[test]
fn a_breaker_that_could_not_be_told_of_is_told_of_by_the_next_pass() {
    let (db, program) = adopted(BINARY);
    for _ in 0..20 {
        let _dead = RunningJob { pid: Some(dead_pid()), ..RunningJob::default() }.insert(&db);
    }
    db.sql("CREATE TRIGGER full BEFORE INSERT ON reaper_outbox BEGIN SELECT RAISE(ABORT, 'full'); END");
    let _failed = program.run(&["tick"]);
    assert_eq!(db.count("reaper_outbox"), 0);
    db.sql("DROP TRIGGER full");
    let _held = program.run(&["tick"]).ok();
    assert_eq!(db.count("reaper_outbox WHERE key LIKE 'breaker:bare_pid:%'"), 1);
    let _held = program.run(&["tick"]).ok();
    assert_eq!(db.count("reaper_outbox WHERE key LIKE 'breaker:bare_pid:%'"), 1, "once");
}

#[test]
fn enqueue_adds_once_for_a_source_key() {
    let (db, program) = adopted(BINARY);
    let add = ["enqueue", "--agent", "developer", "--repo", "r"];
    let plain = program.run(&[&add[..], &["--output", "json"]].concat()).ok().json();
    assert!(plain[0]["task"].is_null() && plain[0]["new"] == true, "{plain:?}");
    let staged = program.run(&[&add[..], &["--stage", "architecture", "--output", "json"]].concat()).ok().json();
    let task = staged[0]["task"].to_string();
    assert_eq!(db.stage(task.parse().unwrap()), "architecture");
    let keyed = [&add[..], &["--task", &task, "--source-key", "k"]].concat();
    let _new = program.run(&keyed).ok();
    let again = program.run(&keyed).with_code(3);
    assert!(again.stderr.contains("source key"), "{}", again.stderr);
    assert_eq!((db.count("jobs"), db.count("tasks")), (3, 1));
}

#[test]
fn a_beat_is_the_attempts_own() {
    let (db, program) = adopted(BINARY);
    let job = RunningJob::default().insert(&db);
    let fence = db.value(&format!("SELECT reaper_fence FROM jobs WHERE id = {job}")).unwrap();
    let _beat = program.run(&["beat", &format!("{job}:{fence}")]).ok();
    assert_eq!(db.count(&format!("jobs WHERE id = {job} AND reaper_beat_at IS NOT NULL")), 1);
    let other = program.run(&["beat", &format!("{job}:1")]).with_code(3);
    assert!(other.stderr.contains("taken away"), "{}", other.stderr);
}

#[test]
fn orphans_are_requeued_and_the_living_are_not() {
    let (db, program) = adopted(BINARY);
    let sleeper = Sleeper::start();
    let dead = RunningJob { pid: Some(dead_pid()), ..RunningJob::default() }.insert(&db);
    let live = RunningJob { pid: Some(sleeper.pid()), ..RunningJob::default() }.insert(&db);
    let ended = program.run(&["requeue-running", "--orphans"]).ok();
    assert!(ended.stdout.starts_with('1'), "{}", ended.stdout);
    assert_eq!((db.status(dead).as_str(), db.status(live).as_str()), ("queued", "running"));
    let _none = program.run(&["requeue-running", "--orphans"]).with_code(3);
    let _all = program.run(&["requeue-running", "--all"]).ok();
    assert_eq!(db.status(live), "queued");
}

#[test]
fn stale_leases_are_listed_and_removed() {
    let (db, program) = adopted(BINARY);
    let dir = db.dir().join("leases");
    fs::create_dir(&dir).unwrap();
    let suffix = reaper_gate::lease::LEASE_SUFFIX;
    let stale = dir.join(format!("r{suffix}"));
    fs::write(&stale, r#"{"pid": 1, "host": "h", "acquired_at": "2020-01-01T00:00:00Z"}"#).unwrap();
    let broken = dir.join(format!("b{suffix}"));
    fs::write(&broken, "{").unwrap();
    fs::write(dir.join(format!("\u{1b}[31m{suffix}")), "{").unwrap();
    let set = ["--set", "leases.dir=leases"];
    let listed = program.run(&[&["leases"][..], &set].concat()).ok();
    assert!(listed.stdout.contains("stale") && listed.stdout.contains("left alone"), "{}", listed.stdout);
    assert!(listed.stdout.lines().all(|line| line.chars().count() <= 80), "{}", listed.stdout);
    assert!(!listed.stdout.contains('\u{1b}'), "{}", listed.stdout);
    let _removed = program.run(&[&["leases", "reclaim"][..], &set].concat()).ok();
    assert!(!stale.exists() && broken.exists());
    let _none = program.run(&[&["leases", "reclaim"][..], &set].concat()).with_code(3);
}

#[test]
fn history_is_filtered_and_pruned() {
    let (db, program) = adopted(BINARY);
    let (first, second) = (job(&db, "running"), job(&db, "running"));
    for job in [first, second] {
        let _retried = program.run(&["retry", &job.to_string()]).ok();
    }
    let events = |args: &[&str]| {
        let list = program.run(&[&["history", "--output", "json"][..], args].concat()).ok().json();
        list[0].as_array().unwrap().len()
    };
    assert_eq!(events(&[]), 2);
    assert_eq!(events(&["--job", &first.to_string()]), 1);
    assert_eq!(events(&["--limit", "1"]), 1);
    assert_eq!(events(&["--since", "1h"]), 2);
    db.sql(&format!("UPDATE reaper_events SET at = 0 WHERE job_id = {first}"));
    assert_eq!(events(&["--since", "2026-01-01"]), 1);
    let _pruned = program.run(&["history", "prune", "--older-than", "30d"]).ok();
    assert_eq!(events(&[]), 1);
    let _nothing = program.run(&["history", "prune", "--older-than", "30d"]).with_code(3);
}

#[test]
fn an_effect_that_was_given_up_is_revived_or_dropped() {
    let (db, program) = adopted(BINARY);
    let job = job(&db, "running");
    let _failed = program.run(&["fail", &job.to_string()]).ok();
    let key = db.value("SELECT key FROM reaper_outbox").unwrap();
    let give_up = "UPDATE reaper_outbox SET state = 'dead', done_at = NULL, note = 'no way'";
    db.sql(give_up);
    assert!(program.run(&["outbox"]).ok().stdout.contains("no way"));
    let _due = program.run(&["outbox", "retry", &key]).ok();
    let tick = program.run(&["tick"]).ok();
    assert!(tick.stderr.contains("failed by a person"), "the alert is told: {}", tick.stderr);
    assert_eq!(db.count("reaper_outbox WHERE state = 'done'"), 1);
    let _delivered = program.run(&["outbox", "retry", &key]).with_code(3);
    db.sql(give_up);
    let _dropped = program.run(&["outbox", "drop", &key]).ok();
    let _gone = program.run(&["outbox", "drop", &key]).with_code(3);
    assert!(program.run(&["outbox"]).ok().stdout.contains("nothing is undelivered"));
}
