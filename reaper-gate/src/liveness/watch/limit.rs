//! How many processes can be held: each takes a file descriptor.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// At most so many descriptors are left to the rest of the program: databases, gates, the process table.
#[cfg(target_os = "linux")]
const RESERVE: u64 = 256;

/// A limit on open files, in descriptors; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorLimit {
    /// The soft limit before.
    pub before: Option<u64>,
    /// The soft limit now.
    pub now: Option<u64>,
}

/// Raises the limit on open files of this whole process to its hard limit. Where that is refused the limit stays, and
/// what does not fit is said not to be watched.
///
/// Programs that are started afterwards inherit it; one that uses `select(2)` on descriptors above 1,023 would not
/// bear it, but gets no such descriptors from here: all of ours are closed when it starts.
#[must_use]
pub fn raise_descriptor_limit() -> DescriptorLimit {
    let limits = getrlimit(Resource::Nofile);
    // What is refused leaves the limit, and that is what is read back.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits });
    let now = if raised.is_ok() { limits.maximum } else { limits.current };
    DescriptorLimit { before: limits.current, now }
}

/// How many descriptors processes may be held with, under the limit of this moment: all but a quarter, or but 256.
#[cfg(target_os = "linux")]
pub(in crate::liveness) fn room() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit.saturating_sub(RESERVE.min(limit / 4))).unwrap_or(usize::MAX)
}
