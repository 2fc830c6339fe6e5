//! Stopping processes of this host.

use std::time::Duration;

use reaper_core::{Attempt, ProcessIdentity};

use super::{LocalProbe, Stop, Stopped};

/// The environment variable in which an executor, and what it starts, carries its attempt: `job:fence`.
pub const ATTEMPT_VARIABLE: &str = "REAPER_ATTEMPT";

/// Stops executors of this host. On platforms other than Linux it signals nothing and answers
/// [`Stopped::NotVerified`].
///
/// 1. The leader is opened as a pidfd and compared with its identity, all of it. What does not match, cannot be read,
///    or has only a pid recorded, is not signalled.
/// 2. TERM goes to the leader's process group where the leader leads it, else through the pidfd to the leader alone; to
///    other members of its session, or its group, each through a pidfd of its own; then CONT, for what is suspended.
///    Nobody is sent TERM twice, which some programs take for impatience.
/// 3. What is left after the grace is killed, the same way, and waited for, at most 5 s.
///
/// Where the probe knows of cgroups, all that is in the executor's own is stopped with it, whatever session it went to: asked one
/// by one, killed as one, and gone only when the kernel says that the group is empty. It is removed then.
///
/// A member is signalled alone only if it is in the executor's cgroup, or its session, or its group, has the leader's pid as its name and
/// [`ATTEMPT_VARIABLE`] in its environment names the attempt. Others are waited for and left alone, and so are groups 0
/// and 1, the caller's own group, and the caller itself.
///
/// [`Stopped::StillThere`] is also the answer where the process table does not show whether something is left.
///
/// The grace is counted in steps of a tenth of a second, and each interruption by a signal counts as one; no clock
/// is read.
///
/// The kernel offers this library no way to signal a group through a descriptor. Between the last look at the leader
/// and the signal to its group, a few microseconds, the leader and all of its group would have to end, and the numbers
/// to be used up once around, for a stranger's group to be met.
#[derive(Clone, Debug)]
pub struct LocalStop {
    probe: LocalProbe,
}

impl LocalStop {
    /// Verifies what it stops by the facts of this probe.
    #[must_use]
    pub const fn new(probe: LocalProbe) -> Self {
        Self { probe }
    }

    /// The processes of this host that carry an attempt in their environment, gates not among them. Another user's are
    /// seen only by those who may trace them; on platforms other than Linux none is.
    #[must_use]
    pub fn carriers(&self) -> Vec<Carrier> {
        self.probe.here().carriers()
    }
}

/// A process that carries an attempt in its environment: an executor, or what one has started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carrier {
    /// The attempt that it carries.
    pub attempt: Attempt,
    /// Which process it is.
    pub identity: ProcessIdentity,
    /// Whether it leads a session or a process group.
    pub leads: bool,
    /// The letter of its state, as `ps` has it: `R` runs, `S` sleeps, `D` waits for a disk, `T` is stopped.
    pub state: char,
    /// For how long it has lived.
    pub age: Option<Duration>,
    /// Its command line, cut, as it stands there: nothing in it is to be trusted.
    pub command: String,
}

impl Stop for LocalStop {
    fn stop(&self, attempt: &Attempt, executor: &ProcessIdentity, grace: Duration) -> Stopped {
        self.probe.here().stop(attempt, executor, grace, self.probe.cgroups())
    }

    fn executors(&self) -> Vec<(Attempt, ProcessIdentity)> {
        self.probe.here().executors()
    }
}
