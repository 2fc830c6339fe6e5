//! Executors with a cgroup of their own: what leaves its session stays in that.

use std::{
    process::{Child, Command},
    time::Duration,
};

use reaper_core::{Attempt, Certainty, Finding, Liveness, ProcessIdentity, Sighting};
use reaper_gate::{
    Probe as _, Stop as _,
    liveness::{Cgroups, LocalProbe, LocalStop, Stopped},
};
use reaper_tests::{cgroup::Cgroup, program::eventually};
use rustix::process::{Pid, Signal};

use crate::{
    ground::{Ground, gone, kill, lives, signal},
    on_both,
};

/// Starts a process in a session of its own that carries no attempt, and writes its pid.
const DAEMON: &str = "setsid env -u REAPER_ATTEMPT sh -c 'echo $$ > daemon; exec sleep 600' & ";

fn with_cgroups(ground: &Ground) -> Option<Cgroup> {
    let cgroup = Cgroup::make()?;
    ground.configure(&format!("cgroups = \"{}\"", cgroup.path().display()));
    Some(cgroup)
}

on_both! {
    /// F34: monitor, supervisor and command are killed, and what the command has sent into another session lives on. Its job is
    /// not put back before that is ended.
    fn f34_what_has_left_its_session_is_ended_first(ground: &Ground) {
        let Some(cgroup) = with_cgroups(ground) else { return };
        let job = ground.job();
        let mut monitor = ground.spawn(&[], &format!("{DAEMON}echo $$ > command; exec sleep 600"));
        let (daemon, command) = (ground.pid_in("daemon"), ground.pid_in("command"));
        let executor = ground.executor(job);
        kill(&mut monitor);
        for pid in [executor, command] {
            signal(pid, Signal::KILL);
            gone(pid);
        }

        let explained = ground.program.run(&["explain", &job.to_string()]).ok().stdout;
        assert!(explained.contains("1 of its cgroup live on"), "{explained}");
        assert_eq!(ground.db.status(job), "running");
        eventually("the job is put back", || {
            let _tick = ground.tick();
            assert!(ground.db.status(job) != "queued" || !lives(daemon), "beside what is left of the attempt before");
            ground.db.status(job) == "queued"
        });
        let actions = "SELECT count(*) FROM reaper_events WHERE action IN ('terminate', 'requeue')";
        assert_eq!(ground.db.value(actions).as_deref(), Some("2"));
        assert_eq!(cgroup.groups().len(), 0, "its group is removed");
    }

    /// A command that ends well and leaves something behind: nothing of it is there when its job is done.
    fn nothing_is_left_of_a_command_that_has_ended(ground: &Ground) {
        let Some(cgroup) = with_cgroups(ground) else { return };
        let (job, _) = ground.staged();
        let script = format!("{DAEMON}until [ -s daemon ]; do sleep 0.01; done");
        let _done = ground.exec(&["--agent", "designer"], &script).ok();
        assert_eq!(ground.db.status(job), "done");
        assert!(!lives(ground.pid_in("daemon")));
        assert_eq!(cgroup.groups().len(), 0);
        ground.is_consistent();
    }

    /// Whoever makes a group sweeps empty ones away; nobody's is lost by that.
    fn workers_make_and_remove_groups_at_the_same_time(ground: &Ground) {
        let Some(cgroup) = with_cgroups(ground) else { return };
        let jobs: Vec<i64> = (0..24).map(|_| ground.job()).collect();
        let mut pools = [(); 2].map(|()| ground.spawn(&["--loop", "4"], "exit 0"));
        eventually("all is done", || jobs.iter().all(|job| ground.db.status(*job) == "done"));
        for pool in &mut pools {
            signal(Pid::from_child(pool), Signal::TERM);
            assert!(pool.wait().unwrap().success());
        }
        assert_eq!(ground.db.count("agent_runs WHERE exit_code = 0"), 24, "none had to be run again");
        assert_eq!(cgroup.groups().len(), 0);
    }
}

#[test]
fn a_folder_that_is_none_of_cgroup2_is_named() {
    let ground = Ground::on(reaper_tests::database::Kind::Sqlite).unwrap();
    let folder = ground.db.dir().display().to_string();
    ground.configure(&format!("cgroups = \"{folder}\""));
    let said = ground.program.run(&["tick"]).with_code(2).stderr;
    let expected = format!("configuration: cgroups: {folder} is no folder of a mounted cgroup2 hierarchy");
    assert!(said.contains(&expected), "{said}");
    ground.configure("cgroups = \"/no/such/folder\"");
    let said = ground.program.run(&["tick"]).with_code(2).stderr;
    assert!(said.contains("cgroups: /no/such/folder: No such file"), "{said}");
}

