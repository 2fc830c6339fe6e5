//! Which process: an identity that a recycled pid cannot be mistaken for.

use alloc::{
    borrow::ToOwned,
    string::{String, ToString},
};
use core::{fmt, str::FromStr};

#[cfg(test)]
mod tests;

/// A process, named so that no other process can be taken for it.
///
/// A pid alone is reused; with immediate reuse even pid and start time coincide within one clock tick
/// (10 ms), so the inode of the pidfd is kept too where the kernel has one (Linux 6.9 and later).
///
/// The text form is stable and is what stores keep:
/// `host/boot/pid namespace/pid/start time/inode`, with `-` for what is not known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "String", try_from = "String")
)]
pub struct ProcessIdentity {
    /// The machine, as its reaper names it. No `/` and no control character in it.
    pub host: String,
    /// The boot of that machine (Linux: `/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// The PID namespace that `pid` is a number in (Linux: the inode of `/proc/self/ns/pid`).
    pub pid_namespace: Option<u64>,
    /// The process id.
    pub pid: u32,
    /// When it started, in clock ticks since boot (Linux: field 22 of the process's stat file).
    pub start_time: Option<u64>,
    /// The inode of its pidfd in pidfs.
    pub inode: Option<u64>,
}

impl ProcessIdentity {
    /// Whether the identity cannot be mistaken: more than a pid is known about the process.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.start_time.is_some() || self.inode.is_some()
    }
}

struct Known(Option<u64>);

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(n) => n.fmt(f),
            None => f.write_str("-"),
        }
    }
}

impl fmt::Display for ProcessIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}/{}/{}",
            self.host,
            self.boot,
            Known(self.pid_namespace),
            self.pid,
            Known(self.start_time),
            Known(self.inode)
        )
    }
}

/// Why a text is no process identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no process identity (host/boot/namespace/pid/start/inode): {problem}")]
pub struct IdentityError {
    problem: &'static str,
}

impl FromStr for ProcessIdentity {
    type Err = IdentityError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let fail = |problem| IdentityError { problem };
        let mut parts = s.split('/');
        let mut next = |problem| parts.next().filter(|part| !part.is_empty()).ok_or_else(|| fail(problem));
        let host = next("the host is missing")?;
        let boot = next("the boot is missing")?;
        let namespace = next("the namespace is missing")?;
        let pid = next("the pid is missing")?;
        let start = next("the start time is missing")?;
        let inode = next("the inode is missing")?;
        if parts.next().is_some() {
            return Err(fail("it has more than six parts"));
        }
        if s.chars().any(char::is_control) {
            return Err(fail("it holds a control character"));
        }
        let known = |part: &str, problem| match part {
            "-" => Ok(None),
            digits => number(digits).map(Some).ok_or_else(|| fail(problem)),
        };
        Ok(Self {
            host: host.to_owned(),
            boot: boot.to_owned(),
            pid_namespace: known(namespace, "the namespace is no number")?,
            pid: number(pid).ok_or_else(|| fail("the pid is no number"))?,
            start_time: known(start, "the start time is no number")?,
            inode: known(inode, "the inode is no number")?,
        })
    }
}

/// A number as it is printed, and in no other form: stores compare identities as texts.
fn number<N: FromStr>(part: &str) -> Option<N> {
    let printed = part == "0" || !part.starts_with(['0', '+']);
    part.parse().ok().filter(|_| printed)
}

impl From<ProcessIdentity> for String {
    fn from(identity: ProcessIdentity) -> Self {
        identity.to_string()
    }
}

impl TryFrom<String> for ProcessIdentity {
    type Error = IdentityError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}
