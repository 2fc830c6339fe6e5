//! Workers in Python, written from the store's page on workers alone, beside two reapers and a killer.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::{
    collections::BTreeMap,
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use reaper_tests::{
    database::{Database, Kind},
    program::{Program, signal, skipped, within},
};
use rustix::process::{Pid, Signal, kill_process};

const BINARY: &str = env!("CARGO_BIN_EXE_reaper-under-test");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/worker.py");
const JOBS: i64 = 30;

/// The command: one of a job at a time holds its lock, and what it has left behind holds it too.
const COMMAND: &str = r#"exec 9>>"lock.$REAPER_JOB_ID"
flock -n 9 || { echo "overlap $REAPER_ATTEMPT" >> journal; exit 99; }
echo "start $REAPER_ATTEMPT" >> journal
sleep 0.2
echo "end $REAPER_ATTEMPT" >> journal
[ -e "red.$REAPER_JOB_ID" ] || exit 0
exit 7"#;

/// What is killed next, in turn.
#[derive(Clone, Copy, Debug)]
enum Prey {
    Worker(usize),
    Executor,
}

#[test]
fn python_workers_on_sqlite_pass_the_races() {
    races(Kind::Sqlite);
}

#[test]
fn python_workers_on_postgres_pass_the_races() {
    races(Kind::Postgres);
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn worker(database: &Database) -> Child {
    let url = if database.url().starts_with("postgres") { database.url() } else { "jobs.db" };
    let mut command = Command::new("python3");
    command.args([SCRIPT, url, "developer", "600", "sh", "-c", COMMAND]);
    command.current_dir(database.dir()).env("WORKER_HOST", "here").env_remove("REAPER_ATTEMPT");
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

/// Ends an executor of a running job, if one shows by its environment that it is that.
fn kill_an_executor(database: &Database, turn: usize) {
    let running = database.value(&format!(
        "SELECT pid || ' ' || id || ':' || reaper_fence FROM jobs WHERE status = 'running' AND pid IS NOT NULL
            ORDER BY id LIMIT 1 OFFSET {}",
        turn % 2
    ));
    let Some(running) = running else { return };
    let (pid, attempt) = running.split_once(' ').unwrap();
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let carried = format!("REAPER_ATTEMPT={attempt}");
    if environment.split(|byte| *byte == 0).any(|entry| entry == carried.as_bytes()) {
        // It may have ended by now.
        kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL).ok();
    }
}

fn races(kind: Kind) {
    if !["python3", "flock"].into_iter().all(has) || (kind == Kind::Postgres && !has("psql")) {
        skipped("there is no python3, flock or psql");
        return;
    }
    let Some(database) = Database::foreign_on(kind) else { return };
    let program = Program::on(BINARY, &database);
    program.configure(
        "host = \"here\"\ninterval = \"100ms\"\nmax_rescues = 1000\nintensity = \"off\"\ngate_patience = \"1h\"
         [breaker]\npercent = 100\n[backoff]\nbase = \"10ms\"\nmax = \"50ms\"\n",
    );
    let _migrated = program.run(&["migrate"]).ok();
    for n in 0..JOBS {
        // The last three fail by themselves, and are tried three times.
        let most = if n < JOBS - 3 { 1000 } else { 3 };
        let job = database.insert(&format!(
            "INSERT INTO jobs (agent, repo, status, max_attempts) VALUES ('developer', 'r', 'queued', {most})"
        ));
        if most == 3 {
            fs::write(database.dir().join(format!("red.{job}")), "").unwrap();
        }
    }
    let reapers = [0; 2].map(|_| program.spawn(&["run", "--output", "json"]));
    let mut workers = Vec::from([0; 3].map(|_| worker(&database)));

    let mut turn = 0;
    within(Duration::from_secs(240), "every job is settled", || {
        turn += 1;
        // Every half a second something dies, until most is done; the rest is left in peace, so that it ends.
        let left = database.count("jobs WHERE status IN ('queued', 'running')");
        if turn % 10 == 0 && left > JOBS / 3 {
            let prey = if turn % 20 == 0 { Prey::Worker(turn / 20 % 3) } else { Prey::Executor };
            match prey {
                Prey::Worker(which) => {
                    let mut ended = workers.remove(which);
                    ended.kill().unwrap();
                    ended.wait().unwrap();
                    workers.push(worker(&database));
                }
                Prey::Executor => kill_an_executor(&database, turn / 10),
            }
        }
        left == 0
    });
    for mut worker in workers {
        worker.kill().unwrap();
        worker.wait().unwrap();
    }
    for reaper in reapers {
        signal(&reaper, Signal::TERM);
        let ended = reaper.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    }

    let journal = fs::read_to_string(database.dir().join("journal")).unwrap();
    let mut started = BTreeMap::<&str, u32>::new();
    for line in journal.lines() {
        let (what, attempt) = line.split_once(' ').unwrap();
        assert_ne!(what, "overlap", "{line}");
        if what == "start" {
            *started.entry(attempt).or_default() += 1;
        }
    }
    assert!(started.values().all(|count| *count == 1), "an attempt ran twice: {started:?}");
    assert!(i64::try_from(started.len()).unwrap() > JOBS, "something was killed and tried again");
    let settled = |status: &str| database.count(&format!("jobs WHERE status = '{status}'"));
    assert!(settled("failed") >= 3 && settled("done") + settled("failed") == JOBS);
    assert_eq!(settled("done"), JOBS - 3, "only what fails by itself has failed");
    // A late finish alone may follow: an exit 0 that came after its attempt was put back and before it was taken again.
    let twice = "SELECT count(*) FROM (SELECT 1 FROM reaper_events
        WHERE action NOT IN ('terminate', 'exit') AND NOT (action = 'done' AND from_status = 'queued')
        GROUP BY job_id, fence HAVING count(*) > 1) AS twice";
    assert_eq!(database.value(twice).as_deref(), Some("0"), "an attempt was settled twice");
    let by = |actor: &str| database.count(&format!("reaper_events WHERE actor = '{actor}'"));
    assert!(by("monitor") > 0 && by("reaper") > 0, "both had work");
}
