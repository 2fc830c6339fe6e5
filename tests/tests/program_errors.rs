//! What the program says and how it ends where something is wrong: its exit codes, a database that is not as it
//! should be, arguments and configuration that cannot be meant.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use diesel::connection::SimpleConnection as _;
use reaper_tests::{
    database::Database,
    jobs::RunningJob,
    processes::dead_pid,
    program::{Ended, Program, adopted, skipped},
};

const BINARY: &str = env!("CARGO_BIN_EXE_reaper-under-test");

/// Every command that needs a database, with arguments that it takes.
const COMMANDS: [&[&str]; 19] = [
    &["tick"],
    &["run"],
    &["plan"],
    &["explain", "1"],
    &["history"],
    &["history", "prune", "--older-than", "1d"],
    &["status"],
    &["retry", "1"],
    &["fail", "1"],
    &["requeue-running", "--all"],
    &["requeue-running", "--orphans"],
    &["mode"],
    &["mode", "off"],
    &["breaker"],
    &["breaker", "release"],
    &["enqueue", "--agent", "developer", "--repo", "r"],
    &["beat", "1:2"],
    &["outbox"],
    &["outbox", "drop", "1:2:alert"],
];

#[test]
fn every_exit_code_of_the_help_is_the_one_that_is_meant() {
    let (db, program) = adopted(BINARY);
    let help = program.run(&["--help"]).ok();
    for code in 0..=5 {
        assert!(help.stdout.lines().any(|line| line.starts_with(&format!("  {code}  "))), "{}", help.stdout);
    }
    let _done = program.run(&["status"]).with_code(0);
    let _failed = program.run(&["status", "--database-url", "absent.db"]).with_code(1);
    let _usage = program.run(&["frobnicate"]).with_code(2);
    let _unchanged = program.run(&["breaker", "release"]).with_code(3);
    let foreign = Database::foreign();
    let url = foreign.path();
    let _unprepared = program.run(&["status", "--database-url", &url.to_string_lossy()]).with_code(4);
    let _no_job = program.run(&["explain", "77"]).with_code(5);
    let job = db.insert("INSERT INTO jobs (agent, repo, status, attempts) VALUES ('a', 'r', 'running', 'many')");
    let bad = program.run(&["explain", &job.to_string()]).with_code(5);
    assert!(bad.stderr.contains("attempts"), "the column is named: {}", bad.stderr);
}

#[test]
fn wrong_arguments_are_said_and_end_with_2() {
    let (_db, program) = adopted(BINARY);
    for (args, hint) in [
        (&["frobnicate"][..], "frobnicate"),
        (&["tick", "--tims", "2"], "--times"),
        (&["tick", "--times", "0"], "--times"),
        (&["tick", "--interval", "soon"], "--interval"),
        (&["mode", "offf"], "off"),
        (&["beat", "7"], "JOB:FENCE"),
        (&["requeue-running"], "--orphans"),
        (&["requeue-running", "--all", "--orphans"], "--orphans"),
        (&["enqueue", "--agent", "a", "--repo", "r", "--task", "1", "--stage", "s"], "--stage"),
        (&["history", "--since", "yesterday"], "yesterday"),
        (&["status", "--set", "interval"], "KEY=VALUE"),
        (&["leases"], "leases.dir"),
        (&[], "Usage"),
    ] {
        let ended = program.run(args).with_code(2);
        assert!(ended.stderr.contains(hint), "{args:?} names `{hint}`: {}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
}

#[test]
fn without_a_database_every_command_says_how_to_name_one() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::new(BINARY, dir.path());
    for args in COMMANDS.iter().copied().chain([&["migrate"][..]]) {
        let output = program.command(args).env_remove("DATABASE_URL").output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains("--database-url PATH, DATABASE_URL, or database_url in reaper.toml"), "{stderr}");
    }
    let other = program.run(&["status", "--database-url", "mysql://localhost/jobs"]).with_code(2);
    assert!(other.stderr.contains("mysql"), "{}", other.stderr);
    let memory = program.run(&["status", "--database-url", ":memory:"]).with_code(2);
    assert!(memory.stderr.contains("name a file"), "{}", memory.stderr);
}

