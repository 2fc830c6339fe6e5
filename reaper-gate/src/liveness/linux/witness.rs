//! The exit code of a process that is not our child.
//!
//! Told if and only if the kernel says it of the very process that the pidfd holds, and to us:
//!
//! - in field 52 of its stat file, while it waits to be reaped. The kernel writes 0 there to those who may not trace
//!   the process; so a link is read that only they may read, too. Whether the number still is its own is seen
//!   by the inode of a second pidfd, opened after the file was read. Kernels without such inodes (before 6.9)
//!   are not asked: older ones put the main thread's code there, which is not the process's if other threads
//!   outlived it;
//! - through the pidfd once it was reaped (Linux 6.16; 6.15 can do it, but had that same fault at first).
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
    use std::process::{Child, Command};

    use rustix::event::Timespec;

    use super::*;
    use crate::liveness::sys::{pidfd::wait_any, table};

    /// A process of ours that has ended and was not waited for, and a table that says so of its number.
    fn zombie() -> (Child, Pidfd, tempfile::TempDir, Table) {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let pidfd = Pidfd::open(table::pid(child.id()).unwrap()).unwrap();
        child.kill().unwrap();
        assert_eq!(wait_any(&[&pidfd], Timespec { tv_sec: 30, tv_nsec: 0 }), Ok(true));
        let folder = tempfile::tempdir().unwrap();
        let entry = folder.path().join(child.id().to_string());
        std::fs::create_dir_all(entry.join("ns")).unwrap();
        std::os::unix::fs::symlink("pid:[1]", entry.join("ns/pid")).unwrap();
        std::fs::write(entry.join("stat"), line('Z', 7 << 8)).unwrap();
        let table = Table { root: folder.path().to_owned(), ours: Ok(()), whole: Ok(()) };
        (child, pidfd, folder, table)
    }

    fn line(state: char, status: i32) -> String {
        format!("1 (x) {state} 1 2 3{} {status}", " 0".repeat(45))
    }

    #[test]
    fn the_table_is_believed_only_while_the_number_is_its_own() {
        let (mut child, pidfd, _folder, table) = zombie();
        if pidfd.inode().is_none() {
            eprintln!("SKIPPED in part: this kernel has no pidfs, and then the table is not asked");
            assert_eq!(by_table(&pidfd, &table), None);
            return;
        }
        assert_eq!(by_table(&pidfd, &table), Some(WitnessedExit { code: 7, witness: Witness::ProcessTable }));
        child.wait().unwrap();
        assert_eq!(by_table(&pidfd, &table), None, "another process may have the number, and this be its file");
    }

    #[test]
    fn a_file_without_an_end_tells_none() {
        let (mut child, pidfd, folder, table) = zombie();
        let file = folder.path().join(child.id().to_string()).join("stat");
        for text in [line('S', 7 << 8), line('Z', 0x137F), "1 (x) Z 1 2 3".to_owned(), String::new()] {
            std::fs::write(&file, &text).unwrap();
            assert_eq!(by_table(&pidfd, &table), None, "{text}");
        }
        child.wait().unwrap();
    }

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
