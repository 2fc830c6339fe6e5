//! The exit code of a process that is not our child.
//!
//! Told if and only if the kernel says it of the very process that the pidfd holds, and to us:
//!
//! - in field 52 of its stat file, while it waits to be reaped. The kernel writes 0 there to those who may not trace
//!   the process; so a link is read that only they may read, too. Whether the number still is its own is seen
//!   by the inode of a second pidfd, opened after the file was read. Kernels without such inodes (before 6.9)
//!   are not asked: older ones put the main thread's code there, which is not the process's if other threads
//!   outlived it;
//! - through the pidfd once it was reaped (Linux 6.15), except on 6.15 itself, which had that same fault at first.
//!
//! Everything else is unknown: never a made-up code.

use super::{info::exit_status, pidfd::Pidfd, table::Table};
use crate::liveness::watch::{Witness, WitnessedExit, code_of};

/// The exit of an ended process, as far as the kernel tells it.
pub(super) fn exit_of(pidfd: &Pidfd, table: &Table) -> Option<WitnessedExit> {
    // It may be reaped between any two of these: then the last one knows.
    by_pidfd(pidfd).or_else(|| by_table(pidfd, table)).or_else(|| by_pidfd(pidfd))
}

fn by_pidfd(pidfd: &Pidfd) -> Option<WitnessedExit> {
    let status = exit_status(pidfd.file()).ok()??;
    let code = code_of(status)
        .filter(|_| tells_the_process_code(&rustix::system::uname().release().to_string_lossy()))?;
    Some(WitnessedExit { code, witness: Witness::Pidfd })
}

/// Whether a kernel of this release tells the code of the process, and not of its main thread.
fn tells_the_process_code(release: &str) -> bool {
    release.strip_prefix("6.15").is_none_or(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn by_table(pidfd: &Pidfd, table: &Table) -> Option<WitnessedExit> {
    let inode = pidfd.inode()?;
    let status = table.exit_status(pidfd.pid())?;
    if !table.may_trace(pidfd.pid()) || Pidfd::open(pidfd.pid()).ok()?.inode() != Some(inode) {
        return None;
    }
    Some(WitnessedExit { code: code_of(status)?, witness: Witness::ProcessTable })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_kernels_that_told_are_not_believed() {
        for release in ["6.15.0", "6.15", "6.15-rc3", "6.15.2-arch1"] {
            assert!(!tells_the_process_code(release), "{release}");
        }
        for release in ["6.16.0", "6.18.44-fc", "7.0", "6.150.1", ""] {
            assert!(tells_the_process_code(release), "{release}");
        }
    }
}
