//! Exits that no monitor has recorded.

use reaper_tests::{database::Kind, program::eventually};

use crate::{
    ground::{Actor, Ground, step},
    on_both,
};

on_both! {
    /// An executor whose monitor died is left to run. When it ends well its exit is taken from the kernel, its witness is
    /// named, its gate is asked, and its task moves on: its work is not done twice.
    fn an_orphans_exit_is_witnessed(ground: &Ground) {
        let (mut cast, mut other) = (ground.staged(), ground.attempt());
        let _running = ground.watching(4);
        cast.monitor.kill();
        other.monitor.kill();
        other.executor.kill();
        ground.until_status(&other, "queued");
        assert_eq!((ground.db.status(cast.job), ground.way(&cast)), ("running".into(), Vec::new()));
        assert!(cast.executor.is_running());
        cast.executor.end(0);
        ground.until_status(&cast, "done");
        eventually("its task has moved on", || ground.db.stage(cast.task.unwrap()) == "build");
        assert_eq!(ground.way(&cast), [step("exit", ""), step("done", "exit_zero")]);
        let events = ground.events(&cast);
        let witness = events[0].evidence["witness"].as_str().unwrap();
        assert!(witness.starts_with("the pidfd on ") || witness.starts_with("the process table on "), "{witness}");
        assert_eq!(ground.db.value("SELECT exit_code FROM agent_runs WHERE id = (SELECT min(id) FROM agent_runs)").as_deref(), Some("0"));
    }

    /// Another code than 0 is witnessed as well, and the work is tried again.
    fn an_orphans_bad_exit_is_witnessed(ground: &Ground) {
        let mut cast = ground.staged();
        let _running = ground.watching(2);
        cast.monitor.kill();
        cast.executor.end(7);
        ground.until_status(&cast, "queued");
        assert_eq!(ground.way(&cast), [step("exit", ""), step("requeue", "exit_nonzero")]);
        assert_eq!(ground.db.stage(cast.task.unwrap()), "design");
    }

    /// A signal that the agent's exit policy names fails the job, though nobody was left to record it.
    fn a_fatal_signal_is_witnessed(ground: &Ground) {
        ground.configure("interval = \"1h\"\nexit = { fail_on = [\"signal:KILL\"] }");
        let mut cast = ground.attempt();
        let _running = ground.watching(2);
        cast.monitor.kill();
        cast.executor.kill();
        ground.until_status(&cast, "failed");
        assert_eq!(ground.way(&cast), [step("exit", ""), step("fail", "exit_nonzero")]);
    }

    /// Who comes after the death knows no code and makes none up: nobody is left, and the work is tried again.
    fn a_reaper_that_comes_late_knows_no_exit(ground: &Ground) {
        let mut cast = ground.staged();
        cast.monitor.kill();
        cast.executor.end(0);
        let _running = crate::ground::Running(ground.command().spawn().unwrap());
        ground.until_status(&cast, "queued");
        assert_eq!(ground.way(&cast), [step("requeue", "nobody_left")]);
        assert!(ground.events(&cast)[0].evidence.get("witnessed").is_none());
    }

    /// A monitor that lives and has not recorded the exit by the next tick is not waited for, but it keeps its grace.
    fn a_silent_monitor_is_spoken_for_in_the_next_tick(ground: &Ground) {
        ground.configure("interval = \"300ms\"\nfinalize_grace = \"2s\"");
        let mut cast = ground.staged();
        let _running = ground.watching(2);
        cast.executor.end(0);
        ground.until_status(&cast, "done");
        assert_eq!(ground.way(&cast), [step("exit", ""), step("done", "exit_zero")]);
        assert!(cast.monitor.is_running());
    }

    /// In the mode `report` nothing of it is written.
    fn no_exit_is_witnessed_in_the_mode_report(ground: &Ground) {
        let mut cast = ground.staged();
        ground.configure("interval = \"1h\"\nmode = \"report\"");
        let (_running, mut passes) = ground.told();
        assert_eq!(passes.next().unwrap()["watch"]["watched"], 2);
        cast.monitor.kill();
        cast.executor.end(0);
        // One pass for each, or one for both; and one where the watch looked at what the first had left before the second died.
        assert!(passes.by_ref().take(3).any(|pass| pass["settled"][0]["rule"] == "nobody_left"));
        assert_eq!((ground.db.status(cast.job), ground.way(&cast)), ("running".into(), Vec::new()));
        assert_eq!(ground.db.value("SELECT count(*) FROM agent_runs WHERE exit_code IS NOT NULL").as_deref(), Some("0"));
    }

    /// A code that the database refuses to record hinders no other; its job is settled as one that nobody is left of.
    fn a_witnessed_exit_that_is_refused_hinders_no_other(ground: &Ground) {
        ground.db.refuse_exit(7);
        let (mut refused, mut other) = (ground.attempt(), ground.staged());
        let _running = ground.watching(4);
        for cast in [&mut refused, &mut other] {
            cast.monitor.kill();
        }
        refused.executor.end(7);
        other.executor.end(0);
        ground.until_status(&other, "done");
        ground.until_status(&refused, "queued");
        assert_eq!(ground.way(&refused), [step("requeue", "nobody_left")]);
        assert_eq!(ground.events(&refused)[0].evidence["witnessed"]["code"], 7);
    }

    /// A supervisor that was attached and never let go has done nothing: how it ends is no exit of the work.
    fn a_supervisor_that_was_never_let_go_has_no_exit(ground: &Ground) {
        let mut cast = ground.attempt_by(Actor::held(&ground.program), Actor::start());
        let _running = ground.watching(2);
        cast.monitor.kill();
        cast.executor.lose();
        ground.until_status(&cast, "queued");
        assert_eq!(ground.way(&cast), [step("requeue", "nobody_left")]);
    }
}

/// Another program holds the run in which an exit is to be recorded: the pass goes on, and the job is settled by its exit
/// once the run is free.
#[test]
fn a_witnessed_exit_whose_run_is_held_hinders_no_other() {
    let Some(ground) = Ground::on(Kind::Postgres) else { return };
    ground.configure("interval = \"300ms\"");
    let (mut held, mut other) = (ground.staged(), ground.attempt());
    let _running = ground.watching(4);
    let holder = ground.db.hold_run(held.job);
    for cast in [&mut held, &mut other] {
        cast.monitor.kill();
    }
    held.executor.end(0);
    other.executor.end(0);
    ground.until_status(&other, "done");
    let (mut another, mut last) = (ground.attempt(), ground.attempt());
    for cast in [&mut another, &mut last] {
        cast.monitor.kill();
        cast.executor.end(0);
        eventually("a later pass has settled this one", || ground.db.status(cast.job) != "running");
    }
    assert_eq!((ground.db.status(held.job).as_str(), ground.way(&held)), ("running", Vec::new()));
    drop(holder);
    ground.until_status(&held, "done");
    assert_eq!(ground.way(&held), [step("exit", ""), step("done", "exit_zero")]);
}
