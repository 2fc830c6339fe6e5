//! Workers that are stopped and come back, and a job that ends whoever works on it.

use std::fs;

use reaper_tests::program::eventually;
use rustix::process::{Pid, Signal};

use crate::{
    ground::{Ground, code_of, gone, lives, signal},
    on_both,
};

on_both! {
    /// F8: monitor, supervisor and command are stopped, the attempt is taken away and done by another worker; then they go
    /// on. The command is ended, and what they write changes their own run alone.
    fn f08_a_worker_that_was_stopped_and_comes_back_changes_its_own_run_alone(ground: &Ground) {
        let (job, task) = ground.staged();
        let script = "echo $$ >> pids; echo begun >> ran; while [ ! -e go ]; do sleep 0.05; done; echo $$ >> finished";
        let mut slow = ground.spawn(&["--agent", "designer"], script);
        eventually("the command runs", || ground.read("ran") == "begun\n");
        let first = ground.pid_in("pids");
        let executor = ground.executor(job);
        let run = ground.column(job, "run_id").unwrap();
        let monitor = Pid::from_child(&slow);
        for pid in [executor, first] {
            signal(pid, Signal::STOP);
        }
        // Whoever sees nothing of them: a reaper never would. A monitor that is stopped in the middle of a beat holds its row
        // for a minute: it is stopped a little later then.
        let requeue = "requeue-running --all --set lock_timeout=300ms --set busy_timeout=300ms";
        let requeue: Vec<_> = requeue.split(' ').collect();
        eventually("it is stopped between two beats, and its job taken away", || {
            signal(monitor, Signal::STOP);
            let is_taken = ground.program.run(&requeue).code == 0;
            if !is_taken {
                signal(monitor, Signal::CONT);
            }
            is_taken
        });
        fs::write(ground.file("go"), "").unwrap();
        let _done = ground.exec(&["--agent", "designer"], script).ok();
        assert_eq!((ground.db.status(job).as_str(), ground.db.stage(task).as_str()), ("done", "build"));
        let mine = ground.column(job, "run_id").unwrap();
        assert_ne!(mine, run);
        let whole = "SELECT status || '/' || attempts || '/' || run_id || '/' || reaper_fence FROM jobs WHERE id = ";
        let before = ground.db.value(&format!("{whole}{job}"));

        fs::remove_file(ground.file("go")).unwrap();
        for pid in [first, executor, monitor] {
            signal(pid, Signal::CONT);
        }
        let code = code_of(&mut slow);
        assert_eq!(code, 7, "the attempt was taken away");
        gone(first);
        assert_eq!(ground.db.value(&format!("{whole}{job}")), before, "the job is as the other has left it");
        let exit = |run: &str| ground.db.value(&format!("SELECT exit_code FROM agent_runs WHERE id = {run}"));
        assert_eq!(exit(&mine).as_deref(), Some("0"));
        // It was asked to end, and on a slow machine killed a little later.
        let stopped = exit(&run);
        assert!(matches!(stopped.as_deref(), Some("-15" | "-9")), "its own run says how it was stopped: {stopped:?}");
        assert_eq!(ground.read("finished").lines().count(), 1);
        ground.is_consistent();
    }

    /// F27: a job that kills whoever works on it ends as failed, after as many attempts as it may have, with more and more
    /// time between them.
    fn f27_a_job_that_kills_its_worker_every_time_ends_as_failed(ground: &Ground) {
        let tick = "tick --times 2 --interval 1ms --set max_rescues=3 --set backoff.base=100s --set backoff.max=1h";
        let tick: Vec<_> = tick.split(' ').collect();
        let enqueued = ground.enqueue(&["--agent", "worker", "--max-attempts", "100"]);
        let job = enqueued.0;
        let (mut attempts, mut waits) = (0, Vec::new());
        // The command kills its monitor, its supervisor and itself.
        let script = "echo $PPID > parent; kill -9 $(cat monitor) $PPID $$";
        eventually("it has failed", || {
            if ground.db.status(job) == "queued" {
                let mut monitor = ground.spawn(&[], &format!("while [ ! -s monitor ]; do sleep 0.01; done; {script}"));
                fs::write(ground.file("monitor"), monitor.id().to_string()).unwrap();
                let pid = Pid::from_child(&monitor);
                eventually("it has ended", || !lives(pid));
                monitor.wait().unwrap();
                fs::remove_file(ground.file("monitor")).unwrap();
                attempts += 1;
            }
            let _ticks = ground.program.run(&tick).ok();
            if ground.db.status(job) == "queued" {
                // It may be taken after so many seconds; these are over now.
                let requeued = format!("(SELECT max(at) FROM reaper_events WHERE job_id = {job})");
                let wait = ground.column(job, &format!("(reaper_available_at - {requeued}) / 1000")).unwrap();
                waits.push(wait.parse::<i64>().unwrap());
                ground.db.sql(&format!("UPDATE jobs SET reaper_available_at = 0 WHERE id = {job}"));
            }
            ground.db.status(job) == "failed"
        });
        let rescues = ground.column(job, "reaper_rescues");
        assert_eq!(rescues.as_deref(), Some("3"), "after {attempts} attempts");
        let events = |action: &str| ground.db.count(&format!("reaper_events WHERE action = '{action}'"));
        assert_eq!((events("requeue"), events("fail")), (3, 1));
        assert_eq!(ground.db.count("reaper_outbox WHERE key LIKE '%:alert'"), 1, "somebody is told, once");
        assert!(attempts >= 4, "{attempts}");
        // Each is twice the one before, with jitter in its upper half. An event may be stored a little later than its row.
        let grown = [40..=100, 90..=200, 190..=400];
        assert_eq!(waits.len(), grown.len(), "{waits:?}");
        assert!(waits.iter().zip(grown).all(|(wait, range)| range.contains(wait)), "{waits:?}");
    }

    /// F15: what ran in another boot of this host is dead, and known to be; inside another namespace nobody can tell.
    fn f15_what_ran_in_another_boot_is_settled_in_one_tick(ground: &Ground) {
        let (job, elsewhere) = (ground.job(), ground.job());
        let attach = |job: i64, identity: &str| {
            ground.db.sql(&format!(
                "UPDATE jobs SET status = 'running', run_id = NULL, pid = 77, reaper_attach = 'done',
                    reaper_executor = '{identity}', reaper_monitor = '{identity}' WHERE id = {job}"
            ));
        };
        let probe = reaper_gate::liveness::LocalProbe::builder().build().unwrap();
        let here = reaper_gate::Probe::host(&probe);
        let initial = 4_026_531_836_u64;
        let boot = "00000000-0000-4000-8000-000000000000";
        attach(job, &format!("{here}/{boot}/{initial}/77/1/2"));
        attach(elsewhere, &format!("{here}/{boot}/4026532999/77/1/2"));
        let tick = ground.tick();
        assert_eq!(ground.db.status(job), "queued", "{}", tick.stdout);
        assert_eq!(ground.db.status(elsewhere), "running", "{}", tick.stdout);
        let evidence = ground.db.value("SELECT evidence FROM reaper_events").unwrap();
        assert!(evidence.contains("reboot"), "{evidence}");
    }
}
