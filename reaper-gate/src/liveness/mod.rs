//! Whether a process is alive, and stopping one that must end.
//!
//! A process is `Dead` and verified if and only if its number belongs to no process or to a later one, or it has ended,
//! waited for or not, and no process of its session, its process group or a cgroup of its own is left; or if the machine was booted since,
//! both then and now in the initial PID namespace. Nothing is concluded from what could not be read.

mod bare;
mod cgroups;
#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod sys;
#[cfg(target_os = "linux")]
#[path = "linux/mod.rs"]
mod sys;

mod local;
mod stop;
pub mod watch;

use std::{fmt::Debug, time::Duration};

use reaper_core::{Attempt, NodeId, ProcessIdentity, Sighting, instance::Place};

#[cfg(target_os = "linux")]
#[doc(hidden)]
pub use self::sys::read_stat;
pub use self::{
    cgroups::{CgroupError, Cgroups},
    local::{HostError, IdentifyError, LocalProbe, LocalProbeBuilder},
    stop::{ATTEMPT_VARIABLE, Carrier, LocalStop},
};

/// Looks at processes.
///
/// # Obligations
///
/// `Dead` is said only where it is so; whatever cannot be told is `Unknown`, with the reason as its finding. A probe
/// does not block, needs no privilege, and sends no signal.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Probe: Debug + Send + Sync {
    /// The name of the host that this probe sees, as it stands in identities.
    fn host(&self) -> &str;

    /// The node that this probe sees: its host and the boot that it is in. `None` where boots cannot be told apart;
    /// nothing is concluded from nodes then.
    fn node(&self) -> Option<NodeId> {
        None
    }

    /// The place of this process, where it has a PID namespace of its own: in a container. `None` in the machine's initial
    /// one, where the kernel tells of every process, and where that cannot be told.
    fn place(&self) -> Option<Place> {
        None
    }

    /// Looks at a process by its identity.
    fn probe(&self, identity: &ProcessIdentity) -> Sighting;

    /// Looks at many processes; one answer for each identity, in order. Where a look at one is dear, this shares what
    /// can be shared: on Linux one reading of the process table serves for all that are gone.
    #[expect(clippy::needless_lifetimes, reason = "the mock needs it to have a name")]
    fn probe_all<'a>(&self, identities: &[&'a ProcessIdentity]) -> Vec<Sighting> {
        identities.iter().map(|identity| self.probe(identity)).collect()
    }

    /// Looks at a bare pid, of which nothing else is known.
    fn probe_pid(&self, pid: u32) -> Sighting;
}

/// How a stop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Stopped {
    /// Nothing of it was left to stop.
    WasGone,
    /// It ended when it was asked to.
    Asked,
    /// It had to be killed.
    Killed,
    /// It is still there after it was killed: it waits in the kernel, or is not ours to signal.
    StillThere,
    /// It cannot be told to be the recorded process, and was not signalled.
    NotVerified,
}

/// Stops executors.
///
/// # Obligations
///
/// A process whose identity does not match exactly is never signalled. Signals go through a pidfd of the verified
/// leader and to its own process group only where the leader leads it; members of a session whose leader is gone are
/// stopped one by one, each known by its session and by `REAPER_ATTEMPT` in its environment.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Stop: Debug + Send + Sync {
    /// Asks the executor of an attempt to end, kills it after `grace`, and waits, bounded, until nothing of its
    /// session is left.
    fn stop(&self, attempt: &Attempt, executor: &ProcessIdentity, grace: Duration) -> Stopped;

    /// The executors that live on this host, as far as they can be told: leaders of a session or a process group that
    /// carry an attempt in their environment, gates not among them.
    fn executors(&self) -> Vec<(Attempt, ProcessIdentity)>;
}
