//! `--loop`: pools of workers.

use std::process::Stdio;

use reaper_tests::program::{Program, eventually, within};
use rustix::process::{Pid, Signal};

use crate::{
    ground::{BINARY, Ground, code_of, gone, signal},
    on_both,
};

on_both! {
    /// Three agents with a pool each take tasks through the whole pipeline, each stage once.
    fn three_agents_take_tasks_through_the_pipeline(ground: &Ground) {
        let tasks: Vec<_> = (0..6).map(|_| ground.staged().1).collect();
        let script = "echo $REAPER_STAGE.$REAPER_TASK_ID >> ran";
        let mut pools: Vec<_> = ["designer", "builder", "checker"]
            .map(|agent| ground.spawn(&["--agent", agent, "--loop", "2"], script))
            .into();
        let limit = std::time::Duration::from_secs(120);
        within(limit, "all are released", || ground.db.count("tasks WHERE stage = 'released'") == 6);
        eventually("the last job is done", || ground.db.count("jobs WHERE status <> 'done'") == 0);
        for pool in &mut pools {
            signal(Pid::from_child(pool), Signal::TERM);
            assert_eq!(code_of(pool), 0);
        }
        let mut ran: Vec<_> = ground.read("ran").lines().map(str::to_owned).collect();
        ran.sort();
        let stages = ["build", "check", "design"];
        let mut expected: Vec<_> =
            stages.iter().flat_map(|stage| tasks.iter().map(move |task| format!("{stage}.{task}"))).collect();
        expected.sort();
        assert_eq!(ran, expected, "each stage's work was done once for each task");
        ground.is_consistent();
    }

    /// The first TERM lets what runs end and takes no more; the second stops it.
    fn a_pool_drains_and_then_stops(ground: &Ground) {
        let (first, second) = (ground.job(), ground.job());
        let script = "echo $$ > pid.$REAPER_JOB_ID; while [ ! -e go ]; do sleep 0.05; done";
        let mut pool = ground.spawn(&["--loop", "1"], script);
        let pid = ground.pid_in(&format!("pid.{first}"));
        signal(Pid::from_child(&pool), Signal::TERM);
        std::fs::write(ground.file("go"), "").unwrap();
        assert_eq!(code_of(&mut pool), 0);
        gone(pid);
        assert_eq!((ground.db.status(first).as_str(), ground.db.status(second).as_str()), ("done", "queued"));

        std::fs::remove_file(ground.file("go")).unwrap();
        let mut pool = ground.spawn(&["--loop", "1"], script);
        let pid = ground.pid_in(&format!("pid.{second}"));
        signal(Pid::from_child(&pool), Signal::TERM);
        // Two signals that come at once may be one.
        eventually("a second one ends it", || {
            if pool.try_wait().unwrap().is_some() {
                return true;
            }
            signal(Pid::from_child(&pool), Signal::INT);
            false
        });
        assert_eq!(code_of(&mut pool), 0);
        gone(pid);
        assert_eq!((ground.db.status(second).as_str(), ground.exits(second).as_deref()), ("queued", Some("-15")));
        ground.is_consistent();
    }

    /// A pool that cannot start what runs its commands does not take one job after the other to fail it.
    fn a_pool_that_cannot_start_supervisors_ends(ground: &Ground) {
        let copy = ground.file("copy");
        std::fs::copy(BINARY, &copy).unwrap();
        let program = Program::on(&copy, &ground.db);
        let mut pool = program.command(&["exec", "--loop", "1", "--", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let first = ground.job();
        eventually("it works", || ground.db.status(first) == "done");
        std::fs::remove_file(&copy).unwrap();
        for _ in 0..5 {
            let _job = ground.enqueue(&["--agent", "worker", "--max-attempts", "100"]);
        }
        assert_eq!(code_of(&mut pool), 1, "that is no end that it was told to");
        assert_eq!(ground.db.count("agent_runs WHERE exit_code = 126"), 1, "one attempt, no more");
        assert_eq!(ground.db.count("jobs WHERE status = 'queued'"), 5);
    }
}
