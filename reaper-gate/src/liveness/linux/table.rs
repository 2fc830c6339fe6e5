//! The process table: `/proc`, as this process sees it.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::{
    io::Errno,
    process::Pid,
    thread::{CapabilitySet, capabilities},
};

use super::stat::Stat;

/// The inode of the initial user namespace (`PROC_USER_INIT_INO`).
const INITIAL_USER_NAMESPACE: u64 = 0xEFFF_FFFD;
/// A stat file is a few hundred bytes; more than this is none.
const MAX_STAT: u64 = 4096;
/// The environment of a process may be as large as its argument space; more than this is not searched.
const MAX_ENVIRONMENT: u64 = 8 << 20;
/// So many bytes of a command line are shown.
const MAX_COMMAND: u64 = 1024;

/// A process table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// Where it is mounted.
    pub(super) root: PathBuf,
    /// Whether its numbers are those of our own PID namespace; if not, why.
    pub(super) ours: Result<(), String>,
    /// Whether it shows every process of our PID namespace; if not, why.
    pub(super) whole: Result<(), String>,
}

impl Table {
    /// The table at `root`, with what it says about itself.
    pub(super) fn at(root: &Path) -> Self {
        let ours = is_ours(root);
        let whole = shows_all(root);
        Self { root: root.to_owned(), ours, whole }
    }

    /// The stat file of a process. `None` if the table has no entry for it, which on a table that hides other users'
    /// processes does not mean that there is none.
    ///
    /// # Errors
    ///
    /// Why it could not be read.
    pub(super) fn stat(&self, pid: Pid) -> Result<Option<Stat>, String> {
        self.ours.clone()?;
        let path = self.entry(pid, "stat");
        match read_bounded(&path, MAX_STAT) {
            Ok(line) => Stat::parse(&line).map(Some).ok_or_else(|| format!("{} has another form", path.display())),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// The wait status of a process that has ended and waits to be reaped, where its file tells it; 0 to those who
    /// may not know.
    pub(super) fn exit_status(&self, pid: Pid) -> Option<i32> {
        let stat = self.stat(pid).ok()??;
        stat.exit_status.filter(|_| stat.state == b'Z')
    }

    /// Whether the kernel lets us see what only those may see who may trace the process. It says so of those, too, that
    /// wait to be reaped.
    pub(super) fn may_trace(&self, pid: Pid) -> bool {
        self.ours.is_ok() && self.entry(pid, "ns/pid").read_link().is_ok()
    }

    /// Whether the process was started with this `NAME=value` in its environment, as the first of that name. False
    /// where it cannot be read.
    pub(super) fn was_started_with(&self, pid: Pid, name: &str, value: &str) -> bool {
        self.variable(pid, name).is_some_and(|found| found == value)
    }

    /// The value of the first variable of this name in the environment that a process was started with. `None` where
    /// there is none, it is no UTF-8, or it cannot be read.
    pub(super) fn variable(&self, pid: Pid, name: &str) -> Option<String> {
        self.ours.as_ref().ok()?;
        let environment = read_bounded(&self.entry(pid, "environ"), MAX_ENVIRONMENT).ok()?;
        let mut entries = environment.split(|byte| *byte == 0);
        let value = entries.find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
        String::from_utf8(value.to_vec()).ok()
    }

    /// The command line of a process, its arguments one blank apart, at most so many bytes of it; empty where it cannot
    /// be read.
    pub(super) fn command(&self, pid: Pid) -> String {
        let mut line = Vec::new();
        let read =
            File::open(self.entry(pid, "cmdline")).and_then(|file| file.take(MAX_COMMAND).read_to_end(&mut line));
        if self.ours.is_err() || read.is_err() {
            return String::new();
        }
        let line = line.strip_suffix(b"\0").unwrap_or(&line);
        String::from_utf8_lossy(line).replace('\0', " ")
    }

    /// The numbers of all processes that it shows.
    ///
    /// # Errors
    ///
    /// Why it could not be read to its end.
    pub(super) fn pids(&self) -> Result<Vec<Pid>, String> {
        self.ours.clone()?;
        let fail = |error| format!("{}: {error}", self.root.display());
        let mut pids = Vec::new();
        for entry in self.root.read_dir().map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            pids.extend(name.to_str().and_then(|name| name.parse().ok()).and_then(pid));
        }
        Ok(pids)
    }

    fn entry(&self, pid: Pid, file: &str) -> PathBuf {
        self.root.join(pid.as_raw_pid().to_string()).join(file)
    }
}

/// A number as a process id. `None` for 0, which would mean our own process group, and for what no process can have.
pub(super) fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}

/// A small file in the table, or an error where it is larger than `limit`.
pub(super) fn read_bounded(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len <= limit) {
        Ok(bytes)
    } else {
        Err(std::io::Error::new(ErrorKind::FileTooLarge, "is larger than expected"))
    }
}

