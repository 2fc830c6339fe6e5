//! Effects and their leases.

use std::time::Duration;

use reaper_core::Effect;

use super::{MemoryStore, later, tables::Stored};
use crate::{
    Outbox, StoreError,
    draw::draw,
    outbox::{Delivered, Delivery, EffectState, OutboxRow, Posted, Which},
};

impl Outbox for MemoryStore {
    fn lease(&self, which: &Which, limit: usize, lease: Duration) -> Result<Vec<Delivery>, StoreError> {
        let mut tables = self.tables();
        let now = tables.now;
        let due = |stored: &Stored| {
            stored.row.state == EffectState::Pending
                && stored.row.due_at <= now
                && stored.lease.is_none_or(|(_, until)| until <= now)
        };
        let mut due: Vec<_> = match which {
            Which::Due => tables.outbox.values_mut().filter(|stored| due(stored)).collect(),
            Which::Advances => {
                let advances =
                    tables.outbox.values_mut().filter(|stored| matches!(stored.row.effect, Effect::Advance(_)));
                advances.filter(|stored| due(stored)).collect()
            }
            Which::Keys(keys) => {
                let named = tables.outbox.values_mut().filter(|stored| keys.contains(&stored.row.key));
                named.filter(|stored| due(stored)).collect()
            }
        };
        due.sort_unstable_by_key(|stored| stored.order);
        let leased = due.into_iter().take(limit).map(|stored| {
            let token = draw();
            stored.lease = Some((token, later(now, lease)));
            stored.row.tries = stored.row.tries.saturating_add(1);
            let row = &stored.row;
            Delivery { key: row.key.clone(), effect: row.effect.clone(), tries: row.tries, token }
        });
        Ok(leased.collect())
    }

    fn record(&self, delivery: &Delivery, delivered: &Delivered) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let now = tables.now;
        let Some(stored) = tables.outbox.get_mut(&delivery.key) else {
            return Ok(false);
        };
        if stored.lease.is_none_or(|(token, _)| token != delivery.token) {
            return Ok(false);
        }
        let (state, note) = match delivered {
            Delivered::Done { note } => (EffectState::Done, note),
            Delivered::Again { problem, .. } => (EffectState::Pending, problem),
            Delivered::Dead { problem } => (EffectState::Dead, problem),
        };
        if let Delivered::Again { wait, .. } = delivered {
            stored.row.due_at = later(now, *wait);
        }
        stored.lease = None;
        stored.row.state = state;
        stored.row.note = Some(note.clone());
        Ok(true)
    }

    fn post(&self, key: &str, effect: &Effect) -> Result<Posted, StoreError> {
        let new = self.tables().store_effect(key, effect);
        Ok(if new { Posted::New } else { Posted::Known })
    }

    fn revive(&self, key: &str) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let now = tables.now;
        let dead = tables.outbox.get_mut(key).filter(|stored| stored.row.state == EffectState::Dead);
        Ok(dead.is_some_and(|stored| {
            stored.row.state = EffectState::Pending;
            stored.row.tries = 0;
            stored.row.due_at = now;
            true
        }))
    }

    fn discard(&self, key: &str) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let open = tables.outbox.get_mut(key).filter(|stored| stored.row.state != EffectState::Done);
        Ok(open.is_some_and(|stored| {
            stored.row.state = EffectState::Done;
            stored.row.note = Some("dropped by a person".into());
            stored.lease = None;
            true
        }))
    }

    fn undelivered(&self, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
        let tables = self.tables();
        let mut rows: Vec<_> =
            tables.outbox.values().filter(|stored| stored.row.state != EffectState::Done).collect();
        rows.sort_unstable_by_key(|stored| stored.order);
        Ok(rows.into_iter().take(limit).map(|stored| stored.row.clone()).collect())
    }
}