/// A worker that may not make groups takes no job.
#[test]
fn a_folder_in_which_no_group_can_be_made_is_said_before_a_job_is_taken() {
    let ground = Ground::on(reaper_tests::database::Kind::Sqlite).unwrap();
    let Some(cgroup) = with_cgroups(&ground) else { return };
    // No group may be made below it.
    std::fs::write(cgroup.path().join("cgroup.max.descendants"), "0").unwrap();
    let job = ground.job();
    let said = ground.exec(&[], "exit 0").with_code(1).stderr;
    assert!(said.contains("executors cannot be given cgroups of their own"), "{said}");
    assert_eq!(ground.db.status(job), "queued");
}

/// A process in a group of its own, beside what a probe and a stop are told.
struct Alone {
    child: Child,
    executor: ProcessIdentity,
    probe: LocalProbe,
}

impl Alone {
    /// Runs a script under an identity that `change` has changed.
    fn start(cgroup: &Cgroup, script: &str, change: impl FnOnce(&mut ProcessIdentity)) -> Self {
        let cgroups = Cgroups::in_folder(cgroup.path()).unwrap();
        let probe = LocalProbe::builder().host("here").cgroups(cgroups.clone()).build().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("read go; {script}")]).stdin(std::process::Stdio::piped());
        let mut child = shell.spawn().unwrap();
        let mut executor = probe.identify(child.id()).unwrap();
        change(&mut executor);
        cgroups.enter(&executor).unwrap();
        drop(child.stdin.take());
        Self { child, executor, probe }
    }

    fn stop(&self, grace: Duration) -> Stopped {
        let attempt = Attempt { job: 7.into(), fence: 9.into() };
        LocalStop::new(self.probe.clone()).stop(&attempt, &self.executor, grace)
    }

    fn seen(&self) -> Sighting {
        self.probe.probe(&self.executor)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn left(count: u32) -> Sighting {
    Sighting::new(Liveness::Leftovers, Finding::CgroupLives(count))
}

#[test]
fn what_does_not_obey_is_killed_with_all_that_it_forks() {
    let Some(cgroup) = Cgroup::make() else { return };
    // Each waits for its own child in a session of its own, and none listens to TERM.
    let script = "trap '' TERM; setsid sh -c 'setsid sleep 600 & wait' & wait";
    let mut alone = Alone::start(&cgroup, script, |_| ());
    let procs = cgroup.groups()[0].join("cgroup.procs");
    let count = || std::fs::read_to_string(&procs).unwrap().lines().count();
    eventually("all of them are there", || count() == 3);
    alone.child.kill().unwrap();
    alone.child.wait().unwrap();
    assert_eq!(alone.seen(), left(2));
    assert_eq!(alone.stop(Duration::from_millis(100)), Stopped::Killed);
    assert_eq!(alone.seen().liveness, Liveness::Dead(Certainty::Verified));
    assert_eq!(cgroup.groups().len(), 0);
}

/// The leader's number is a stranger's by now, the group is its own still: what is in it is ended, and nobody by number.
#[test]
fn a_group_outlives_its_leader_s_number() {
    let Some(cgroup) = Cgroup::make() else { return };
    let another = |executor: &mut ProcessIdentity| executor.start_time = executor.start_time.map(|time| time + 1);
    let mut alone = Alone::start(&cgroup, "exec sleep 600", another);
    assert_eq!(alone.seen(), left(1));
    assert_eq!(alone.stop(Duration::from_secs(20)), Stopped::Asked);
    assert!(alone.child.wait().unwrap().code().is_none(), "it was in the group");
    assert_eq!(alone.seen(), Sighting::new(Liveness::Dead(Certainty::Verified), Finding::NoSuchProcess));
}

#[test]
fn a_stranger_with_the_number_is_left_alone() {
    let Some(cgroup) = Cgroup::make() else { return };
    let cgroups = Cgroups::in_folder(cgroup.path()).unwrap();
    let probe = LocalProbe::builder().host("here").cgroups(cgroups).build().unwrap();
    let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
    let mut executor = probe.identify(stranger.id()).unwrap();
    executor.start_time = executor.start_time.map(|time| time + 1);
    let attempt = Attempt { job: 7.into(), fence: 9.into() };
    let stopped = LocalStop::new(probe).stop(&attempt, &executor, Duration::ZERO);
    assert_eq!(stopped, Stopped::WasGone);
    assert!(stranger.try_wait().unwrap().is_none());
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}
