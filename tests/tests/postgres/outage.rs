//! The server falls and comes back, under two reapers and the workers of another program.

use std::{
    process::Child,
    sync::{
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};
use reaper_runner::{Reaper, SystemTime, Time as _};
use reaper_tests::{
    cluster::Cluster,
    database::{Database, Scratch},
    fakes::{FakeProbe, Fakes, settings},
    jobs::{RunningJob, task},
    program::{eventually, signal, within},
};
use rustix::process::Signal;

use crate::setting::{prepared, settled_once};

/// Ends the workers and the reapers, also where a check has failed: without it the test would wait for them for ever.
struct Running<'a> {
    done: &'a AtomicBool,
    reapers: Vec<Child>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.done.store(true, Ordering::SeqCst);
        for reaper in &mut self.reapers {
            // Most often they have ended.
            reaper.kill().ok();
            reaper.wait().ok();
        }
    }
}

/// Tasks that have two stages before them.
const TASKS: i64 = 30;

/// How long anything may take that waits for a server which recovers on a machine that is busy with other tests.
const LONG: Duration = Duration::from_secs(180);

/// A worker of a program that knows nothing of Reaper: it takes a job, records the end of its work, and dies before it
/// settles the job. Every fourth time it dies before it has recorded anything.
const TAKE: &str = "
WITH next AS (SELECT id, task_id, agent FROM jobs WHERE status = 'queued' ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1),
run AS (INSERT INTO agent_runs (task_id, agent) SELECT task_id, agent FROM next RETURNING id)
UPDATE jobs SET status = 'running', attempts = attempts + 1, started_at = now(), pid = NULL,
    run_id = (SELECT id FROM run)
WHERE id = (SELECT id FROM next)";
const RECORD: &str = "
UPDATE agent_runs SET exit_code = 0, finished_at = now()
WHERE exit_code IS NULL AND id IN (SELECT run_id FROM jobs WHERE status = 'running') AND id % 4 <> 0";

