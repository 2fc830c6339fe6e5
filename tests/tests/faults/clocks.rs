//! F16: the clock of a database, and of all that runs beside it, is set by an hour while a reaper runs.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    process::Stdio,
    time::Duration,
};

use reaper_tests::{
    clock::Clock,
    cluster::Cluster,
    database::{Database, Kind, Scratch},
    jobs::RunningJob,
    processes::dead_pid,
    program::{Program, eventually, skipped, within},
    setting::{prepared, settled_once},
};

use crate::Running;

const HOUR_MS: i64 = 3_600_000;

/// What goes by the clock: a PostgreSQL server of its own or the SQLite inside of each program, and the programs.
struct Ground {
    database: Database,
    program: Program,
    clock: Clock,
}

/// Runs a case on each kind of database, with these keys set.
fn on_a_clock(keys: &str, case: impl Fn(&Ground)) {
    let keys = format!(
        "bare_pids = true\nintensity = \"off\"\nexec.spool = \"spool\"\n\
         breaker = {{ percent = 100, at_least = 1000, hold = \"1s\" }}\n{keys}\n"
    );
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let folder = tempfile::tempdir().unwrap();
        // The server, which is another user's, reads the clock's file.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let Some(clock) = Clock::new(folder.path()) else {
            return skipped("without a C compiler there is no clock that can be set");
        };
        // Dropped after what is on it.
        let cluster = match kind {
            Kind::Sqlite => None,
            Kind::Postgres => {
                let Some(cluster) = Cluster::start_with(clock.environment()) else { continue };
                Some(cluster)
            }
        };
        let database = cluster
            .as_ref()
            .map_or_else(Database::foreign, |cluster| Database::on_scratch(Scratch::on(cluster.url())));
        let program = prepared(crate::BINARY, &database, &keys);
        case(&Ground { database, program, clock });
    }
}

impl Ground {
    fn start(&self, args: &[&str]) -> Running {
        let mut command = self.program.command(args);
        command.envs(self.clock.environment().iter().cloned());
        Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// A job of this agent that `reaper exec` takes, with these arguments.
    fn exec(&self, agent: &str, stage: &str, args: &[&str]) -> (i64, Running) {
        let enqueue = ["enqueue", "--agent", agent, "--repo", "shop", "--stage", stage, "--output", "json"];
        let job = self.program.run(&enqueue).ok().json().first().and_then(|said| said["job"].as_i64()).unwrap();
        let monitor = self.start(&[&["exec", "--agent", agent], args].concat());
        let attached = format!("jobs WHERE id = {job} AND status = 'running' AND reaper_attach = 'done'");
        eventually("its job is attached", || self.database.count(&attached) == 1);
        (job, monitor)
    }

    /// Waits until the reaper has made some ticks from now on: a dead job is settled, whatever the clock has done.
    fn has_looked(&self) {
        let orphan = RunningJob { pid: Some(dead_pid()), ..RunningJob::default() }.insert(&self.database);
        eventually("a dead job is settled", || self.database.status(orphan) == "queued");
    }

    /// That nothing but its exit has happened to a job.
    fn is_untouched(&self, job: i64) {
        assert_eq!(self.database.status(job), "running");
        let events = format!("reaper_events WHERE job_id = {job} AND action <> 'exit'");
        assert_eq!(self.database.count(&events), 0);
    }
}

/// One lives, one has just ended and its monitor is still at it; then the clock is set by so much.
fn story(ground: &Ground, by_ms: i64, meanwhile: impl Fn()) {
    const WAIT: &str = "while [ -e wait ]; do sleep 0.05; done";
    let Ground { database, .. } = ground;
    fs::write(ground.program.dir().join("wait"), "").unwrap();
    let reaper = ground.start(&["run", "--set", "interval=50ms"]);
    let (alive, worker) = ground.exec("tester", "development", &["--", "sh", "-c", WAIT]);
    let (young, monitor) = ground.exec("developer", "architecture", &["--hook", WAIT, "--", "true"]);
    let recorded = format!("jobs WHERE id = {young} AND reaper_exit_code = 0");
    eventually("its exit is recorded", || database.count(&recorded) == 1);
    ground.has_looked();

    ground.clock.set(by_ms);
    for _ in 0..3 {
        ground.has_looked();
        ground.is_untouched(alive);
        ground.is_untouched(young);
    }
    meanwhile();
    ground.is_untouched(alive);
    ground.is_untouched(young);

    // Now its monitor is certainly dead, and the other ends and is finished by its own.
    drop(monitor);
    eventually("what was left is done", || database.status(young) == "done");
    fs::remove_file(ground.program.dir().join("wait")).unwrap();
    eventually("what lives ends well", || database.status(alive) == "done");
    eventually("both have moved on", || database.count("reaper_advances") == 2);
    eventually("all is delivered", || database.count("reaper_outbox WHERE state <> 'done'") == 0);
    drop(worker);
    let said = reaper.stop();
    settled_once(database);
    let advanced = database.count("jobs WHERE reaper_source_key IS NOT NULL");
    assert_eq!(advanced, 1, "the one that moved on to a stage with an agent");
    let jump = said.split("jump_ms=").nth(1).and_then(|rest| rest.split_whitespace().next());
    let jump = jump.and_then(|ms| ms.parse::<i64>().ok());
    assert!(jump.is_some_and(|jump| (jump - by_ms).abs() < 60_000), "the jump was noticed: {said}");
}

#[test]
fn f16_an_hour_forward_cuts_neither_a_grace_nor_a_ceiling_short() {
    // Five minutes of grace, and half an hour at most.
    on_a_clock("max_running = \"30m\"", |ground| story(ground, HOUR_MS, || ()));
}

#[test]
fn f16_an_hour_back_keeps_nobody_over_its_ceiling_and_doubles_nothing() {
    on_a_clock("max_running = \"3h\"", |ground| {
        // Nobody can tell whether it lives: it comes over the ceiling some seconds after the clock was set.
        let long = RunningJob { age_s: 3 * 3600 - 10, ..RunningJob::default() }.insert(&ground.database);
        story(ground, -HOUR_MS, || {
            within(Duration::from_secs(60), "an hour is taken for an hour", || {
                ground.database.status(long) == "queued"
            });
        });
    });
}
