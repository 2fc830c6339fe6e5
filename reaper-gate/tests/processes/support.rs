//! Real processes for the tests, ended when a test is over whatever becomes of it.

use std::{
    io::{BufRead, BufReader, Write},
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
};

use reaper_core::{Attempt, Certainty, Finding, Liveness, ProcessIdentity, Sighting};
use reaper_gate::liveness::LocalProbe;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Gid, Pid, PidfdFlags, Signal, Uid, pidfd_open, pidfd_send_signal},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

/// How long a condition is waited for.
const BOUND: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

/// A process that is killed when it is dropped, through a descriptor: its pid may have been given away by then.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) pid: u32,
    fd: OwnedFd,
}

impl Held {
    pub(crate) fn open(pid: u32) -> Self {
        Self { pid, fd: pidfd_open(raw_pid(pid), PidfdFlags::empty()).unwrap() }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        pidfd_send_signal(&self.fd, signal).unwrap();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.poll(Timespec::default())
    }

    /// Waits until it has ended; reaps nobody.
    pub(crate) fn wait(&self) {
        assert!(self.poll(BOUND), "process {} has not ended", self.pid);
    }

    fn poll(&self, limit: Timespec) -> bool {
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        poll(&mut fds, Some(&limit)).unwrap();
        !fds[0].revents().is_empty()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        pidfd_send_signal(&self.fd, Signal::KILL).ok();
    }
}

/// A child of the test.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) held: Held,
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Started {
    pub(crate) fn new(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { held: Held::open(child.id()), child, lines }
    }

    /// The next line that it prints: what it has got to.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// A process whose pid it prints.
    pub(crate) fn prints_pid(&mut self) -> Held {
        Held::open(self.line().parse().unwrap())
    }

    pub(crate) fn reap(&mut self) {
        self.child.wait().unwrap();
    }

    /// Kills it and waits for it, so that not even a zombie is left.
    pub(crate) fn kill(&mut self) {
        self.held.signal(Signal::KILL);
        self.reap();
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A process that lasts longer than any test.
pub(crate) fn sleeper() -> Started {
    Started::new(Command::new("sleep").arg("600"))
}

/// A shell that leads a session of its own and carries the attempt.
pub(crate) fn session(attempt: &Attempt, script: &str) -> Started {
    let mut command = Command::new("setsid");
    Started::new(command.env("REAPER_ATTEMPT", attempt.to_string()).args(["sh", "-c", script]))
}

pub(crate) fn probe() -> LocalProbe {
    LocalProbe::builder().host("test-host").trust_bare_pids(true).build().unwrap()
}

pub(crate) fn identity(process: &Held) -> ProcessIdentity {
    probe().identify(process.pid).unwrap()
}

pub(crate) fn attempt() -> Attempt {
    Attempt { job: 7.into(), fence: 4_611_686_018_427_387_904.into() }
}

pub(crate) fn running() -> Sighting {
    Sighting::new(Liveness::Alive(Certainty::Verified), Finding::Running)
}

pub(crate) fn dead(finding: Finding) -> Sighting {
    Sighting::new(Liveness::Dead(Certainty::Verified), finding)
}

pub(crate) fn leftovers(count: u32) -> Sighting {
    Sighting::new(Liveness::Leftovers, Finding::SessionLives(count))
}

/// Runs something on a thread that has no rights.
pub(crate) fn as_nobody<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            set_thread_groups(&[]).unwrap();
            let (group, user) = (Gid::from_raw(65534), Uid::from_raw(65534));
            set_thread_res_gid(group, group, group).unwrap();
            set_thread_res_uid(user, user, user).unwrap();
            work()
        });
        thread.join().unwrap()
    })
}

pub(crate) fn raw_pid(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}

