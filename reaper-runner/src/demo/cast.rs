//! The processes of the demo. Each is a child of this program, in a process group of its own, and is ended and
//! waited for when it is dropped.

use std::{
    io::Write,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, ExitStatus, Stdio},
};

use reaper_core::ProcessIdentity;

use super::{Ground, failed};
use crate::cli::{Exit, Failure};

/// A process with its identity.
#[derive(Debug)]
pub(super) struct Actor {
    child: Child,
    pub(super) identity: ProcessIdentity,
    ended: Option<ExitStatus>,
}

impl Actor {
    /// One that does nothing for two minutes.
    pub(super) fn sleeper(ground: &Ground) -> Result<Self, Failure> {
        Self::start(ground, "exec sleep 120")
    }

    /// One that waits for a line and then ends with this code.
    pub(super) fn worker(ground: &Ground, code: u8) -> Result<Self, Failure> {
        Self::start(ground, &format!("read line; exit {code}"))
    }

    fn start(ground: &Ground, script: &str) -> Result<Self, Failure> {
        let mut child = Command::new("/bin/sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| failed("cannot start a process", &error))?;
        match ground.probe.identify(child.id()) {
            Ok(identity) => Ok(Self { child, identity, ended: None }),
            Err(error) => {
                // It is ours and is not to be left behind.
                child.kill().and_then(|()| child.wait()).ok();
                Err(failed("cannot identify a process", &error))
            }
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets a worker do its work, and gives its exit code.
    pub(super) fn let_go(&mut self) -> Result<i32, Failure> {
        if let Some(mut stdin) = self.child.stdin.take() {
            stdin.write_all(b"go\n").map_err(|error| failed("cannot start the work", &error))?;
        }
        let ended = self.child.wait().map_err(|error| failed("cannot wait for a process", &error))?;
        self.ended = Some(ended);
        ended.code().ok_or_else(|| Failure::new(Exit::Failed, format!("a worker was killed: {ended}")))
    }

    /// Kills it, and leaves no zombie.
    pub(super) fn kill(&mut self) -> Result<(), Failure> {
        if self.ended.is_none() {
            self.child.kill().map_err(|error| failed("cannot kill a process", &error))?;
            self.ended = Some(self.child.wait().map_err(|error| failed("cannot wait for a process", &error))?);
        }
        Ok(())
    }

    /// The signal that ended it, if one did.
    pub(super) fn signal(&mut self) -> Option<i32> {
        self.has_ended();
        self.ended.and_then(|ended| ended.signal())
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended.is_some()
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        if let Err(failure) = self.kill() {
            tracing::warn!(error = failure.message, "a process of the demo may be left");
        }
    }
}
