//! Where this process is: host, boot, PID namespace, and what its process table can tell.

use std::{os::unix::fs::MetadataExt, path::Path};

use rustix::process::getpid;

use super::{
    pidfd::Pidfd,
    table::{Table, read_bounded},
};

/// The inode of the initial PID namespace (`PROC_PID_INIT_INO`), the same on every Linux.
pub(super) const INITIAL_PID_NAMESPACE: u64 = 0xEFFF_FFFC;
/// The inode of the initial time namespace (`PROC_TIME_INIT_INO`).
const INITIAL_TIME_NAMESPACE: u64 = 0xEFFF_FFFA;
const MAX_ID: u64 = 256;

/// Whether start times mean the same to everyone on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartTimes {
    /// They count from the boot.
    SinceBoot,
    /// This process is in a time namespace of its own, whose boot lies elsewhere: they cannot be compared.
    Shifted,
}

/// What identities are compared with. Tests put other facts here.
#[derive(Clone, Debug)]
pub(in super::super) struct Here {
    /// The host's name in identities.
    pub(in super::super) host: String,
    /// This boot's id, or why it is not known.
    pub(super) boot: Result<String, String>,
    /// The inode of our PID namespace, or why it is not known.
    pub(super) pid_namespace: Result<u64, String>,
    /// Whether start times can be compared.
    pub(super) start_times: StartTimes,
    /// The process table.
    pub(super) table: Table,
    /// Whether the kernel's word on a number is believed: that of one with a pidfs. What merely resembles it may know
    /// nothing of sessions.
    pub(super) numbers_tell: bool,
}

impl Here {
    /// Looks around, once.
    pub(in super::super) fn new(host: String) -> Self {
        let proc = Path::new("/proc");
        let inode = |path: &Path| match path.metadata() {
            Ok(metadata) => Ok(metadata.ino()),
            Err(error) => Err(format!("{}: {error}", path.display())),
        };
        let boot = proc.join("sys/kernel/random/boot_id");
        let start_times = match proc.join("self/ns/time").metadata() {
            Ok(namespace) if namespace.ino() != INITIAL_TIME_NAMESPACE => StartTimes::Shifted,
            // Without the file the kernel has no time namespaces.
            Ok(_) | Err(_) => StartTimes::SinceBoot,
        };
        Self {
            host,
            boot: read_id(&boot).and_then(|id| {
                if is_boot_id(&id) { Ok(id) } else { Err(format!("{} holds no boot id", boot.display())) }
            }),
            pid_namespace: inode(&proc.join("self/ns/pid")),
            start_times,
            table: Table::at(proc),
            numbers_tell: Pidfd::open(getpid()).is_ok_and(|own| own.inode().is_some()),
        }
    }

    /// The inode of our PID namespace, where it is one of our own and not the machine's initial one.
    pub(in super::super) fn own_pid_namespace(&self) -> Option<u64> {
        self.pid_namespace.as_ref().ok().copied().filter(|inode| *inode != INITIAL_PID_NAMESPACE)
    }

    /// This boot's id, where it is known.
    pub(in super::super) fn boot(&self) -> Option<&str> {
        self.boot.as_deref().ok()
    }
}

/// A name for this host that another host does not have: its machine id; without one its node name, unless that is
/// everybody's; without both, this boot's id, so that an earlier boot counts as another host.
pub(in super::super) fn host_name() -> Option<String> {
    let machine_id = ["/etc/machine-id", "/var/lib/dbus/machine-id"]
        .into_iter()
        .filter_map(|path| read_id(Path::new(path)).ok())
        .find(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()) && id.bytes().any(|b| b != b'0'));
    machine_id
        .or_else(|| {
            let node = rustix::system::uname().nodename().to_str().ok()?.to_owned();
            (!matches!(node.as_str(), "" | "(none)" | "localhost" | "localhost.localdomain")).then_some(node)
        })
        .or_else(|| read_id(Path::new("/proc/sys/kernel/random/boot_id")).ok())
}

fn read_id(path: &Path) -> Result<String, String> {
    let bytes = read_bounded(path, MAX_ID).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// Whether a text has the form of the kernel's boot ids. Only two such ids can say that the machine was booted
/// between them.
pub(super) fn is_boot_id(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