#[test]
fn a_missing_file_is_said_and_not_created() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::new(BINARY, dir.path());
    for args in COMMANDS {
        let ended = program.run(args).with_code(1);
        assert!(ended.stderr.contains("jobs.db") && ended.stderr.contains("reaper migrate"), "{}", ended.stderr);
        assert!(!dir.path().join("jobs.db").exists(), "{args:?} made a file");
    }
    let nowhere = program.run(&["migrate", "--database-url", "no/such/folder/jobs.db"]).with_code(1);
    assert!(nowhere.stderr.contains("no/such/folder"), "{}", nowhere.stderr);
}

#[test]
fn a_text_file_and_a_folder_are_no_database_and_stay_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::new(BINARY, dir.path());
    let text = "not a database, but a text that somebody may still need\n".repeat(200);
    fs::write(dir.path().join("jobs.db"), &text).unwrap();
    for args in COMMANDS.iter().copied().chain([&["migrate"][..], &["migrate", "--uninstall"]]) {
        let ended = program.run(args).with_code(1);
        assert!(ended.stderr.contains("jobs.db is not a SQLite database"), "{args:?}: {}", ended.stderr);
    }
    assert_eq!(fs::read_to_string(dir.path().join("jobs.db")).unwrap(), text);
    let folder = program.run(&["status", "--database-url", "."]).with_code(1);
    assert!(folder.stderr.contains("it is a folder"), "{}", folder.stderr);
}

#[test]
fn a_database_that_was_never_migrated_is_left_alone() {
    let db = Database::foreign();
    let _job = RunningJob { pid: Some(dead_pid()), ..RunningJob::default() }.insert(&db);
    let program = Program::new(BINARY, db.dir());
    let before = dump(&db);
    for args in COMMANDS {
        let ended = program.run(args).with_code(4);
        assert!(ended.stderr.contains("reaper migrate"), "{args:?}: {}", ended.stderr);
    }
    assert_eq!(dump(&db), before);
}

#[test]
fn a_newer_schema_is_read_and_written_by_nobody_older() {
    let (db, program) = adopted(BINARY);
    let job = RunningJob { pid: Some(dead_pid()), age_s: 999_999, ..RunningJob::default() }.insert(&db);
    db.sql("INSERT INTO reaper_migrations (version) VALUES ('9999')");
    let before = dump(&db);
    for args in
        COMMANDS.iter().copied().chain([&["migrate"][..], &["migrate", "--dry-run"], &["migrate", "--uninstall"]])
    {
        let ended = program.run(args).with_code(4);
        assert!(ended.stderr.contains("9999") && ended.stderr.contains("upgrade"), "{args:?}: {}", ended.stderr);
    }
    assert_eq!(dump(&db), before);
    assert_eq!(db.status(job), "running");
}

#[test]
fn an_empty_database_works_with_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::new(BINARY, dir.path());
    let _created = program.run(&["migrate"]).ok();
    assert!(dir.path().join("jobs.db").is_file(), "migrate is the word that makes a file");
    for (args, code) in [
        (&["tick", "--times", "2", "--interval", "1ms"][..], 0),
        (&["plan"], 0),
        (&["explain", "1"], 5),
        (&["history"], 0),
        (&["history", "prune", "--older-than", "1d"], 3),
        (&["status"], 0),
        (&["retry", "1"], 5),
        (&["fail", "1"], 5),
        (&["migrate"], 0),
        (&["requeue-running", "--all"], 3),
        (&["requeue-running", "--orphans"], 3),
        (&["mode"], 0),
        (&["breaker"], 0),
        (&["breaker", "release"], 3),
        (&["beat", "1:2"], 3),
        (&["outbox"], 0),
        (&["outbox", "retry", "1:2:alert"], 3),
        (&["outbox", "drop", "1:2:alert"], 3),
        (&["leases", "--set", "leases.dir=absent"], 0),
        (&["leases", "reclaim", "--set", "leases.dir=absent"], 3),
    ] {
        for output in ["text", "json"] {
            let ended = program.run(&[args, &["--output", output]].concat()).with_code(code);
            if output == "json" {
                let said = if code == 0 { &ended.stdout } else { &ended.stderr };
                let last = said.lines().last().unwrap();
                let _value: serde_json::Value = serde_json::from_str(last).expect(last);
            }
        }
    }
}

