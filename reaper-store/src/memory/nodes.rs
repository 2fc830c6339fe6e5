//! The nodes.

use std::collections::BTreeSet;

use reaper_core::{Node, NodeId, NodeState, Status};

use super::{MemoryStore, tables::Tables};
use crate::{
    Nodes, StoreError,
    claims::{Actor, EventId},
    history::Event,
    nodes::{Beaten, Boots, DECLARED_TTL, NodeBeat, NodeRow},
};

impl Nodes for MemoryStore {
    fn beat_node(&self, beat: &NodeBeat) -> Result<Beaten, StoreError> {
        let mut tables = self.tables();
        let known = tables.nodes.get(&beat.id).map(|row| &row.node);
        if known.is_some_and(|node| node.state == NodeState::DeclaredDead) {
            return Ok(Beaten::DeclaredDead);
        }
        let count = known.map_or(0, |node| node.beat).saturating_add(1);
        let node = Node { id: beat.id.clone(), state: NodeState::Up, beat: count, ttl: beat.ttl };
        let row = NodeRow { node, beat_at: tables.now, reaper: beat.reaper.clone() };
        tables.nodes.insert(beat.id.clone(), row);
        Ok(Beaten::Up)
    }

    fn retire_node(&self, id: &NodeId) -> Result<(), StoreError> {
        let mut tables = self.tables();
        if let Some(row) = tables.nodes.get_mut(id).filter(|row| row.node.state == NodeState::Up) {
            row.node.state = NodeState::Retired;
        }
        Ok(())
    }

    fn revive_node(&self, id: &NodeId) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let declared = |row: &&mut NodeRow| row.node.state == NodeState::DeclaredDead;
        let Some(row) = tables.nodes.get_mut(id).filter(declared) else {
            return Ok(false);
        };
        row.node.state = NodeState::Up;
        tables.note_node(id, Actor::Reaper, "revive", Some(NodeState::DeclaredDead), NodeState::Up);
        Ok(true)
    }

    fn declare_dead(&self, host: &str, boots: &Boots) -> Result<Vec<NodeId>, StoreError> {
        let mut tables = self.tables();
        let ids: BTreeSet<NodeId> = match boots {
            Boots::One(boot) => [NodeId { host: host.into(), boot: boot.clone() }].into(),
            Boots::All => {
                let running = tables.jobs.values().filter(|row| row.is(Status::Running));
                let named = running.flat_map(|row| [&row.added.executor, &row.added.monitor]).flatten();
                let named = named.map(NodeId::of).chain(tables.nodes.keys().cloned());
                named.filter(|id| id.host == host).collect()
            }
        };
        let mut declared = Vec::new();
        for id in ids {
            let before = tables.nodes.get(&id).map(|row| row.node.state);
            if before == Some(NodeState::DeclaredDead) {
                continue;
            }
            let now = tables.now;
            let node = Node { id: id.clone(), state: NodeState::DeclaredDead, beat: 0, ttl: DECLARED_TTL };
            let new = || NodeRow { node, beat_at: now, reaper: String::new() };
            tables.nodes.entry(id.clone()).or_insert_with(new).node.state = NodeState::DeclaredDead;
            tables.note_node(&id, Actor::Person, "declare_dead", before, NodeState::DeclaredDead);
            declared.push(id);
        }
        Ok(declared)
    }

    fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        Ok(self.tables().nodes.values().cloned().collect())
    }
}

impl Tables {
    fn note_node(&mut self, id: &NodeId, by: Actor, action: &str, from: Option<NodeState>, to: NodeState) {
        let event = Event {
            id: EventId::draw(),
            at: self.now,
            job: None,
            fence: None,
            by: by.as_str().into(),
            action: action.into(),
            rule: String::new(),
            reason: id.to_string(),
            from: from.map(|state| state.as_str().into()),
            to: Some(to.as_str().into()),
            evidence: serde_json::Value::Null,
            agent: None,
            signature: None,
            late: None,
        };
        self.events.push(event);
    }
}
