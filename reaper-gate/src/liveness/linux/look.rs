//! The comparison of a recorded identity with the process that has its number now.

use reaper_core::{Finding, ProcessIdentity};
use rustix::io::Errno;

use super::{
    here::{Here, INITIAL_PID_NAMESPACE, StartTimes, is_boot_id},
    pidfd::{Pidfd, is_absent},
    table,
};
use crate::liveness::IdentifyError;

/// How much of an identity was seen to match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matched {
    /// All that is recorded, and more than the pid.
    Whole,
    /// Enough to tell it from every other process; the rest could not be read.
    InPart,
    /// The pid: nothing else is recorded.
    PidOnly,
}

/// What became of a recorded process.
#[derive(Debug)]
pub(super) enum Leader {
    /// It runs.
    Runs(Pidfd, Matched),
    /// It is gone; its session may live on. With a descriptor of it where its inode proves that what has ended is
    /// the recorded process.
    Gone(Finding, Option<Pidfd>),
    /// It is gone, and its session with it: otherwise its number could not have been given away.
    Over(Finding),
    /// Cannot be told.
    Unknown(Finding),
}

impl Here {
    /// Looks at the leader alone.
    pub(super) fn look(&self, identity: &ProcessIdentity) -> Leader {
        self.open(identity).unwrap_or_else(|error| Leader::Unknown(unreadable(format!("pidfd_open: {error}"))))
    }

    /// Looks at the leader alone.
    ///
    /// # Errors
    ///
    /// Why no pidfd could be opened, where that says nothing about the process.
    pub(super) fn open(&self, identity: &ProcessIdentity) -> Result<Leader, Errno> {
        if let Err(answer) = self.is_here(identity) {
            return Ok(answer);
        }
        let Some(pid) = table::pid(identity.pid) else {
            return Ok(Leader::Unknown(unreadable(format!("{} is no process id", identity.pid))));
        };
        match Pidfd::open(pid) {
            Ok(pidfd) => Ok(self.compare(identity, pidfd)),
            Err(error) if is_absent(error) => Ok(Leader::Gone(Finding::NoSuchProcess, None)),
            Err(error) => Err(error),
        }
    }

    /// Whether the identity's number means something here: same host, boot and PID namespace.
    fn is_here(&self, identity: &ProcessIdentity) -> Result<(), Leader> {
        if identity.host != self.host {
            return Err(Leader::Unknown(Finding::OtherHost));
        }
        let boot = self.boot.as_ref().map_err(|why| Leader::Unknown(unreadable(why.clone())))?;
        let here = *self.pid_namespace.as_ref().map_err(|why| Leader::Unknown(unreadable(why.clone())))?;
        let Some(there) = identity.pid_namespace else {
            return Err(Leader::Unknown(unreadable("its PID namespace is not recorded".to_owned())));
        };
        if identity.boot != *boot {
            return Err(if !is_boot_id(&identity.boot) {
                Leader::Unknown(unreadable("its boot is not recorded".to_owned()))
            } else if there == INITIAL_PID_NAMESPACE && here == INITIAL_PID_NAMESPACE {
                Leader::Over(Finding::Rebooted)
            } else {
                // A container may have moved to another machine and kept the host's name.
                Leader::Unknown(Finding::OtherNamespace)
            });
        }
        if there != here {
            return Err(Leader::Unknown(Finding::OtherNamespace));
        }
        Ok(())
    }

    /// Compares the process that was just opened by the recorded number. The order matters: the stat file is read
    /// after the pidfd was opened and before the pidfd is asked, so that a process which is alive at the end is the one
    /// that the file was read of.
    fn compare(&self, identity: &ProcessIdentity, pidfd: Pidfd) -> Leader {
        let inode = pidfd.inode();
        let stat = self.table.stat(pidfd.pid());
        let ended = pidfd.has_ended();

        let start_time = match (&stat, self.start_times) {
            (Ok(Some(stat)), StartTimes::SinceBoot) => Some(stat.start_time),
            (Ok(None) | Err(_), _) | (_, StartTimes::Shifted) => None,
        };
        let same = |recorded: Option<u64>, seen: Option<u64>| recorded.zip(seen).map(|(one, other)| one == other);
        let same_inode = same(identity.inode, inode);
        let same_start = same(identity.start_time, start_time);
        if same_inode == Some(false) || same_start == Some(false) {
            return Leader::Over(Finding::Recycled);
        }
        match ended {
            Ok(false) => {}
            // Whichever process it was: the recorded one does not run under this number.
            Ok(true) => return Leader::Gone(Finding::Ended, (same_inode == Some(true)).then_some(pidfd)),
            Err(error) => return Leader::Unknown(unreadable(format!("poll: {error}"))),
        }
        let confirmed = |recorded: Option<u64>, same: Option<bool>| recorded.is_none() || same == Some(true);
        if !identity.is_full() {
            Leader::Runs(pidfd, Matched::PidOnly)
        } else if confirmed(identity.inode, same_inode) && confirmed(identity.start_time, same_start) {
            Leader::Runs(pidfd, Matched::Whole)
        } else if same_inode == Some(true) || same_start == Some(true) {
            Leader::Runs(pidfd, Matched::InPart)
        } else {
            Leader::Unknown(unreadable(match stat {
                Err(why) => why,
                Ok(None) => "the process table does not show it".to_owned(),
                Ok(Some(_)) => "nothing that is recorded of it can be compared here".to_owned(),
            }))
        }
    }

    /// The identity of the process that has this number now.
    pub(in super::super) fn identify(&self, number: u32) -> Result<ProcessIdentity, IdentifyError> {
        let why = |why: &String| IdentifyError::Unreadable(why.clone());
        let boot = self.boot.as_ref().map_err(why)?.clone();
        let pid_namespace = *self.pid_namespace.as_ref().map_err(why)?;
        let pid = table::pid(number).ok_or(IdentifyError::Gone)?;
        let pidfd = Pidfd::open(pid).map_err(|error| {
            if is_absent(error) {
                IdentifyError::Gone
            } else {
                IdentifyError::Unreadable(format!("pidfd_open: {error}"))
            }
        })?;
        let inode = pidfd.inode();
        let stat = self.table.stat(pid);
        // Only if it is still there now was the file read of it.
        if pidfd.has_ended().map_err(|error| IdentifyError::Unreadable(format!("poll: {error}")))? {
            return Err(IdentifyError::Gone);
        }
        let start_time = match (stat, self.start_times) {
            (Ok(Some(stat)), StartTimes::SinceBoot) => Some(stat.start_time),
            (_, StartTimes::Shifted) => None,
            // The inode alone tells it from every other process.
            (Ok(None) | Err(_), StartTimes::SinceBoot) if inode.is_some() => None,
            (Ok(None), StartTimes::SinceBoot) => {
                return Err(IdentifyError::Unreadable("the process table does not show it".to_owned()));
            }
            (Err(why), StartTimes::SinceBoot) => return Err(IdentifyError::Unreadable(why)),
        };
        Ok(ProcessIdentity {
            host: self.host.clone(),
            boot,
            pid_namespace: Some(pid_namespace),
            pid: number,
            start_time,
            inode,
        })
    }
}

fn unreadable(why: String) -> Finding {
    Finding::Unreadable(why)
}

#[cfg(test)]
mod tests;
