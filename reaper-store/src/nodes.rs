//! The hosts whose reapers beat.

#![expect(clippy::missing_errors_doc, reason = "the trait states the errors of its methods once")]

use std::{fmt::Debug, time::Duration};

use reaper_core::{Node, NodeId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// What a node says when it beats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeBeat {
    /// Which node.
    pub id: NodeId,
    /// For how long its silence is no loss.
    pub ttl: Duration,
    /// Which of its reapers beats, for people.
    pub reaper: String,
}

/// How a beat was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Beaten {
    /// The counter was raised; a node that was not recorded, or was retired, is up.
    Up,
    /// A person has declared the node dead: nothing was written. Others may have settled its attempts. It stops its
    /// executors of attempts that are not its own any more, and is revived then.
    DeclaredDead,
}

/// Which boots of a host a person means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Boots {
    /// Every one that is recorded or that a running job names.
    All,
    /// This one.
    One(String),
}

/// A node's row, for people too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRow {
    /// What decisions go by.
    #[serde(flatten)]
    pub node: Node,
    /// When it has beaten last, by the database's clock. Nothing is decided by it but when the row may be pruned.
    pub beat_at: Timestamp,
    /// Which reaper has beaten last.
    pub reaper: String,
}

/// What stands as the time to live of a node that was never heard of and is declared dead.
pub(crate) const DECLARED_TTL: Duration = Duration::from_secs(60);

/// Reads and writes the nodes: one row for each boot of a host.
///
/// # Obligations
///
/// A beat is one small write, and works on the schema of a newer Reaper too, so that a reaper that refuses to write
/// there is not taken for lost. A declaration and a revival have their event in the same transaction.
///
/// # Errors
///
/// Every method fails with a [`StoreError`] where the database does; nothing was changed then.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Nodes: Debug + Send + Sync {
    /// Raises a node's counter; records the node where it is new.
    fn beat_node(&self, beat: &NodeBeat) -> Result<Beaten, StoreError>;

    /// Says that a node's silence means nothing: its reaper was stopped. One that is declared dead stays so.
    fn retire_node(&self, id: &NodeId) -> Result<(), StoreError>;

    /// Takes a declaration back: the node lives. `false`: it was not declared dead.
    fn revive_node(&self, id: &NodeId) -> Result<bool, StoreError>;

    /// A person's word that a host is gone, with an event for each boot. Answers with those that were not declared dead before.
    fn declare_dead(&self, host: &str, boots: &Boots) -> Result<Vec<NodeId>, StoreError>;

    /// Every node, by host and boot.
    fn nodes(&self) -> Result<Vec<NodeRow>, StoreError>;
}