/// Of a process that ends while its files are read, opening says `ENOENT` and reading `ESRCH`.
fn is_missing(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

/// A table may be mounted for an outer namespace (`unshare --pid` without a mount of its own): its numbers are not
/// those that system calls here understand. `NSpid` lists our numbers from the table's namespace inwards, so in our
/// own table there is exactly one.
fn is_ours(root: &Path) -> Result<(), String> {
    let path = root.join("self/status");
    let status = read_bounded(&path, MAX_STAT * 4).map_err(|error| format!("{}: {error}", path.display()))?;
    let status = String::from_utf8_lossy(&status);
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    match numbers.map(|numbers| numbers.split_ascii_whitespace().count()) {
        Some(1) => Ok(()),
        Some(_) => Err(format!("{} is the process table of another PID namespace", root.display())),
        None => Err(format!("{} does not say which PID namespace it is for", path.display())),
    }
}

/// A table mounted with `hidepid` shows only those processes that the reader may trace.
fn shows_all(root: &Path) -> Result<(), String> {
    let path = root.join("self/mountinfo");
    let mounts = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mounts = String::from_utf8_lossy(&mounts);
    let point = root.to_str().ok_or("the process table has a name that is no text")?;
    let options = super_options(&mounts, point)
        .ok_or_else(|| format!("{} is not among the mounts: it may hide processes", root.display()))?;
    let hides = options
        .split(',')
        .filter_map(|option| option.strip_prefix("hidepid="))
        .any(|degree| !matches!(degree, "0" | "off"));
    if !hides || may_trace_all(root) {
        Ok(())
    } else {
        Err(format!("{} is mounted with hidepid and hides processes of other users", root.display()))
    }
}

/// The options of the file system that is mounted at `point`, uppermost last, see `proc_pid_mountinfo(5)`.
fn super_options<'a>(mounts: &'a str, point: &str) -> Option<&'a str> {
    mounts
        .lines()
        .filter(|line| line.split(' ').nth(4) == Some(point))
        .filter_map(|line| line.split_once(" - ")?.1.split(' ').nth(2))
        .next_back()
}

fn may_trace_all(root: &Path) -> bool {
    let initial = root.join("self/ns/user").metadata().is_ok_and(|ns| ns.ino() == INITIAL_USER_NAMESPACE);
    initial && capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_PTRACE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_table_is_ours() {
        assert_eq!(Table::at(Path::new("/proc")).ours, Ok(()));
    }

    #[test]
    fn a_folder_that_is_no_table_is_not_ours_and_not_whole() {
        let folder = tempfile::tempdir().unwrap();
        let table = Table::at(folder.path());
        assert!(table.ours.is_err() && table.whole.is_err());
        assert!(table.stat(Pid::INIT).is_err());
        assert!(table.pids().is_err());
    }

    #[test]
    fn the_table_of_an_outer_namespace_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("self")).unwrap();
        std::fs::write(folder.path().join("self/status"), "Name:\tx\nNSpid:\t4711\t1\n").unwrap();
        assert!(Table::at(folder.path()).ours.unwrap_err().contains("another PID namespace"));
    }

    #[test]
    fn the_uppermost_mount_counts() {
        let mounts = "22 27 0:21 / /proc rw,relatime - proc proc rw\n\
                      23 27 0:22 / /procs rw shared:1 - tmpfs none rw\n\
                      24 22 0:23 / /proc rw shared:2 master:1 - proc proc rw,gid=5,hidepid=invisible\n";
        assert_eq!(super_options(mounts, "/proc"), Some("rw,gid=5,hidepid=invisible"));
        assert_eq!(super_options(mounts, "/procs"), Some("rw"));
        assert_eq!(super_options(mounts, "/sys"), None);
    }

    #[test]
    fn numbers_that_no_process_has_are_no_pids() {
        assert_eq!(pid(0), None);
        assert_eq!(pid(u32::MAX), None);
        assert_eq!(pid(i32::MAX.cast_unsigned() + 1), None);
        assert_eq!(pid(1), Some(Pid::INIT));
    }

    #[test]
    fn only_the_first_entry_of_a_name_counts() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("1")).unwrap();
        let table = Table { root: folder.path().to_owned(), ours: Ok(()), whole: Ok(()) };
        let with = |environ: &[u8]| {
            std::fs::write(folder.path().join("1/environ"), environ).unwrap();
            table.was_started_with(Pid::INIT, "A", "1:2")
        };
        assert!(with(b"B=1\0A=1:2\0A=1:3\0"));
        assert!(!with(b"A=1:3\0A=1:2\0"));
        assert!(!with(b"A=1:22\0"));
        assert!(!with(b"AA=1:2\0XA=1:2\0"));
        assert!(!with(b""));
    }
}
