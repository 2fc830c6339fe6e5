//! Nodes: the hosts whose reapers beat, and what their silence says about the attempts that run there.
//!
//! A node is one boot of one host. Its beat is a counter that its reaper raises; it proves the reaper, not the jobs,
//! so a node is believed lost **if and only if** its counter stood still over at least [`READS`] reads and its whole
//! time to live, on the reader's own monotonic clock; and that settles only attempts that are `node_bound`: those
//! whose monitor stops its executor by itself before that time is over. Clocks of two hosts are never compared, and
//! a count is never compared but with the one that was read before.

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::{fmt, time::Duration};

use crate::{Certainty, Finding, Liveness, ProcessIdentity, Sighting};

#[cfg(test)]
mod tests;

/// One boot of one host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NodeId {
    /// The host, as it stands in identities.
    pub host: String,
    /// Its boot, as it stands in identities.
    pub boot: String,
}

impl NodeId {
    /// The node that a process belongs to.
    #[must_use]
    pub fn of(identity: &ProcessIdentity) -> Self {
        Self { host: identity.host.clone(), boot: identity.boot.clone() }
    }

    /// Whether a process belongs to it.
    #[must_use]
    pub fn is_of(&self, identity: &ProcessIdentity) -> bool {
        self.host == identity.host && self.boot == identity.boot
    }

    /// How the identities of its processes begin, as texts.
    #[must_use]
    pub fn prefix(&self) -> String {
        alloc::format!("{self}/")
    }
}

/// `host/boot`, as an identity begins.
impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.boot)
    }
}

/// What is recorded of a node's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum NodeState {
    /// Its reaper beats, or did when it was last heard of.
    Up,
    /// Its reaper was stopped by somebody: its silence says nothing.
    Retired,
    /// A person has said that it is gone.
    DeclaredDead,
}

impl NodeState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Up, Self::Retired, Self::DeclaredDead];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Retired => "retired",
            Self::DeclaredDead => "declared_dead",
        }
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A node as it is recorded: what a pass reads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Node {
    /// Which.
    pub id: NodeId,
    /// Its state.
    pub state: NodeState,
    /// How often it has beaten. Only a change means anything.
    pub beat: i64,
    /// For how long its silence is no loss; its monitors go by the same figure.
    pub ttl: Duration,
}

/// How a node stands for whoever has been reading its beats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Nothing is recorded of it.
    NotKnown,
    /// Its counter was seen to move within its time to live, or is not watched for long enough yet.
    Beating(Moved),
    /// Its counter stood still for its whole time to live.
    Silent,
    /// It was retired.
    Retired,
    /// A person has said that it is gone.
    DeclaredDead,
}

/// Whether a counter was ever seen to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moved {
    /// It was: two different counts were read.
    Seen,
    /// Not yet: it may be a node that lives, or one that died before it was first read.
    NotYet,
}

/// A node's silence must be read so often before it is believed.
pub const READS: u32 = 3;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Heard {
    node: Node,
    /// When this count was read first, on the reader's monotonic clock.
    since: Duration,
    /// How often it was read.
    reads: u32,
    moved: Moved,
    silent: bool,
}

/// What a reader remembers of the nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeObservations {
    heard: BTreeMap<NodeId, Heard>,
}

/// Attempts of a node or a place that are to be looked at although nothing of them can be probed from here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lost {
    /// Its host.
    pub host: String,
    /// How the identities of its processes begin, the host included.
    pub prefix: String,
    /// Which of its attempts.
    pub attempts: LostAttempts,
}

/// Which attempts of a lost node or place are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LostAttempts {
    /// All: a person has said that the node is gone, or a place is superseded.
    All,
    /// Those that are bound to it.
    NodeBound,
}

impl NodeObservations {
    /// Takes in what was read of all nodes at an instant of the reader's monotonic clock. A node that is recorded
    /// no more is forgotten.
    pub fn read(&mut self, nodes: Vec<Node>, monotonic: Duration) {
        let mut before = core::mem::take(&mut self.heard);
        for node in nodes {
            let heard = match before.remove(&node.id) {
                Some(heard) if heard.node.beat == node.beat => {
                    let reads = heard.reads.saturating_add(1);
                    let still = monotonic.saturating_sub(heard.since);
                    Heard { silent: reads >= READS && still >= node.ttl, node, reads, ..heard }
                }
                Some(_) => Heard { node, since: monotonic, reads: 1, moved: Moved::Seen, silent: false },
                None => Heard { node, since: monotonic, reads: 1, moved: Moved::NotYet, silent: false },
            };
            self.heard.insert(heard.node.id.clone(), heard);
        }
    }

    /// Forgets what was read: the database did not answer, the clock jumped. Silence begins anew.
    pub fn clear(&mut self) {
        self.heard.clear();
    }

