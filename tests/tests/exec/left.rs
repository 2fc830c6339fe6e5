//! Spooled exits that are left where they are: the database refuses them, somebody holds what they would be written to,
//! or they are not the reaper's yet. None of them hinders another, and none is lost.

use std::{fs, time::SystemTime};

use reaper_tests::{database::Kind, jobs::RunningJob, program::eventually};
use rustix::process::{Pid, Signal};

use crate::{
    ground::{Ground, code_of, kill, signal},
    on_both,
    spool::exit,
};

/// A running job with a run of its own whose processes have ended, in another boot of the host that the configuration
/// names; and what a spooled exit says of it.
fn orphan(ground: &Ground) -> (i64, i64, String) {
    let run = ground.db.insert("INSERT INTO agent_runs (agent) VALUES ('developer')");
    let job = RunningJob { attempts: 1, ..RunningJob::default() }.insert(&ground.db);
    let identity = "here/00000000-0000-4000-8000-000000000000/4026531836/77/1/2";
    ground.db.sql(&format!(
        "UPDATE jobs SET run_id = {run}, pid = 77, reaper_attach = 'done', reaper_executor = '{identity}',
            reaper_monitor = '{identity}' WHERE id = {job}"
    ));
    (job, run, ground.column(job, "reaper_fence").unwrap())
}

/// What the file of an orphan's exit is called.
fn name_of((job, _, fence): &(i64, i64, String)) -> String {
    format!("{job}-{fence}.exit.json")
}

/// What ticks say that find the spool, and cannot read a file of it, whoever runs them: its path is as long as one may be,
/// and each file's is longer.
fn unreadable_ticks(ground: &Ground, times: &str) -> String {
    let spool = format!("exec.spool={}spool", "./".repeat(2040));
    ground
        .program
        .run(&["tick", "--times", times, "--interval", "1ms", "--set", &spool])
        .ok()
        .stderr
        .replace("./", "")
}

/// Ends and waits well, and says so to nobody but the spool.
const WAITS: &str =
    "echo $$ > pid.$REAPER_JOB_ID; while [ ! -e go ]; do sleep 0.05; done; echo 'the last words'; exit 7";

/// A monitor that is stopped must not be stopped in the middle of a beat, with the row held.
const QUIET: [&str; 2] = ["--set", "beat.interval=1h"];

