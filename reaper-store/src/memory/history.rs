//! Events, in the order in which they were written.

use std::collections::BTreeSet;

use reaper_core::{NodeId, Status, Timestamp};

use super::{MemoryStore, tables::Tables};
use crate::{
    History, StoreError,
    history::{Event, Query},
    outbox::EffectState,
};

impl History for MemoryStore {
    fn events(&self, query: &Query) -> Result<Vec<Event>, StoreError> {
        let tables = self.tables();
        let wanted = tables.events.iter().rev().filter(|event| {
            query.job.as_ref().is_none_or(|job| event.job.as_ref() == Some(job))
                && query.since.is_none_or(|since| event.at >= since)
        });
        let mut latest: Vec<_> = wanted.take(query.limit).cloned().collect();
        latest.reverse();
        Ok(latest)
    }

    fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut tables = self.tables();
        let count =
            |tables: &Tables| [tables.events.len(), tables.outbox.len(), tables.nodes.len()].iter().sum::<usize>();
        let rows = count(&tables);
        tables.events.retain(|event| event.at >= before);
        tables.outbox.retain(|_, stored| stored.row.state != EffectState::Done || stored.row.created_at >= before);
        let running = tables.jobs.values().filter(|row| row.is(Status::Running));
        let named = running.flat_map(|row| [&row.added.executor, &row.added.monitor]).flatten().map(NodeId::of);
        let declared = tables.events.iter().filter(|event| event.action == "declare_dead");
        let kept: BTreeSet<String> =
            named.map(|id| id.to_string()).chain(declared.map(|event| event.reason.clone())).collect();
        tables.nodes.retain(|id, row| row.beat_at >= before || kept.contains(&id.to_string()));
        Ok(u64::try_from(rows.saturating_sub(count(&tables))).unwrap_or(u64::MAX))
    }
}
