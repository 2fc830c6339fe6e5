//! Cgroups of executors' own.

use std::{io, path::PathBuf};

use reaper_core::{Finding, Liveness, ProcessIdentity, Sighting};

use super::sys;

/// A folder of the unified cgroup hierarchy, in which each executor has a group of its own.
///
/// A session can be left: whoever calls `setsid` is in it no longer, and nothing that its process shows says where it came
/// from. A cgroup is inherited by all that an executor starts and can be left by nobody who may not write to another one. So
/// where a probe and a stop know of this folder ([`LocalProbeBuilder::cgroups`](super::LocalProbeBuilder::cgroups)), an
/// executor is dead only if its group is empty as well, and a stop ends all that is in it.
///
/// A group is named by its executor's identity, `reaper-NAMESPACE-PID-START-INODE`, so that whoever knows the identity finds it. It
/// has no limits and needs no controllers. Those that make groups and those that look at them must be told the same folder.
///
/// Needs Linux with cgroup2, and the right to make folders in this one and to move one's own processes there: it is root's, or
/// delegated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroups {
    folder: PathBuf,
}

/// Why there is no cgroup of an executor's own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CgroupError {
    /// The folder is not of the unified hierarchy.
    #[error("{} is no folder of a mounted cgroup2 hierarchy", .0.display())]
    NotUnified(PathBuf),
    /// The operating system did not allow it.
    #[error("{}: {problem}", path.display())]
    System {
        /// What was looked at, made or written.
        path: PathBuf,
        /// What it said.
        problem: io::Error,
    },
    /// This platform has none.
    #[error("this platform has no cgroups")]
    Unsupported,
}

impl Cgroups {
    /// The groups in this folder, which must be there.
    ///
    /// # Errors
    ///
    /// Where it is not there, or is no folder of a cgroup2 hierarchy.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Result<Self, CgroupError> {
        let folder = folder.into();
        sys::check_cgroups(&folder)?;
        Ok(Self { folder })
    }

    /// Makes the group of a process and moves the process into it, with all that it will start. What it has started before
    /// stays where it is. Groups that were left behind empty are removed on the way.
    ///
    /// Its caller must know that the pid still is the process that it means: its parent does, until it waits for it.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn enter(&self, executor: &ProcessIdentity) -> Result<(), CgroupError> {
        self.group(executor).enter(executor.pid)
    }

    /// Removes an executor's group, if nobody is in it.
    pub fn remove(&self, executor: &ProcessIdentity) {
        self.group(executor).remove();
    }

    /// An executor's group, which need not be there.
    pub(super) fn group(&self, executor: &ProcessIdentity) -> sys::Group {
        sys::Group::of(&self.folder, executor)
    }

    /// What a dead executor's group adds to what was seen of its session.
    pub(super) fn amend(&self, executor: &ProcessIdentity, seen: &mut Sighting) {
        match self.group(executor).left() {
            Ok(0) => {}
            Ok(left) => *seen = Sighting::new(Liveness::Leftovers, Finding::CgroupLives(left)),
            Err(why) => {
                let why = format!("it is gone, its cgroup not seen: {why}");
                *seen = Sighting::new(Liveness::Unknown, Finding::Unreadable(why));
            }
        }
    }
}
