//! A worker on a host that has no reaper: its beats are all that is known of it.

use std::process::{Child, Stdio};

use reaper_tests::program::eventually;
use rustix::process::Signal;

use crate::{
    ground::{Ground, gone, kill, signal},
    on_both,
};

/// `reaper run` on another host than the worker's.
struct Reaper(Child);

impl Reaper {
    fn start(ground: &Ground) -> Self {
        let mut command = ground.program.command(&["run", "--set", "host=here", "--set", "interval=100ms"]);
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        kill(&mut self.0);
    }
}

on_both! {
    /// For as long as it beats nobody touches its job. When monitor, supervisor and command are killed, its job is put back after
    /// the time to live, by a reaper that has seen none of them.
    fn a_worker_out_of_sight_is_dead_when_its_beats_stop(ground: &Ground) {
        ground.configure("beat.ttl = \"4s\"");
        let job = ground.job();
        let mut monitor = ground.spawn(&["--set", "host=elsewhere"], "echo $$ > command; sleep 600");
        let command = ground.pid_in("command");
        let executor = ground.executor(job);
        let _reaper = Reaper::start(ground);
        let beat = || ground.column(job, "reaper_beat").and_then(|beat| beat.parse::<i64>().ok()).unwrap_or(0);
        let first = beat();
        eventually("it has beaten for twice the time to live", || beat() >= first + 80);
        assert_eq!(ground.db.status(job), "running");
        assert_eq!(ground.db.count("reaper_events"), 0, "it beats");

        kill(&mut monitor);
        for pid in [executor, command] {
            signal(pid, Signal::KILL);
            gone(pid);
        }
        eventually("its job is put back", || ground.db.status(job) == "queued");
        let evidence = ground.db.value("SELECT evidence FROM reaper_events").unwrap();
        assert!(evidence.contains("beat_stopped"), "{evidence}");
        assert_eq!(ground.db.count("reaper_events"), 1);
    }
}
