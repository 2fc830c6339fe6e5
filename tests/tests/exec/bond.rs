//! Attempts that are bound to their node and to their monitor.

use std::process::{Child, Stdio};

use reaper_tests::{
    database::Kind,
    program::{eventually, within},
};

use crate::{
    ground::{Ground, code_of, gone, kill, lives},
    on_both,
};

const FOLLOWED: &str = "interval = \"200ms\"\n[node]\nfollow = true\nbeat = \"500ms\"\nttl = \"10s\"\n";

/// A reaper whose node has begun to beat: whoever is bound to it gives up where it does not.
fn run(ground: &Ground) -> Child {
    let reaper = ground
        .program
        .command(&["run"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the node beats", || ground.db.count("reaper_nodes WHERE beat > 1") == 1);
    reaper
}

on_both! {
    /// A node that falls silent: its monitors stop what is bound to it, and nothing else.
    fn what_is_bound_ends_with_its_node(ground: &Ground) {
        ground.configure(FOLLOWED);
        let mut reaper = run(ground);
        let script = "echo $$ > pid.$REAPER_AGENT; exec sleep 600";
        let (bound, _) = ground.enqueue(&["--agent", "bound"]);
        let (free, _) = ground.enqueue(&["--agent", "free"]);
        let mut bound_monitor = ground.spawn(&["--bound", "--agent", "bound"], script);
        let mut free_monitor = ground.spawn(&["--agent", "free"], script);
        let (bound_pid, free_pid) = (ground.pid_in("pid.bound"), ground.pid_in("pid.free"));
        assert_eq!(ground.column(bound, "reaper_node_bound").as_deref(), Some("1"));
        assert_eq!(ground.column(free, "reaper_node_bound"), None);
        kill(&mut reaper);
        gone(bound_pid);
        assert_eq!(code_of(&mut bound_monitor), 6, "its own monitor has finished it");
        assert_eq!(ground.exits(bound).as_deref(), Some("-15"));
        assert!(lives(free_pid), "what is free goes on");
        kill(&mut free_monitor);
        rustix::process::kill_process(free_pid, rustix::process::Signal::KILL).unwrap();
        gone(free_pid);
        eventually("the free one's exit is imported", || {
            let _tick = ground.tick();
            ground.exits(free).as_deref() == Some("-9")
        });
    }

    /// What is bound dies with its monitor, too.
    fn what_is_bound_ends_with_its_monitor(ground: &Ground) {
        ground.configure(FOLLOWED);
        let mut reaper = run(ground);
        let job = ground.job();
        let mut monitor = ground.spawn(&["--bound"], "echo $$ > pid; exec sleep 600");
        let pid = ground.pid_in("pid");
        // It is renewed for longer than its first time is.
        let beats = || ground.db.value("SELECT beat FROM reaper_nodes").unwrap().parse::<i64>().unwrap();
        let first = beats();
        within(std::time::Duration::from_secs(120), "the node has beaten for its ttl", || beats() > first + 21);
        assert!(lives(pid));
        kill(&mut monitor);
        gone(pid);
        eventually("the reaper has settled it", || ground.db.status(job) == "queued");
        assert_eq!(ground.exits(job).as_deref(), Some("-15"));
        kill(&mut reaper);
    }
}

/// Without a reaper that beats nothing is taken.
#[test]
fn a_node_that_does_not_beat_binds_nothing() {
    let ground = Ground::on(Kind::Sqlite).unwrap();
    ground.configure(FOLLOWED);
    let job = ground.job();
    let ended = ground.exec(&["--bound"], "true").with_code(1);
    assert!(ended.stderr.contains("does not beat"), "{}", ended.stderr);
    assert_eq!((ground.db.status(job).as_str(), ground.column(job, "attempts").as_deref()), ("queued", Some("0")));
    ground.configure("[node]\nfollow = true\nbeat = \"1s\"\nttl = \"3s\"\n");
    let short = ground.exec(&["--bound"], "true").with_code(1);
    assert!(short.stderr.contains("leaves no time"), "{}", short.stderr);
}
