//! Real processes: one that lives until it is dropped, and the pid of one that is gone.

use std::process::{Child, Command, Stdio};

/// A process that lives until it is dropped.
#[derive(Debug)]
pub struct Sleeper(Child);

impl Sleeper {
    /// Starts it.
    #[must_use]
    pub fn start() -> Self {
        let mut command = Command::new("sleep");
        Self(command.arg("600").stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }

    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.id()
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