    /// How a node stands.
    #[must_use]
    pub fn standing(&self, id: &NodeId) -> Standing {
        self.heard.get(id).map_or(Standing::NotKnown, |heard| match (heard.node.state, heard.silent) {
            (NodeState::DeclaredDead, _) => Standing::DeclaredDead,
            (NodeState::Retired, _) => Standing::Retired,
            (NodeState::Up, true) => Standing::Silent,
            (NodeState::Up, false) => Standing::Beating(heard.moved),
        })
    }

    /// The nodes of other hosts, or of other boots of this one, whose attempts may have to be settled by others.
    #[must_use]
    pub fn lost(&self, here: &NodeId) -> Vec<Lost> {
        let lost = |id: &NodeId| {
            let attempts = match self.standing(id) {
                Standing::DeclaredDead => LostAttempts::All,
                Standing::Silent => LostAttempts::NodeBound,
                Standing::NotKnown | Standing::Beating(_) | Standing::Retired => return None,
            };
            (id != here).then(|| Lost { host: id.host.clone(), prefix: id.prefix(), attempts })
        };
        self.heard.keys().filter_map(lost).collect()
    }

    /// Other boots of this very host whose counters move: two machines share its name.
    #[must_use]
    pub fn doubles(&self, here: &NodeId) -> Vec<NodeId> {
        let is_double = |id: &&NodeId| {
            id.host == here.host && **id != *here && self.standing(id) == Standing::Beating(Moved::Seen)
        };
        self.heard.keys().filter(is_double).cloned().collect()
    }

    /// What is known of a process, its node's beat taken into account beside what a probe of the node `here` saw.
    ///
    /// | process | its node | verdict |
    /// |---|---|---|
    /// | of this node | whatever is recorded of it | the probe's: the kernel's word outranks a beat |
    /// | of another boot of this host | beats, or is not yet known to be silent | `Unknown`: two machines may share the host's name |
    /// | of another boot of this host | anything else | the probe's |
    /// | of another host | declared dead | `Dead`, on a person's word |
    /// | of another host | silent, the attempt bound to it | `Dead`, unverified: it counts after `dead_ticks` |
    /// | of another host | beats | `Elsewhere` |
    /// | of another host | anything else | the probe's |
    #[must_use]
    pub fn judge(&self, here: &NodeId, identity: &ProcessIdentity, bond: Bond, seen: Sighting) -> Sighting {
        if here.is_of(identity) {
            return seen;
        }
        let standing = self.standing(&NodeId::of(identity));
        match (identity.host == here.host, standing, bond) {
            (true, Standing::Beating(_), _) => Sighting::new(Liveness::Unknown, Finding::HostShared),
            (true, ..) => seen,
            (false, Standing::DeclaredDead, _) => {
                Sighting::new(Liveness::Dead(Certainty::Verified), Finding::DeclaredDead)
            }
            (false, Standing::Silent, Bond::NodeBound) => {
                Sighting::new(Liveness::Dead(Certainty::Unverified), Finding::HostLost)
            }
            (false, Standing::Beating(_), _) => Sighting::new(Liveness::Elsewhere, Finding::OtherHost),
            (false, Standing::NotKnown | Standing::Silent | Standing::Retired, _) => seen,
        }
    }
}

/// Whether an attempt dies with its node's beat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Bond {
    /// It does not: its node's silence says nothing about it.
    #[default]
    Free,
    /// Its monitor stops the executor before the node's time to live is over when it cannot confirm the beat, and the
    /// executor dies with its monitor.
    NodeBound,
}

/// How a node says that it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NodeTiming {
    /// The time between two beats. Default 10 s.
    pub interval: Duration,
    /// For how long silence is no loss. Default 60 s.
    pub ttl: Duration,
}

impl Default for NodeTiming {
    fn default() -> Self {
        Self { interval: Duration::from_secs(10), ttl: Duration::from_secs(60) }
    }
}

/// A time to live that a late beat or two would overrun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a ttl of {} s is shorter than {READS} beats of {} s", ttl.as_secs_f64(), interval.as_secs_f64())]
pub struct TtlTooShort {
    /// The time to live.
    pub ttl: Duration,
    /// The time between two beats.
    pub interval: Duration,
}

impl TtlTooShort {
    pub(crate) fn check(ttl: Duration, interval: Duration) -> Result<(), Self> {
        let is_too_short = ttl < interval.saturating_mul(READS) || interval.is_zero();
        if is_too_short { Err(Self { ttl, interval }) } else { Ok(()) }
    }
}

impl NodeTiming {
    /// Refuses a time to live that is shorter than three beats.
    ///
    /// # Errors
    ///
    /// [`TtlTooShort`], with the figures.
    pub fn validate(&self) -> Result<(), TtlTooShort> {
        TtlTooShort::check(self.ttl, self.interval)
    }
}
