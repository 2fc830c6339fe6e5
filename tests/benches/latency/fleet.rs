//! Many processes that do nothing, and attempts that they carry out.

use std::{
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

use reaper_core::ProcessIdentity;
use reaper_gate::liveness::LocalProbe;
use reaper_store::{
    Store,
    attempts::{Launcher, NewJob, Taken, Wants, Written},
};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// A process that sleeps until it is killed, and is reaped then.
#[derive(Debug)]
pub struct Sleeper {
    child: Child,
    pub identity: ProcessIdentity,
}

impl Sleeper {
    /// Starts one in this group, or in one of its own.
    pub fn start(probe: &LocalProbe, group: i32) -> Self {
        let mut command = Command::new("sleep");
        command.arg("100000").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.process_group(group).spawn().unwrap();
        let identity = probe.identify(child.id()).unwrap();
        Self { child, identity }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it KILL, and nothing more.
    pub fn kill(&self) {
        kill_process(self.pid(), Signal::KILL).unwrap();
    }

    pub fn reap(&mut self) {
        self.child.wait().unwrap();
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // It may have been killed in its round.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// An attempt with its processes.
#[derive(Debug)]
pub struct Attempted {
    pub taken: Taken,
    pub executor: Sleeper,
    pub monitor: Option<Sleeper>,
}

/// Who attempts.
#[derive(Debug)]
pub struct Ground<'g> {
    pub store: &'g dyn Store,
    pub probe: &'g LocalProbe,
}

impl Ground<'_> {
    /// An attempt with an executor alone: its monitor is another host's.
    pub fn executor(&self) -> Attempted {
        let elsewhere = ProcessIdentity { host: "elsewhere".into(), ..self.probe.identify_self().unwrap() };
        self.attempt(Sleeper::start(self.probe, 0), None, elsewhere)
    }

    /// An attempt with both, in this group or in groups of their own.
    pub fn pair(&self, group: i32) -> Attempted {
        let monitor = Sleeper::start(self.probe, group);
        let identity = monitor.identity.clone();
        self.attempt(Sleeper::start(self.probe, group), Some(monitor), identity)
    }

    fn attempt(&self, executor: Sleeper, monitor: Option<Sleeper>, launcher: ProcessIdentity) -> Attempted {
        let job = NewJob {
            agent: "bench".into(),
            repo: "bench".into(),
            task: None,
            max_attempts: 3,
            source_key: None,
            payload: None,
        };
        let reaper_store::attempts::Enqueued::New(id) = self.store.enqueue(&job).unwrap() else {
            panic!("it has no source key");
        };
        let taken = self.store.take(&Wants::Job(id), &Launcher::free(launcher)).unwrap().unwrap();
        assert_eq!(self.store.attach(&taken.job.attempt, &executor.identity).unwrap(), Written::Yes);
        Attempted { taken, executor, monitor }
    }
}

/// Kills a whole group at once.
pub fn kill_group(leader: Pid) {
    kill_process_group(leader, Signal::KILL).unwrap();
}
