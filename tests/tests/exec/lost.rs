//! Monitors, supervisors and databases that go away at the wrong moment.

use std::fs;

use diesel::connection::SimpleConnection as _;
use reaper_tests::{
    cluster::Cluster,
    database::{Database, Kind, Scratch},
    program::eventually,
};
use rustix::process::Signal;

use crate::{
    ground::{BINARY, Ground, code_of, gone, kill, lives, signal},
    on_both,
};

const WAITS: &str = "echo $$ > pid.$REAPER_JOB_ID; while [ ! -e go ]; do sleep 0.05; done; echo $REAPER_JOB_ID >> ran; \
    echo \"did $REAPER_JOB_ID\"";

on_both! {
    /// Every monitor is killed in the middle of a run of twenty jobs: what they have begun goes on, nothing runs twice,
    /// and every task moves on once.
    fn killed_monitors_lose_no_work(ground: &Ground) {
        const JOBS: usize = 20;
        let jobs: Vec<_> = (0..JOBS).map(|_| ground.staged()).collect();
        let mut monitors: Vec<_> = (0..4).map(|_| ground.spawn(&["--agent", "designer", "--loop", "5"], WAITS)).collect();
        let pids: Vec<_> = jobs.iter().map(|(job, _)| ground.pid_in(&format!("pid.{job}"))).collect();
        monitors.iter_mut().for_each(kill);
        let _nothing = ground.program.run(&["tick", "--times", "3", "--interval", "50ms"]).ok();
        assert!(pids.iter().all(|pid| lives(*pid)), "a command goes on without its monitor");
        assert_eq!(ground.db.count("jobs WHERE status = 'running'"), 20, "and its job is left alone");
        fs::write(ground.file("go"), "").unwrap();
        eventually("all are done", || {
            let _tick = ground.tick();
            ground.db.count("jobs WHERE agent = 'designer' AND status = 'done'") == 20
        });
        let mut ran: Vec<i64> = ground.read("ran").lines().map(|line| line.parse().unwrap()).collect();
        ran.sort_unstable();
        assert_eq!(ran, jobs.iter().map(|(job, _)| *job).collect::<Vec<_>>(), "each ran once");
        assert_eq!(ground.db.count("jobs WHERE agent = 'builder' AND status = 'queued'"), 20);
        assert_eq!(ground.db.count("agent_runs"), 20, "no second attempt was begun");
        pids.into_iter().for_each(gone);
        ground.is_consistent();
    }

    /// A supervisor that is killed takes its command along, as its monitor sees to.
    fn a_killed_supervisor_is_an_end_by_a_signal(ground: &Ground) {
        let job = ground.job();
        let mut child = ground.spawn(&[], "echo $$ > pid; exec sleep 600");
        let pid = ground.pid_in("pid");
        signal(ground.executor(job), Signal::KILL);
        assert_eq!(code_of(&mut child), 6);
        gone(pid);
        assert_eq!((ground.db.status(job).as_str(), ground.exits(job).as_deref()), ("queued", Some("-9")));
        ground.is_consistent();
    }

    /// Monitor and supervisor are killed at once: what is left of the session is stopped before another attempt.
    fn f34_both_killed_is_settled_by_the_reaper(ground: &Ground) {
        let job = ground.job();
        let mut child = ground.spawn(&[], "echo $$ > pid; exec sleep 600");
        let pid = ground.pid_in("pid");
        let executor = ground.executor(job);
        kill(&mut child);
        signal(executor, Signal::KILL);
        eventually("it is queued again", || {
            let _tick = ground.tick();
            ground.db.status(job) == "queued"
        });
        assert!(!lives(pid), "no second attempt beside it");
        assert_eq!(ground.exits(job), None, "never a made-up code");
        ground.is_consistent();
    }

    /// The launcher is killed between take and attach: nothing ran, and one tick settles it.
    fn f35_killed_before_attach_nothing_ran(ground: &Ground) {
        let job = ground.job();
        refuse_attach(ground);
        let mut child = ground.spawn(&[], "echo ran > ran");
        eventually("it is taken", || ground.db.status(job) == "running");
        let supervisor = || {
            let children = format!("/proc/{0}/task/{0}/children", child.id());
            fs::read_to_string(children).ok()?.split_whitespace().next()?.parse().ok()
        };
        // The supervisor is the child of a thread.
        let of_any_thread = || {
            let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).ok()?;
            tasks.flatten().find_map(|task| {
                let children = fs::read_to_string(task.path().join("children")).ok()?;
                children.split_whitespace().next()?.parse().ok()
            })
        };
        eventually("its supervisor waits", || supervisor().or_else(of_any_thread).is_some());
        let supervisor = supervisor().or_else(of_any_thread).and_then(rustix::process::Pid::from_raw).unwrap();
        kill(&mut child);
        gone(supervisor);
        allow_attach(ground);
        assert_eq!(ground.column(job, "reaper_attach").as_deref(), Some("pending"));
        let tick = ground.tick();
        assert_eq!(ground.db.status(job), "queued", "{}", tick.stdout);
        assert_eq!(ground.read("ran"), "");
        let _again = ground.exec(&[], "echo ran >> ran").ok();
        assert_eq!(ground.read("ran"), "ran\n");
        ground.is_consistent();
    }
}

