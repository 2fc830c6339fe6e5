//! Until when a node's beat is confirmed, as its own monitors reckon it.
//!
//! Others take a node for lost when they have read one count for its whole time to live. They cannot have read a count
//! before it was written; so the node is safe for its time to live from the start of the latest read here that saw
//! something else.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use reaper_core::{NodeId, node::NodeState};
use reaper_store::{Store, StoreError};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Heard {
    /// The latest count, and when the read that saw it last began.
    count: Option<(i64, Duration)>,
    until: Option<Duration>,
}

/// A node, listened to by the monitors on it.
#[derive(Debug)]
pub(crate) struct Pulse {
    pub(crate) id: NodeId,
    heard: Mutex<Heard>,
}

impl Pulse {
    pub(crate) fn new(id: NodeId) -> Self {
        Self { id, heard: Mutex::default() }
    }

    /// Reads the node's row; `began` is the instant, on `CLOCK_BOOTTIME`, before it is read.
    pub(crate) fn read(&self, store: &dyn Store, began: Duration) -> Result<(), StoreError> {
        let node = store.nodes()?.into_iter().map(|row| row.node).find(|node| node.id == self.id);
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        *heard = match node {
            // Its silence says nothing: it can be lost only after it has beaten again.
            Some(node) if node.state == NodeState::Retired => {
                Heard { count: None, until: Some(began.saturating_add(node.ttl)) }
            }
            Some(node) if node.state == NodeState::Up => match heard.count {
                Some((count, _)) if count == node.beat => Heard { count: Some((count, began)), ..*heard },
                Some((_, before)) => {
                    Heard { count: Some((node.beat, began)), until: Some(before.saturating_add(node.ttl)) }
                }
                // How long it has stood at this count is not known, unless it was retired just now.
                None => Heard { count: Some((node.beat, began)), ..*heard },
            },
            // Declared dead, or never heard of: others may settle its attempts at once.
            Some(_) | None => Heard::default(),
        };
        Ok(())
    }

    /// Until when the node is safe, on `CLOCK_BOOTTIME`; `None` if that was never confirmed.
    pub(crate) fn until(&self) -> Option<Duration> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).until
    }
}

#[cfg(test)]
mod tests;