#[test]
fn a_locked_database_is_waited_for_and_works_afterwards() {
    let (db, program) = adopted(BINARY);
    let job = RunningJob { pid: Some(dead_pid()), ..RunningJob::default() }.insert(&db);
    let wait = ["--set", "busy_timeout=200ms"];
    let mut other = db.connection();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    // That these come back at all while the lock is held shows that the wait is bounded.
    for args in [&["retry", "1"][..], &["fail", "1"], &["mode", "off"], &["requeue-running", "--all"]] {
        let ended = program.run(&[args, &wait].concat()).with_code(1);
        assert!(ended.stderr.contains("locked by another program"), "{args:?}: {}", ended.stderr);
    }
    let tick = program.run(&[&["tick", "--set", "dead_ticks=1"][..], &wait].concat()).with_code(1);
    assert!(tick.stderr.contains("locked"), "{} {}", tick.stdout, tick.stderr);
    let migrate = program.run(&[&["migrate"][..], &wait].concat()).with_code(1);
    assert!(migrate.stderr.contains("locked"), "{}", migrate.stderr);
    let _reading_goes_on = program.run(&[&["status"][..], &wait].concat()).ok();
    assert_eq!(db.status(job), "running");
    other.batch_execute("ROLLBACK").unwrap();
    let _works = program.run(&[&["tick", "--set", "dead_ticks=1"][..], &wait].concat()).ok();
    assert_eq!(db.status(job), "queued");
}

#[test]
fn a_database_that_cannot_be_written_is_said_to_be_read_only() {
    let (db, program) = adopted(BINARY);
    let job = RunningJob { pid: Some(dead_pid()), ..RunningJob::default() }.insert(&db);
    let Some(reader) = Reader::of(&program, db.dir()) else {
        return;
    };
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&db.path(), 0o444);
    mode(db.dir(), 0o555);
    let before = dump(&db);
    for args in
        [&["retry", "1"][..], &["mode", "off"], &["tick", "--set", "dead_ticks=1"], &["migrate", "--uninstall"]]
    {
        let ended = reader.run(args).with_code(1);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(said.contains("read-only") || said.contains("cannot be written"), "{args:?}: {said}");
        assert!(said.contains("jobs.db"), "the file is named: {said}");
    }
    let _plan = reader.run(&["plan"]).ok();
    let _status = reader.run(&["status"]).ok();
    assert_eq!(dump(&db), before);
    mode(db.dir(), 0o755);
    mode(&db.path(), 0o644);
    let _works = program.run(&["tick", "--set", "dead_ticks=1"]).ok();
    assert_eq!(db.status(job), "queued");
}

/// The program as somebody who obeys permissions: root does not.
struct Reader {
    program: Program,
    before: Vec<&'static str>,
}

impl Reader {
    fn of(program: &Program, dir: &Path) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return Some(Self { program: Program::new(program.binary(), dir), before: Vec::new() });
        }
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
        let before = vec!["--reuid=65534", "--regid=65534", "--clear-groups", BINARY];
        let reader = Self { program: Program::new("setpriv", dir), before };
        let probe = reader.program.command(&[&reader.before[..], &["--version"]].concat()).output();
        if probe.is_ok_and(|output| output.status.success()) {
            return Some(reader);
        }
        skipped("root ignores permissions, and setpriv cannot run the program as another user here");
        None
    }

    fn run(&self, args: &[&str]) -> Ended {
        self.program.run(&[&self.before[..], args].concat())
    }
}

/// The schema and every job, as text.
fn dump(db: &Database) -> String {
    let schema = "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_master ORDER BY type, name)";
    let jobs = "SELECT group_concat(id || agent || status || coalesce(pid, ''), ';') FROM jobs";
    format!("{:?} {:?}", db.value(schema), db.value(jobs))
}