fn work(url: &str, done: &AtomicBool, errors: &AtomicU32) {
    let mut connection = None;
    while !done.load(Ordering::SeqCst) {
        let worked = match &mut connection {
            None => PgConnection::establish(url).map(|made| connection = Some(made)).is_ok(),
            Some(connection) => [TAKE, RECORD].iter().all(|statement| connection.batch_execute(statement).is_ok()),
        };
        if !worked {
            connection = None;
            errors.fetch_add(1, Ordering::SeqCst);
        }
        // A worker works for a while; nothing waits for this.
        thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn f21_all_converges_and_nothing_is_done_twice_when_the_server_falls_three_times() {
    let Some(mut cluster) = Cluster::start() else { return };
    let database = Database::on_scratch(Scratch::on(cluster.url()));
    let program = prepared(
        &database,
        "interval = \"100ms\"\nfinalize_grace = \"50ms\"\nmax_running = \"2s\"\nmax_rescues = 50\nintensity = \"off\"\n\
         delivery_lease = \"500ms\"\nbackoff = { base = \"10ms\", max = \"100ms\" }\nbreaker = { percent = 100, at_least = 1000, hold = \"1s\" }",
    );
    for _ in 0..TASKS {
        let task = task(&database, "architecture");
        database.sql(&format!(
            "INSERT INTO jobs (agent, repo, task_id, max_attempts) VALUES ('developer', 'shop', {task}, 50)"
        ));
    }
    database.sql("ALTER TABLE jobs ALTER max_attempts SET DEFAULT 50");

    let (done, errors) = (AtomicBool::new(false), AtomicU32::new(0));
    let url = database.url().to_owned();
    let released = || database.count("tasks WHERE stage = 'released'");
    let reapers = thread::scope(|scope| {
        let mut running = Running { done: &done, reapers: (0..2).map(|_| program.spawn(&["run"])).collect() };
        for _ in 0..2 {
            scope.spawn(|| work(&url, &done, &errors));
        }
        for fall in 1..=3 {
            // In the midst of it: something was done since the last fall, and something is left.
            within(LONG, "some tasks are through", || released() >= fall * TASKS / 5);
            assert!(released() < TASKS, "there is work left");
            cluster.kill();
            cluster.start_again();
        }
        within(LONG, "every task is through", || released() == TASKS);
        within(LONG, "no job is left", || database.count("jobs WHERE status IN ('queued', 'running')") == 0);
        within(LONG, "every effect is delivered", || database.count("reaper_outbox WHERE state <> 'done'") == 0);
        done.store(true, Ordering::SeqCst);
        for reaper in &mut running.reapers {
            assert!(reaper.try_wait().unwrap().is_none(), "a reaper outlives the server's falls");
            signal(reaper, Signal::TERM);
        }
        std::mem::take(&mut running.reapers)
    });
    for reaper in reapers {
        let output = reaper.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        assert!(said.contains("the pass failed"), "it has noticed: {said}");
    }
    assert!(errors.load(Ordering::SeqCst) > 0, "the workers have noticed");
    settled_once(&database);
    // One job a stage for each task: neither was one lost nor made twice.
    assert_eq!(database.count("jobs"), 2 * TASKS);
    assert_eq!(database.count("jobs WHERE status = 'done'"), 2 * TASKS);
    assert_eq!(database.count("reaper_advances"), 2 * TASKS);
}

#[test]
fn f21_a_reaper_that_starts_before_the_server_waits_for_it() {
    let Some(mut cluster) = Cluster::start() else { return };
    let database = Database::on_scratch(Scratch::on(cluster.url()));
    let program = prepared(&database, "interval = \"50ms\"");
    database.sql("INSERT INTO jobs (agent, repo, status, started_at) VALUES ('a', 'r', 'running', '2001-01-01')");
    cluster.kill();

    let once = program.run(&["tick"]).with_code(1);
    assert!(once.stderr.contains("cannot open postgres://reaper@127.0.0.1:"), "{}", once.stderr);
    let mut ended = program.spawn(&["run"]);
    signal(&ended, Signal::TERM);
    // Without a signal handler yet it ends by the signal; with one, with 0. It does not hang.
    eventually("a reaper that waits can be stopped", || ended.try_wait().unwrap().is_some());

    let reaper = program.spawn(&["run"]);
    cluster.start_again();
    within(LONG, "the orphan is settled", || database.count("jobs WHERE status = 'queued'") == 1);
    signal(&reaper, Signal::TERM);
    let output = reaper.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn f21_passes_without_a_server_come_at_growing_intervals_and_the_first_with_one_works() {
    const INTERVAL: Duration = Duration::from_millis(20);
    let Some(mut cluster) = Cluster::start() else { return };
    let (database, store) = Database::on_scratch(Scratch::on(cluster.url())).adopt();
    let mut settings = settings();
    settings.interval = INTERVAL;
    let reaper = Reaper::new(Fakes::with_probe(FakeProbe::dead()).parts(&store), settings);
    let (seen, passes) = mpsc::channel();
    let time = SystemTime::new();
    let tell = move |at, has_failed| seen.send((at, has_failed)).ok().unwrap_or(());
    reaper.start_with(move |report| tell(time.monotonic(), report.error.is_some())).unwrap();
    let next = || passes.recv_timeout(LONG).unwrap();
    assert!(!next().1, "the first pass works");

    cluster.kill();
    let mut failed: Vec<Duration> = Vec::new();
    while failed.len() < 7 {
        let (at, has_failed) = next();
        assert!(has_failed || failed.is_empty(), "nobody answers");
        failed.extend(has_failed.then_some(at));
    }
    // A pass is told of before the pause after it: no pause is longer than what lies between the two.
    for (n, pair) in (1..).zip(failed.windows(2)) {
        let least = INTERVAL * 2_u32.pow(n) / 2;
        assert!(pair[1].saturating_sub(pair[0]) >= least, "pause {n} is shorter than {least:?}: {failed:?}");
    }

    cluster.start_again();
    let orphan = RunningJob { pid: Some(4711), ..RunningJob::default() }.insert(&database);
    while next().1 {}
    within(LONG, "the orphan is settled", || database.status(orphan) == "queued");
    reaper.stop(LONG).unwrap();
}