on_both! {
    /// The one is settled as one of whose exit nothing is known; the other by its exit.
    fn an_exit_that_the_database_refuses_hinders_no_other(ground: &Ground) {
        ground.configure("host = \"here\"");
        ground.db.refuse_exit(9);
        let (refused, other) = (orphan(ground), orphan(ground));
        exit(ground, "1.exit.json", "here", 9, &refused);
        exit(ground, "2.exit.json", "here", 0, &other);
        let tick = ground.tick();
        assert_eq!((ground.exits(other.0).as_deref(), ground.db.status(other.0).as_str()), (Some("0"), "done"));
        assert_eq!(ground.spooled(), ["1.exit.json"], "it is kept, for an owner who takes the word back");
        assert!(tick.stderr.contains("the owner's word"), "{}", tick.stderr);
        assert_eq!((ground.exits(refused.0), ground.db.status(refused.0).as_str()), (None, "queued"));
    }

    /// It is said once, and not in each pass again.
    fn an_exit_that_is_refused_is_said_once(ground: &Ground) {
        ground.configure("host = \"here\"");
        ground.db.refuse_exit(9);
        let refused = orphan(ground);
        exit(ground, "1.exit.json", "here", 9, &refused);
        let ticks = ground.program.run(&["tick", "--times", "3", "--interval", "1ms"]).ok();
        assert_eq!(ticks.stderr.matches("cannot be recorded").count(), 1, "{}", ticks.stderr);
    }

    /// What cannot be read now may be read later: it is kept under its name, said once, and its job not settled meanwhile.
    fn an_exit_that_cannot_be_read_now_is_recorded_later(ground: &Ground) {
        ground.configure("host = \"here\"");
        let of = orphan(ground);
        exit(ground, &name_of(&of), "here", 0, &of);
        let ticks = unreadable_ticks(ground, "3");
        assert_eq!((ground.spooled(), ground.db.status(of.0).as_str()), (vec![name_of(&of)], "running"), "{ticks}");
        assert_eq!(ticks.matches("cannot be read").count(), 1, "{ticks}");
        let _tick = ground.tick();
        assert_eq!((ground.exits(of.0).as_deref(), ground.db.status(of.0).as_str()), (Some("0"), "done"));
        ground.is_consistent();
    }

    /// A file that can never be read keeps its job no longer than anything unknown does: to the ceiling.
    fn an_exit_that_can_never_be_read_does_not_outlast_the_ceiling(ground: &Ground) {
        ground.configure("host = \"here\"\nmax_running = \"10m\"");
        let (young, old) = (orphan(ground), orphan(ground));
        ground.db.sql(&format!("UPDATE jobs SET started_at = {} WHERE id = {}", ground.db.ago(20 * 60), old.0));
        for of in [&young, &old] {
            exit(ground, &name_of(of), "here", 0, of);
        }
        let ticks = unreadable_ticks(ground, "2");
        assert_eq!((ground.db.status(young.0).as_str(), ground.db.status(old.0).as_str()), ("running", "queued"), "{ticks}");
        assert_eq!(ground.spooled().len(), 2, "what a person can make readable is kept: {ticks}");
    }

    /// A pool's worker goes on with the next job, and leaves the exit to the reapers.
    fn a_pool_does_not_try_a_refused_exit_for_ever(ground: &Ground) {
        ground.configure("exec.patience = \"200ms\"");
        ground.db.refuse_exit(9);
        let (refused, other) = (ground.job(), ground.job());
        let mut pool = ground.spawn(&["--loop", "1"], &format!("if [ $REAPER_JOB_ID = {refused} ]; then exit 9; fi"));
        eventually("the next one is done", || ground.db.status(other) == "done");
        signal(Pid::from_child(&pool), Signal::TERM);
        assert_eq!(code_of(&mut pool), 0);
        assert_eq!((ground.db.status(refused).as_str(), ground.spooled().len()), ("running", 1));
    }

    /// What only the file knows is for the monitor to read first, where it lives.
    fn an_exit_is_left_to_its_monitor_that_lives(ground: &Ground) {
        let job = ground.job();
        let mut monitor = ground.spawn(&QUIET, WAITS);
        let pid = Pid::from_child(&monitor);
        let _runs = ground.pid_in(&format!("pid.{job}"));
        signal(pid, Signal::STOP);
        fs::write(ground.file("go"), "").unwrap();
        eventually("the exit is spooled", || ground.spooled().iter().any(|file| file.ends_with(".exit.json")));
        let tick = ground.program.run(&["tick", "--times", "3", "--interval", "1ms"]).ok();
        assert_eq!(ground.spooled().len(), 1, "{}", tick.stderr);
        assert_eq!(ground.db.status(job), "running");
        signal(pid, Signal::CONT);
        assert_eq!(code_of(&mut monitor), 6);
        let evidence = ground.db.value("SELECT evidence FROM reaper_events WHERE action = 'requeue'").unwrap();
        assert!(evidence.contains("the last words"), "{evidence}");
        ground.is_consistent();
    }

    /// One that lives and has not taken it for long is not waited for, nor one that is gone.
    fn an_exit_is_not_left_to_a_monitor_for_ever(ground: &Ground) {
        for hangs in [true, false] {
            let job = ground.job();
            fs::remove_file(ground.file("go")).ok();
            let mut monitor = ground.spawn(&QUIET, WAITS);
            let _runs = ground.pid_in(&format!("pid.{job}"));
            signal(Pid::from_child(&monitor), Signal::STOP);
            fs::write(ground.file("go"), "").unwrap();
            eventually("the exit is spooled", || ground.spooled().iter().any(|file| file.ends_with(".exit.json")));
            if hangs {
                let file = ground.file("spool").join(&ground.spooled()[0]);
                fs::File::options().append(true).open(file).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
            } else {
                kill(&mut monitor);
            }
            let tick = ground.tick();
            assert_eq!((ground.exits(job).as_deref(), ground.spooled().len()), (Some("7"), 0), "{}", tick.stderr);
            kill(&mut monitor);
            ground.db.sql(&format!("UPDATE jobs SET status = 'done' WHERE id = {job}"));
        }
    }
}

/// Another program holds the run: nobody waits for it, and its job is not settled as if nothing were known of it.
#[test]
fn an_exit_whose_run_is_held_hinders_no_other() {
    let Some(ground) = Ground::on(Kind::Postgres) else { return };
    ground.configure("host = \"here\"");
    let (held, other) = (orphan(&ground), orphan(&ground));
    exit(&ground, "1.exit.json", "here", 0, &held);
    exit(&ground, "2.exit.json", "here", 0, &other);
    let holder = ground.db.hold_run(held.0);
    let tick = ground.program.run(&["tick", "--times", "2", "--interval", "1ms"]).ok();
    assert_eq!(ground.db.status(other.0), "done", "{}", tick.stderr);
    assert_eq!((ground.db.status(held.0).as_str(), ground.spooled().len()), ("running", 1), "{}", tick.stdout);
    drop(holder);
    let _tick = ground.tick();
    assert_eq!((ground.db.status(held.0).as_str(), ground.exits(held.0).as_deref()), ("done", Some("0")));
    ground.is_consistent();
}

/// A row that does not parse tells nothing about whose an exit is: it is kept until the row is repaired.
#[test]
fn an_exit_whose_row_cannot_be_read_is_kept() {
    let ground = Ground::on(Kind::Sqlite).unwrap();
    ground.configure("host = \"here\"");
    let of = orphan(&ground);
    exit(&ground, "1.exit.json", "here", 0, &of);
    ground.db.sql("UPDATE jobs SET attempts = 'many'");
    let tick = ground.tick();
    assert_eq!(ground.spooled(), ["1.exit.json"], "{}", tick.stderr);
    ground.db.sql("UPDATE jobs SET attempts = 1");
    let _tick = ground.tick();
    assert_eq!((ground.db.status(of.0).as_str(), ground.spooled().len()), ("done", 0));
}

#[test]
fn a_spool_that_cannot_be_read_is_said() {
    let ground = Ground::on(Kind::Sqlite).unwrap();
    fs::write(ground.file("spool"), "no folder").unwrap();
    let ticks = ground.program.run(&["tick", "--times", "3", "--interval", "1ms"]).ok();
    assert_eq!(ticks.stderr.matches("the spool cannot be read").count(), 1, "{}", ticks.stderr);
}