fn refuse_attach(ground: &Ground) {
    if ground.db.url() == "jobs.db" {
        ground.db.sql(
            "CREATE TRIGGER no_attach BEFORE UPDATE ON jobs WHEN NEW.reaper_attach = 'done'
             BEGIN SELECT RAISE(ABORT, 'not now'); END",
        );
    } else {
        ground.db.sql(
            "CREATE FUNCTION no_attach() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN IF NEW.reaper_attach = 'done' THEN RAISE 'not now'; END IF; RETURN NEW; END $$;
             CREATE TRIGGER no_attach BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION no_attach()",
        );
    }
}

fn allow_attach(ground: &Ground) {
    let on = if ground.db.url() == "jobs.db" { "" } else { " ON jobs" };
    ground.db.sql(&format!("DROP TRIGGER no_attach{on}"));
}

/// The database is locked when the command ends: its exit is kept, and recorded by whoever comes later.
#[test]
fn a_locked_database_loses_no_exit() {
    let ground = Ground::on(Kind::Sqlite).unwrap();
    for patience in ["100ms", "1m"] {
        ground.configure(&format!("busy_timeout = \"50ms\"\nexec.patience = \"{patience}\""));
        let (job, task) = ground.staged();
        let mut child = ground.spawn(&["--agent", "designer"], WAITS);
        let pid = ground.pid_in(&format!("pid.{job}"));
        let mut lock = ground.db.connection();
        lock.batch_execute("BEGIN EXCLUSIVE").unwrap();
        fs::write(ground.file("go"), "").unwrap();
        gone(pid);
        if patience == "100ms" {
            assert_eq!(code_of(&mut child), 9, "it is left to the reapers");
            assert_eq!(ground.spooled().len(), 1);
            lock.batch_execute("ROLLBACK").unwrap();
            assert_eq!(ground.db.status(job), "running");
            let _tick = ground.tick();
        } else {
            eventually("its exit is spooled", || ground.spooled().len() == 1);
            lock.batch_execute("ROLLBACK").unwrap();
            assert_eq!(code_of(&mut child), 0, "it waited");
        }
        assert_eq!((ground.db.status(job).as_str(), ground.exits(job).as_deref()), ("done", Some("0")));
        assert_eq!(ground.db.stage(task), "build");
        ground.is_consistent();
        fs::remove_file(ground.file("go")).unwrap();
    }
}

/// The server falls while commands run, and they end before it comes back.
#[test]
fn a_fallen_server_loses_no_exit() {
    let Some(mut cluster) = Cluster::start() else { return };
    let ground = Ground::of(Database::on_scratch(Scratch::on(cluster.url())));
    ground.configure("exec.patience = \"200ms\"");
    let (left, _) = ground.staged();
    let mut once = ground.spawn(&["--agent", "designer"], WAITS);
    let first = ground.pid_in(&format!("pid.{left}"));
    let (waited, task) = ground.staged();
    let mut pool = ground.spawn(&["--agent", "designer", "--loop", "1"], WAITS);
    let second = ground.pid_in(&format!("pid.{waited}"));
    cluster.kill();
    fs::write(ground.file("go"), "").unwrap();
    gone(first);
    gone(second);
    assert_eq!(code_of(&mut once), 9);
    assert!(!ground.spooled().is_empty());
    cluster.start_again();
    eventually("the pool has finished its own", || ground.db.status(waited) == "done");
    eventually("the reaper has imported the other", || {
        let _tick = ground.tick();
        ground.db.status(left) == "done"
    });
    signal(rustix::process::Pid::from_child(&pool), Signal::TERM);
    assert_eq!(code_of(&mut pool), 0);
    assert_eq!(ground.db.stage(task), "build");
    assert_eq!(ground.read("ran").lines().count(), 2, "each ran once");
    ground.is_consistent();
    assert!(BINARY.ends_with("reaper-under-test"));
}
