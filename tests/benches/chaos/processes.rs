//! The processes of a run, known by the mark in their environment.

use std::fs;

use rustix::{
    fd::OwnedFd,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

/// A process as it was seen.
#[derive(Clone, Debug)]
pub struct Seen {
    pub pid: Pid,
    /// The leader of its session.
    pub session: i32,
    /// The attempt that it carries, `job:fence`; none of a worker or a reaper.
    pub attempt: Option<String>,
    pub words: String,
}

impl Seen {
    /// Whether it leads the session of an attempt.
    pub fn is_executor(&self) -> bool {
        self.attempt.is_some() && self.pid.as_raw_nonzero().get() == self.session
    }

    /// Whether it is what an attempt's executor has started: the command, or a child of it.
    pub fn is_work(&self) -> bool {
        self.attempt.is_some()
            && !self.is_executor()
            && (self.words.contains("work.sh") || self.words.contains("sleep"))
    }
}

/// All that carry this mark.
pub fn all(mark: &str) -> Vec<Seen> {
    let entries = fs::read_dir("/proc").unwrap();
    let pids = entries.flatten().filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    pids.filter_map(|pid| look(pid, mark)).collect()
}

/// Sends a signal to a process if it is still the one that was seen, and answers with what it is known by.
pub fn strike(seen: &Seen, mark: &str, signal: Signal) -> Option<OwnedFd> {
    let process = pidfd_open(seen.pid, PidfdFlags::empty()).ok()?;
    // The number may have become another's since; from here on the descriptor is the process.
    look(seen.pid, mark).filter(|now| now.attempt == seen.attempt)?;
    pidfd_send_signal(&process, signal).ok()?;
    Some(process)
}

fn look(pid: Pid, mark: &str) -> Option<Seen> {
    let read = |name: &str| fs::read(format!("/proc/{}/{name}", pid.as_raw_nonzero())).ok();
    let environment = read("environ")?;
    let mut variables = environment.split(|byte| *byte == 0);
    variables.any(|variable| variable == mark.as_bytes()).then_some(())?;
    let attempt = environment.split(|byte| *byte == 0).find_map(|variable| {
        let attempt = variable.strip_prefix(b"REAPER_ATTEMPT=")?;
        Some(String::from_utf8_lossy(attempt).into_owned())
    });
    let stat = String::from_utf8_lossy(&read("stat")?).into_owned();
    let session = stat.rsplit_once(')')?.1.split_whitespace().nth(3)?.parse().ok()?;
    let words = String::from_utf8_lossy(&read("cmdline")?).replace('\0', " ");
    Some(Seen { pid, session, attempt, words })
}
