//! Events, in the order in which they were written.

use reaper_core::Timestamp;

use super::MemoryStore;
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
        let rows = tables.events.len().saturating_add(tables.outbox.len());
        tables.events.retain(|event| event.at >= before);
        tables.outbox.retain(|_, stored| stored.row.state != EffectState::Done || stored.row.created_at >= before);
        let left = tables.events.len().saturating_add(tables.outbox.len());
        Ok(u64::try_from(rows.saturating_sub(left)).unwrap_or(u64::MAX))
    }
}
