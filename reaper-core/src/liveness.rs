//! What can be known about a process: alive, dead, or not to be told from here.

use alloc::string::String;
use core::fmt;

#[cfg(test)]
mod tests;

/// Whether a verdict on a process can be mistaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Certainty {
    /// Seen through an identity that cannot be mistaken. It cannot flap.
    Verified,
    /// Seen through a bare pid, or through beats that stopped.
    Unverified,
}

/// The verdict on a process. What cannot be known is a value, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Liveness {
    /// It runs. `Verified` means that it is provably the process that was recorded.
    Alive(Certainty),
    /// It is gone. `Verified` means that no process of its session is left either.
    Dead(Certainty),
    /// The leader is gone for certain; processes of its session live on.
    Leftovers,
    /// It runs on another host, whose own reaper still beats: that one's to say.
    Elsewhere,
    /// Cannot be told. Never treated as dead.
    Unknown,
}

impl Liveness {
    /// The name without the certainty, as reports print it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alive(_) => "alive",
            Self::Dead(_) => "dead",
            Self::Leftovers => "leftovers",
            Self::Elsewhere => "elsewhere",
            Self::Unknown => "unknown",
        }
    }
}

/// What a probe looked at and found: the evidence behind a [`Liveness`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Finding {
    /// Neither a pid nor an identity is recorded.
    NothingRecorded,
    /// The pid exists, and what is known of its identity matches.
    Running,
    /// The pid exists; nothing else about it is known.
    PidExists,
    /// The process that had this bare pid when it was first seen still has it. Who that is, is not recorded.
    PidHeld,
    /// The process that had this bare pid when it was first seen has ended, whoever has the number now.
    PidEnded,
    /// No process has this pid.
    NoSuchProcess,
    /// The process has ended and waits to be reaped by its parent.
    Ended,
    /// The pid belongs to another process now.
    Recycled,
    /// The machine has been booted since.
    Rebooted,
    /// The leader is gone, this many processes of its session are not.
    SessionLives(u32),
    /// The leader is gone, this many processes of its cgroup are not.
    CgroupLives(u32),
    /// Another host's process.
    OtherHost,
    /// A process of another PID namespace.
    OtherNamespace,
    /// Another host's process; that host's node has not beaten for its time to live.
    HostLost,
    /// Another host's process; a person has said that the host is gone.
    DeclaredDead,
    /// Of a container that its instance has left for another one.
    Superseded,
    /// Another boot of this host, and that boot's node may still beat: two machines may share the host's name.
    HostShared,
    /// It cannot be seen from here, and its beat was seen to move.
    Beats,
    /// It cannot be seen from here, and its beat stood still for its whole time to live.
    BeatStopped,
    /// A bare pid, and the reaper is not said to share host and namespace with the workers.
    PidNotTrusted,
    /// The operating system did not say, for this reason.
    Unreadable(String),
    /// This platform offers no way to tell.
    Unsupported,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingRecorded => f.write_str("no pid and no identity recorded"),
            Self::Running => f.write_str("the recorded process is running"),
            Self::PidExists => f.write_str("a process has this pid, only that was compared"),
            Self::PidHeld => f.write_str("runs since first sight, known by pid alone"),
            Self::PidEnded => f.write_str("ended since first sight, known by pid alone"),
            Self::NoSuchProcess => f.write_str("no process has this pid"),
            Self::Ended => f.write_str("the process has ended"),
            Self::Recycled => f.write_str("the pid belongs to another process now"),
            Self::Rebooted => f.write_str("the machine was booted since"),
            Self::SessionLives(n) => write!(f, "the leader is gone, {n} of its session live on"),
            Self::CgroupLives(n) => write!(f, "the leader is gone, {n} of its cgroup live on"),
            Self::OtherHost => f.write_str("it belongs to another host"),
            Self::HostLost => f.write_str("its host has not beaten for its time to live"),
            Self::DeclaredDead => f.write_str("its host was declared dead"),
            Self::Superseded => f.write_str("its instance runs in another container by now"),
            Self::HostShared => f.write_str("another boot of this host may still beat"),
            Self::OtherNamespace => f.write_str("it belongs to another PID namespace"),
            Self::Beats => f.write_str("it beats, and cannot be seen from here"),
            Self::BeatStopped => f.write_str("it has not beaten for its time to live"),
            Self::PidNotTrusted => f.write_str("bare pids are not trusted here"),
            Self::Unreadable(why) => write!(f, "could not be read: {why}"),
            Self::Unsupported => f.write_str("this platform cannot tell"),
        }
    }
}

/// A verdict with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Sighting {
    /// The verdict.
    pub liveness: Liveness,
    /// What it rests on.
    pub finding: Finding,
}

impl Sighting {
    /// What is known where nothing is recorded: nothing.
    pub const NOTHING_RECORDED: Self = Self { liveness: Liveness::Unknown, finding: Finding::NothingRecorded };

    /// A verdict with its evidence.
    #[must_use]
    pub const fn new(liveness: Liveness, finding: Finding) -> Self {
        Self { liveness, finding }
    }
}
