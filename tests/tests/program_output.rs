//! The shapes of `--output json` that `reaper-runner/docs/output.md` shows are the ones that the program prints.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic, its helpers too")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use reaper_tests::{
    database::Database,
    jobs::{RunningJob, task},
    processes::{Sleeper, dead_pid},
    program::{Program, adopted},
};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_reaper-under-test");
const DOC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../reaper-runner/docs/output.md");

/// Objects whose keys are data (names of statuses, agents, rules, kinds, hosts, figures) and not part of the shape.
const BY_NAME: [&str; 6] = [".jobs", ".by_rule", ".open", ".hosts", ".evidence", ".effect"];

/// Every path of keys in a value, `[]` for the members of a list.
fn paths(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(_) if BY_NAME.iter().any(|name| at.ends_with(name)) => {
            found.insert(format!("{at}.*"));
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                found.insert(format!("{at}.{key}"));
                paths(value, &format!("{at}.{key}"), found);
            }
        }
        Value::Array(members) => members.iter().for_each(|member| paths(member, &format!("{at}[]"), found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn shape(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    paths(value, "", &mut found);
    found
}

/// The examples of the document, by their headings.
fn documented() -> BTreeMap<String, Value> {
    let doc = fs::read_to_string(DOC).unwrap();
    let mut examples = BTreeMap::new();
    for section in doc.split("\n## `").skip(1) {
        let (name, rest) = section.split_once('`').unwrap();
        let json = rest.split_once("```json\n").unwrap().1.split_once("```").unwrap().0;
        examples.insert(name.to_owned(), serde_json::from_str(json).expect(name));
    }
    examples
}

/// Runs each command once where it has something to say, and gives what it printed, by its name.
fn printed() -> BTreeMap<String, Value> {
    let db = Database::foreign();
    let program = Program::new(BINARY, db.dir());
    let mut all = BTreeMap::new();
    let mut run = |name: &str, args: &[&str], code: i32| {
        // What stands behind `--` is a command of its own.
        let (own, command) = args.split_at(args.iter().position(|arg| *arg == "--").unwrap_or(args.len()));
        let ended = program.run(&[own, &["--output", "json"], command].concat()).with_code(code);
        let said = if ended.stdout.is_empty() { ended.stderr } else { ended.stdout };
        let last = said.lines().last().unwrap();
        all.insert(name.to_owned(), serde_json::from_str(last).expect(last));
    };
    run("migrate", &["migrate"], 0);
    program.configure(
        "[pipeline]\nstages = [{ name = \"architecture\", next = \"development\", next_agent = \"tester\" },
         { name = \"development\" }]\n[pipeline.agents]\ndeveloper = [\"architecture\"]\n[leases]\ndir = \"leases\"\n",
    );
    let leases = db.dir().join("leases");
    fs::create_dir(&leases).unwrap();
    let lease = format!("orchestrator{}", reaper_gate::lease::LEASE_SUFFIX);
    fs::write(leases.join(lease), r#"{"pid": 1, "host": "h", "acquired_at": "2020-01-01T00:00:00Z"}"#).unwrap();
    run("leases", &["leases"], 0);
    run("leases reclaim", &["leases", "reclaim"], 0);

    let first = task(&db, "architecture");
    let _stalled = task(&db, "architecture");
    let done = RunningJob { task_id: Some(first), exit_code: Some(0), ..RunningJob::default() }.insert(&db);
    let _dead = RunningJob { pid: Some(dead_pid()), ..RunningJob::default() }.insert(&db);
    let _bad =
        db.insert("INSERT INTO jobs (agent, repo, status, attempts, pid) VALUES ('a', 'r', 'running', 'many', 1)");
    let elsewhere = task(&db, "nowhere");
    let _cannot = RunningJob { task_id: Some(elsewhere), exit_code: Some(0), ..RunningJob::default() }.insert(&db);
    run("plan", &["plan"], 0);
    run("explain", &["explain", &done.to_string()], 0);
    run("tick", &["tick", "--set", "dead_ticks=1"], 0);
    run("enqueue", &["enqueue", "--agent", "developer", "--repo", "r", "--stage", "architecture"], 0);
    run("exec", &["exec", "--agent", "developer", "--", "/bin/sh", "-c", "echo two tests fail; exit 3"], 6);
    let job = db.insert("INSERT INTO jobs (agent, repo, status) VALUES ('developer', 'r', 'running')");
    let fence = db.value(&format!("SELECT reaper_fence FROM jobs WHERE id = {job}")).unwrap();
    run("beat", &["beat", &format!("{job}:{fence}")], 0);
    run("retry", &["retry", &job.to_string()], 0);
    run("fail", &["fail", &job.to_string()], 0);
    // The executor that looked dead has gone on, and ends well after its job was taken again.
    let queued = db.value("SELECT job_id FROM reaper_events WHERE signature = 'vanished'").unwrap();
    let ended = db.insert("INSERT INTO agent_runs (agent) VALUES ('developer')");
    db.sql(&format!(
        "UPDATE jobs SET status = 'running' WHERE id = {queued};
         UPDATE reaper_events SET run_id = {ended} WHERE job_id = {queued};
         UPDATE agent_runs SET exit_code = 0 WHERE id = {ended};
         UPDATE jobs SET status = 'done' WHERE id = {queued}"
    ));
    run("history", &["history"], 0);
    run("signatures", &["signatures"], 0);
    db.sql("UPDATE reaper_outbox SET state = 'dead', done_at = NULL, note = 'the chat is gone' WHERE key LIKE '%alert'");
    run("outbox", &["outbox"], 0);
    let key = db.value("SELECT key FROM reaper_outbox WHERE state = 'dead' LIMIT 1").unwrap();
    run("outbox retry", &["outbox", "retry", &key], 0);
    run("outbox drop", &["outbox", "drop", &key], 0);
    for _ in 0..20 {
        let _dead = RunningJob { pid: Some(dead_pid()), ..RunningJob::default() }.insert(&db);
    }
    let _held = program.run(&["tick", "--times", "2", "--interval", "1ms"]).ok();
    run("breaker", &["breaker"], 0);
    run("status", &["status"], 0);
    run("breaker release", &["breaker", "release"], 0);
    db.sql("INSERT INTO reaper_incarnations VALUES ('build-7', 'b00t', 4026532481, 'worker', 1764000000000, 1764000100000, 24601)");
    db.sql("INSERT INTO reaper_nodes VALUES ('build-7', 'b00t', 'up', 12, 1764000000000, 60000, 'build-7:311')");
    run("nodes", &["nodes"], 0);
    run("declare-dead", &["declare-dead", "build-7"], 0);
    let fence = db.value(&format!("SELECT reaper_fence FROM jobs WHERE id = {job}")).unwrap();
    let carrier = Sleeper::carrying(&format!("{job}:{fence}"));
    run("processes", &["processes"], 0);
    drop(carrier);
    run("requeue-running", &["requeue-running", "--all"], 0);
    run("mode", &["mode"], 0);
    run("mode report", &["mode", "report"], 0);
    db.sql("UPDATE reaper_events SET at = 0");
    run("history prune", &["history", "prune", "--older-than", "30d"], 0);
    run("errors", &["explain", "4711"], 5);
    all
}

#[test]
fn every_documented_shape_is_the_one_that_is_printed() {
    let (documented, printed) = (documented(), printed());
    if let Ok(into) = std::env::var("OUTPUT_EXAMPLES") {
        fs::write(into, serde_json::to_string_pretty(&printed).unwrap()).unwrap();
    }
    let names = |of: &BTreeMap<String, Value>| of.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&documented), names(&printed), "a section a command");
    for (name, value) in &printed {
        assert_eq!(shape(&documented[name]), shape(value), "{name}: {value:#}");
    }
}

/// A command that the help lists has its section, or is said to print as another does.
#[test]
fn no_command_is_left_out() {
    let (_db, program) = adopted(BINARY);
    let help = program.run(&["--help"]).ok().stdout;
    let list = help.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    let doc = fs::read_to_string(DOC).unwrap();
    for line in list.lines() {
        let Some(name) = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')) else { continue };
        let name = name.split_whitespace().next().unwrap();
        assert!(name == "help" || doc.contains(&format!("`{name}`")), "{name} is not in output.md");
    }
}
