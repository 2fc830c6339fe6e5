//! Real processes: one that lives until it is dropped, and the pid of one that is gone.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use crate::program::eventually;

/// In seconds: longer than any test takes, also one that tries everything.
const LONGEST: &str = "14400";

/// A process that lives until it is dropped.
#[derive(Debug)]
pub struct Sleeper(Child);

impl Sleeper {
    /// Starts it.
    #[must_use]
    pub fn start() -> Self {
        let mut command = Command::new("sleep");
        Self(command.arg(LONGEST).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }

    /// Starts one that carries an attempt in its environment, in a session of its own, and waits until it shows what it
    /// carries: in the middle of an exec a process shows nothing.
    #[must_use]
    pub fn carrying(attempt: &str) -> Self {
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", "echo here; exec sleep \"$0\"", LONGEST]).env("REAPER_ATTEMPT", attempt);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let name = format!("/proc/{}/comm", child.id());
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        eventually("it sleeps", || std::fs::read_to_string(&name).unwrap().trim() == "sleep");
        Self(child)
    }

    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// The command line that it shows.
    #[must_use]
    pub fn command(&self) -> String {
        let shown = std::fs::read_to_string(format!("/proc/{}/cmdline", self.pid())).unwrap();
        shown.trim_end_matches('\0').replace('\0', " ")
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // It may have been ended by what is tested.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The pid of a process that has just ended and was waited for.
#[must_use]
pub fn dead_pid() -> u32 {
    let mut child = Command::new("true").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    pid
}
