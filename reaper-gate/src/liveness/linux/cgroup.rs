//! The cgroup of one executor: making it, entering it, what is left in it, and its end.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read as _, Seek as _},
    path::{Path, PathBuf},
};

use reaper_core::ProcessIdentity;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::statfs,
    process::Pid,
};

use super::table;
use crate::liveness::CgroupError;

/// `CGROUP2_SUPER_MAGIC`.
const CGROUP2: u64 = 0x6367_7270;
/// What the groups' names begin with.
const PREFIX: &str = "reaper-";
/// A group that others remove while it is still empty is made again so often.
const TRIES: usize = 100;
/// The kernel takes a moment from a process's end to the group's: so many looks of so long each.
const EMPTYING_LOOKS: usize = 20;
const EMPTYING_LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// Whether a folder is of the unified hierarchy.
pub(in super::super) fn check_cgroups(folder: &Path) -> Result<(), CgroupError> {
    let found = statfs(folder).map_err(|error| failed(folder, error.into()))?;
    if u64::try_from(found.f_type) == Ok(CGROUP2) {
        Ok(())
    } else {
        Err(CgroupError::NotUnified(folder.to_owned()))
    }
}

/// An executor's group, which need not be there.
#[derive(Clone, Debug)]
pub(in super::super) struct Group {
    path: PathBuf,
}

impl Group {
    /// The group in this folder that has the executor's name.
    pub(in super::super) fn of(folder: &Path, executor: &ProcessIdentity) -> Self {
        let shown = |number: Option<u64>| number.map_or_else(|| "x".to_owned(), |number| number.to_string());
        let ProcessIdentity { pid_namespace, pid, start_time, inode, .. } = executor;
        let (namespace, start, inode) = (shown(*pid_namespace), shown(*start_time), shown(*inode));
        Self { path: folder.join(format!("{PREFIX}{namespace}-{pid}-{start}-{inode}")) }
    }

    /// Makes it, and moves a process into it.
    pub(in super::super) fn enter(&self, pid: u32) -> Result<(), CgroupError> {
        self.sweep();
        let procs = self.path.join("cgroup.procs");
        let mut tries = 0_usize;
        loop {
            if let Err(error) = fs::create_dir(&self.path)
                && error.kind() != ErrorKind::AlreadyExists
            {
                return Err(failed(&self.path, error));
            }
            tries = tries.saturating_add(1);
            match fs::write(&procs, pid.to_string()) {
                Ok(()) => return Ok(()),
                // Somebody has swept it away: it was still empty.
                Err(error) if error.kind() == ErrorKind::NotFound && tries < TRIES => {}
                Err(error) => {
                    self.remove();
                    return Err(failed(&procs, error));
                }
            }
        }
    }

    /// How many processes live in it and below. None where there is no such group.
    ///
    /// # Errors
    ///
    /// Why that cannot be told.
    pub(in super::super) fn left(&self) -> Result<u32, String> {
        let path = self.path.join("cgroup.events");
        let fail = |error: io::Error| format!("{}: {error}", path.display());
        let mut events = match File::open(&path) {
            Ok(events) => events,
            Err(error) if is_gone(&error) => return Ok(0),
            Err(error) => return Err(fail(error)),
        };
        for _ in 0..EMPTYING_LOOKS {
            match is_populated(&mut events) {
                Ok(false) => return Ok(0),
                Err(error) if is_gone(&error) => return Ok(0),
                Err(error) => return Err(fail(error)),
                Ok(true) => {}
            }
            let count = self.pids().map_err(fail)?.len();
            if count > 0 {
                return Ok(u32::try_from(count).unwrap_or(u32::MAX));
            }
            // A signal that comes meanwhile only makes the look shorter.
            poll(&mut [PollFd::new(&events, PollFlags::PRI)], Some(&EMPTYING_LOOK)).ok();
        }
        Err(format!("{} says that it is populated, and shows nobody", path.display()))
    }

    /// The numbers of the processes in it and below, `None` for each that has no number in our PID namespace.
    ///
    /// # Errors
    ///
    /// What the operating system says; a group that is gone has none.
    pub(super) fn pids(&self) -> io::Result<Vec<Option<Pid>>> {
        let mut pids = Vec::new();
        for group in self.with_below() {
            match fs::read_to_string(group.join("cgroup.procs")) {
                Ok(lines) => pids.extend(lines.lines().map(|line| line.parse().ok().and_then(table::pid))),
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(pids)
    }

    /// Kills all that is in it and below, in one go, which no fork can outrun. Linux 5.14 and later.
    pub(super) fn kill(&self) {
        if let Err(error) = fs::write(self.path.join("cgroup.kill"), "1") {
            tracing::debug!(path = %self.path.display(), %error, "the cgroup was not killed as one");
        }
    }

    /// Removes it if nobody is in it.
    pub(in super::super) fn remove(&self) {
        for group in self.with_below().into_iter().rev() {
            // One that is populated again, or gone, is none of ours to remove.
            fs::remove_dir(group).ok();
        }
    }

    /// It and the groups in it, each before its own.
    fn with_below(&self) -> Vec<PathBuf> {
        let mut groups = vec![self.path.clone()];
        let mut next = 0_usize;
        while let Some(group) = groups.get(next) {
            let entries = fs::read_dir(group).into_iter().flatten().filter_map(Result::ok);
            let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            let below: Vec<PathBuf> = below.map(|entry| entry.path()).collect();
            groups.extend(below);
            next = next.saturating_add(1);
        }
        groups
    }

    /// Removes groups beside it that are empty: their monitors were killed.
    fn sweep(&self) {
        let entries = self.path.parent().into_iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
        for entry in entries.filter_map(Result::ok) {
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                // The kernel refuses where somebody is in it.
                fs::remove_dir(entry.path()).ok();
            }
        }
    }
}

fn is_populated(events: &mut File) -> io::Result<bool> {
    let mut text = String::new();
    events.rewind()?;
    events.read_to_string(&mut text)?;
    Ok(!text.lines().any(|line| line == "populated 0"))
}

/// Of a group that is removed while its files are read, opening says `ENOENT` and reading `ENODEV`.
fn is_gone(error: &io::Error) -> bool {
    let no_device = rustix::io::Errno::NODEV.raw_os_error();
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(no_device)
}

fn failed(path: &Path, problem: io::Error) -> CgroupError {
    CgroupError::System { path: path.to_owned(), problem }
}