/// Starts a Python program; `None`, said loudly, where there is no Python.
pub(crate) fn python(program: &str) -> Option<Started> {
    if Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success()) {
        let mut command = Command::new("python3");
        command.env("REAPER_ATTEMPT", attempt().to_string()).args(["-c", program]);
        return Some(Started::new(&mut command));
    }
    eprintln!("SKIPPED: there is no python3");
    None
}

/// Runs one test of this file again behind another program, for instance in a namespace of its own. Says whether it
/// could; says loudly that it could not.
pub(crate) fn again(test: &str, behind: &[&str]) -> bool {
    let why = match Command::new(behind[0]).args(&behind[1..]).arg("true").output() {
        Ok(tried) if tried.status.success() => {
            let exe = std::env::current_exe().unwrap();
            let mut command = Command::new(behind[0]);
            command.args(&behind[1..]).arg(exe).args([test, "--exact", "--nocapture"]).env(AGAIN, "1");
            let ran = command.output().unwrap();
            let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
            assert!(ran.status.success() && said.contains("1 passed"), "{said}");
            // What it cannot show there is to be heard here.
            for line in said.lines().filter(|line| line.trim_start().starts_with("SKIPPED")) {
                eprintln!("{line}");
            }
            return true;
        }
        Ok(tried) => String::from_utf8_lossy(&tried.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    eprintln!("SKIPPED {test}: {behind:?} does not work here: {why}");
    false
}

/// Whether this is the inner run of [`again`].
pub(crate) fn is_again() -> bool {
    std::env::var_os(AGAIN).is_some()
}

/// A folder of cgroup2 of a test's own. What is left in it at the end is killed.
#[derive(Debug)]
pub(crate) struct CgroupFolder(pub(crate) PathBuf);

impl CgroupFolder {
    /// Makes one. `None`, said loudly, where there is no cgroup2 or it may not be written to.
    pub(crate) fn make() -> Option<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let of = |line: &str| {
            let (mount, kind) = line.split_once(" - ")?;
            kind.starts_with("cgroup2 ").then(|| mount.split(' ').nth(4).map(PathBuf::from))?
        };
        let Some(root) = mounts.lines().find_map(of) else {
            eprintln!("SKIPPED: cgroup2 is not mounted");
            return None;
        };
        // Pids come again, and a test that was killed leaves its folder.
        match tempfile::Builder::new().prefix("gate-test-").tempdir_in(root) {
            Ok(folder) => Some(Self(folder.keep())),
            Err(error) => {
                eprintln!("SKIPPED: no cgroup can be made here: {error}");
                None
            }
        }
    }
}

impl Drop for CgroupFolder {
    fn drop(&mut self) {
        std::fs::write(self.0.join("cgroup.kill"), "1").ok();
        let removed = || {
            let groups = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
            groups.for_each(|group| drop(std::fs::remove_dir(group.path())));
            std::fs::remove_dir(&self.0).is_ok()
        };
        if !std::thread::panicking() {
            wait_until("the cgroup is empty", removed);
        }
    }
}

/// A process whose main thread has ended, while another one goes on until its input ends. `None` where there is no Python.
pub(crate) fn without_main_thread() -> Option<Started> {
    let mut child = python(
        "import ctypes, sys, threading\n\
         def work():\n\
         \x20   print('working', flush=True)\n\
         \x20   sys.stdin.read()\n\
         threading.Thread(target=work).start()\n\
         ctypes.CDLL(None).pthread_exit(None)\n",
    )?;
    assert_eq!(child.line(), "working");
    let stat = format!("/proc/{}/stat", child.held.pid);
    wait_until("the main thread has ended", || std::fs::read_to_string(&stat).unwrap().contains(") Z "));
    Some(child)
}

/// Waits, bounded, until something is so.
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..30_000 {
        if condition() {
            return;
        }
        // Nobody tells when a condition of this kind comes true.
        poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 1_000_000 })).unwrap();
    }
    panic!("not so after half a minute: {what}");
}

const AGAIN: &str = "REAPER_TEST_AGAIN";
