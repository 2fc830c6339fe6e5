//! A process held by its pidfd: whatever becomes of the number, the descriptor stays with the process.

use std::{fs::File, os::unix::fs::MetadataExt};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::fstatfs,
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

/// The file system that pidfds live in since Linux 6.9 (`PID_FS_MAGIC`). Before, all of them shared one anonymous
/// inode, which tells nothing.
const PIDFS: u64 = 0x5049_4446;

/// An open pidfd.
#[derive(Debug)]
pub(super) struct Pidfd {
    pid: Pid,
    fd: File,
}

impl Pidfd {
    /// Opens the process that has this number now.
    ///
    /// # Errors
    ///
    /// What the kernel answers; see [`is_absent`] for which answers mean that there is none.
    pub(super) fn open(pid: Pid) -> Result<Self, Errno> {
        let fd = pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Self { pid, fd: File::from(fd) })
    }

    /// The number that it was opened by.
    pub(super) const fn pid(&self) -> Pid {
        self.pid
    }

    /// The descriptor itself.
    pub(super) const fn file(&self) -> &File {
        &self.fd
    }

    /// Its inode, which no other process of this boot has; `None` on a kernel without pidfs.
    pub(super) fn inode(&self) -> Option<u64> {
        let fs = fstatfs(&self.fd).ok()?;
        if u64::try_from(fs.f_type).ok()? != PIDFS {
            return None;
        }
        Some(self.fd.metadata().ok()?.ino())
    }

    /// Whether all of its threads have ended, reaped or not.
    pub(super) fn has_ended(&self) -> Result<bool, Errno> {
        match wait_any(&[self], Timespec::default()) {
            // A call that does not wait is hardly ever interrupted; once more is enough then.
            Err(Errno::INTR) => wait_any(&[self], Timespec::default()),
            answer => answer,
        }
    }

    /// Sends a signal to this very process.
    pub(super) fn signal(&self, signal: Signal) -> Result<(), Errno> {
        pidfd_send_signal(&self.fd, signal)
    }
}

/// Waits until one of the processes has ended, at most `limit`. Says whether one has.
pub(super) fn wait_any(pidfds: &[&Pidfd], limit: Timespec) -> Result<bool, Errno> {
    let mut fds: Vec<_> = pidfds.iter().map(|pidfd| PollFd::new(&pidfd.fd, PollFlags::IN)).collect();
    poll(&mut fds, Some(&limit))?;
    Ok(fds.iter().any(|fd| fd.revents().intersects(PollFlags::IN | PollFlags::HUP)))
}

/// Waits until one of the processes is reaped that was not when this was called, at most `limit`. Says whether all of
/// them are reaped. Before Linux 6.9 nobody is ever seen to be.
pub(super) fn wait_reaped(pidfds: &[&Pidfd], limit: Timespec) -> Result<bool, Errno> {
    let mut left: Vec<_> = pidfds.iter().map(|pidfd| PollFd::new(&pidfd.fd, PollFlags::empty())).collect();
    poll(&mut left, Some(&Timespec::default()))?;
    left.retain(|fd| !fd.revents().contains(PollFlags::HUP));
    if left.is_empty() {
        return Ok(true);
    }
    let reaped = poll(&mut left, Some(&limit))?;
    Ok(reaped == left.len())
}

/// Whether `pidfd_open` said that no process has the number: `ESRCH` where nothing has it, `ENOENT` or (before
/// Linux 6.16) `EINVAL` where it names a thread, or only a group or session that is left.
pub(super) fn is_absent(error: Errno) -> bool {
    matches!(error, Errno::SRCH | Errno::NOENT | Errno::INVAL)
}
