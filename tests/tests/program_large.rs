//! `reaper run` beside rows and a gate that somebody means ill with: how much memory it takes, and what it logs.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::{fs, io::Read as _, process::Child};

use reaper_tests::{
    database::Database,
    jobs::{RunningJob, task},
    processes::dead_pid,
    program::{Program, adopted, eventually, signal},
};

const BINARY: &str = env!("CARGO_BIN_EXE_reaper-under-test");

/// Ten megabytes, in SQL.
const TEN_MEGABYTES: &str = "hex(zeroblob(5000000))";

/// How many jobs hold them, in two of their fields and in two of their task's.
const ROWS: i64 = 4;

/// A `reaper run` that is ended with its test.
struct Running(Child);

impl Running {
    /// Starts one that logs all it has to say into a file.
    fn start(program: &Program) -> Self {
        let args = ["run", "--set", "interval=20ms", "--set", "breaker.percent=100", "--set", "dead_ticks=2"];
        let log = fs::File::create(program.dir().join("log")).unwrap();
        let mut command = program.command(&args);
        command.env("REAPER_LOG", "trace").stdin(std::process::Stdio::null());
        Self(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }

    /// Waits until it has settled one that is inserted now, and so has looked at all that is there; then stops it, and
    /// answers with the most memory that it has had at once, in kilobytes.
    fn has_looked(self, database: &Database) -> u64 {
        let orphan = RunningJob { pid: Some(dead_pid()), ..RunningJob::default() }.insert(database);
        self.has_settled(orphan, database)
    }

    /// The same with a job that is there.
    fn has_settled(mut self, job: i64, database: &Database) -> u64 {
        eventually("the job is settled", || {
            assert!(self.0.try_wait().unwrap().is_none(), "it has ended by itself");
            database.status(job) != "running"
        });
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak = peak.trim().trim_end_matches(" kB").parse().unwrap();
        signal(&self.0, rustix::process::Signal::TERM);
        eventually("it ends", || self.0.try_wait().unwrap().is_some());
        peak
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Most often it has ended.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn log_of(program: &Program) -> String {
    let mut log = String::new();
    fs::File::open(program.dir().join("log")).unwrap().read_to_string(&mut log).unwrap();
    log
}

#[test]
fn f28_fields_of_ten_megabytes_are_not_kept_in_memory() {
    let (database, program) = adopted(BINARY);
    let usual = Running::start(&program).has_looked(&database);
    for _ in 0..ROWS {
        database.sql(&format!(
            "INSERT INTO tasks (branch, stage) SELECT l, l FROM (SELECT {TEN_MEGABYTES} AS l);
             INSERT INTO jobs (agent, repo, task_id, status, attempts, pid, started_at)
                SELECT l, l, (SELECT max(id) FROM tasks), 'running', 1, {}, datetime('now')
                FROM (SELECT {TEN_MEGABYTES} AS l)",
            dead_pid()
        ));
    }
    database.sql(&format!(
        "INSERT INTO reaper_outbox (key, effect, created_at, due_at) VALUES ('large', {TEN_MEGABYTES}, 0, 0);
         INSERT INTO reaper_events (id, at, actor, action, rule, reason, evidence)
            SELECT 1, 1, 'reaper', l, '', l, l FROM (SELECT {TEN_MEGABYTES} AS l)"
    ));
    let peak = Running::start(&program).has_looked(&database);
    // The rows hold 200 MB. SQLite itself holds a few fields at once.
    let more = peak.saturating_sub(usual);
    assert!(more < 80_000, "{usual} kB without them, {peak} kB beside them");
    assert_eq!(database.count("jobs WHERE status = 'running'"), ROWS, "they are kept and said");
    let plan = program.run(&["plan", "--output", "json"]).ok();
    assert_eq!(plan.json()[0]["bad"].as_array().unwrap().len(), usize::try_from(ROWS).unwrap(), "{}", plan.stdout);
    for command in ["status", "history", "outbox", "plan"] {
        let ended = program.run(&[command]).ok();
        assert!(ended.stdout.len() + ended.stderr.len() < 50_000, "{command}: {}", ended.stdout.len());
    }
    assert!(log_of(&program).len() < 10_000_000, "nor is a log flooded by them");
}

#[test]
fn f24_a_gigabyte_of_a_gates_output_is_not_kept_in_memory() {
    let (database, program) = adopted(BINARY);
    let peak = |gate: &str| {
        program.configure(&format!(
            "[pipeline]\nstages = [{{ name = \"a\", next = \"b\", gate = \"g\" }}, {{ name = \"b\" }}]\n\
             agents = {{ developer = [\"a\"] }}\n\
             [gates.g]\ncommand = [\"/bin/sh\", \"-c\", \"{gate} echo the last word; exit 1\"]\n"
        ));
        let task = Some(task(&database, "a"));
        let job = RunningJob { task_id: task, exit_code: Some(0), ..RunningJob::default() }.insert(&database);
        let peak = Running::start(&program).has_settled(job, &database);
        let events = format!("reaper_events WHERE job_id = {job} AND action = 'requeue'");
        let evidence = database.value(&format!("SELECT evidence FROM {events}")).unwrap();
        assert!(evidence.contains("the last word"), "{evidence}");
        peak
    };
    let usual = peak("");
    // Half of it is one line, the other half is very many.
    let flooded = peak("head -c 500000000 /dev/zero; echo; yes no | head -c 500000000;");
    let more = flooded.saturating_sub(usual);
    assert!(more < 40_000, "{usual} kB with a quiet gate, {flooded} kB with one that floods");
}

#[test]
fn f28_nothing_of_a_field_reaches_a_log_raw() {
    let (database, program) = adopted(BINARY);
    program.configure("[pipeline]\nstages = [{ name = \"a\", next = \"b\" }, { name = \"b\" }]\n");
    let hostile = "'\u{1b}[31mred\u{1b}]0;t\u{7}\r\nERROR made up: job 1\u{202e}\u{9b}2J'";
    for code in ["NULL", "0", "1"] {
        let task = database.insert(&format!(
            "INSERT INTO tasks (work_item_id, repo, branch, stage) VALUES ({hostile}, {hostile}, {hostile}, {hostile})"
        ));
        let run = database.insert(&format!(
            "INSERT INTO agent_runs (agent, finished_at, exit_code)
             VALUES ({hostile}, datetime('now', '-600 seconds'), {code})"
        ));
        let _job = database.insert(&format!(
            "INSERT INTO jobs (agent, repo, task_id, status, attempts, max_attempts, run_id, pid, started_at)
             VALUES ({hostile}, {hostile}, {task}, 'running', 1, 1, {run}, {}, datetime('now'))",
            dead_pid()
        ));
    }
    let _bad = database.insert(&format!(
        "INSERT INTO jobs (agent, repo, status, attempts, pid, started_at)
         VALUES ({hostile}, x'ff1b5b', 'running', {hostile}, {hostile}, {hostile})"
    ));
    database.sql(&format!(
        "INSERT INTO reaper_outbox (key, effect, created_at, due_at) VALUES ({hostile}, {hostile}, 0, 0),
            ('alert', json_object('alert', json_object('kind', {hostile}, 'job', NULL, 'text', {hostile})), 0, 0)"
    ));
    let _peak = Running::start(&program).has_looked(&database);
    let log = log_of(&program);
    assert!(log.contains("red"), "what is checked is there: {log}");
    let raw = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}');
    let line = log.lines().find(|line| line.contains(raw) || line.starts_with("ERROR made up"));
    assert_eq!(line, None, "in the log");
}
