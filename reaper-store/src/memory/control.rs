//! The mode, the breaker, the note of the latest pass.

use reaper_core::{Breakers, Mode};

use super::{MemoryStore, tables::Stored};
use crate::{
    Control, StoreError,
    claims::{Actor, EventId},
    control::{Outset, PassNote},
    history::Event,
    outbox::EffectState,
};

impl Control for MemoryStore {
    fn outset(&self) -> Result<Option<Outset>, StoreError> {
        let tables = self.tables();
        let due = |stored: &Stored| {
            stored.row.state == EffectState::Pending
                && stored.row.due_at <= tables.now
                && stored.lease.is_none_or(|(_, until)| until <= tables.now)
        };
        Ok(Some(Outset {
            now: tables.now,
            mode: tables.mode,
            breaker: tables.breaker.clone(),
            effects_due: tables.outbox.values().any(due),
            nodes: None,
        }))
    }

    fn mode(&self) -> Result<Mode, StoreError> {
        Ok(self.tables().mode)
    }

    fn set_mode(&self, mode: Mode) -> Result<Mode, StoreError> {
        let mut tables = self.tables();
        let before = std::mem::replace(&mut tables.mode, mode);
        let event = Event {
            id: EventId::draw(),
            at: tables.now,
            job: None,
            fence: None,
            by: Actor::Person.as_str().into(),
            action: "mode".into(),
            rule: String::new(),
            reason: format!("the mode was {before} and is {mode}"),
            from: Some(before.as_str().into()),
            to: Some(mode.as_str().into()),
            evidence: serde_json::Value::Null,
            agent: None,
            signature: None,
            late: None,
        };
        tables.events.push(event);
        Ok(before)
    }

    fn breaker(&self) -> Result<Breakers, StoreError> {
        Ok(self.tables().breaker.clone())
    }

    fn set_breaker(&self, breaker: &Breakers) -> Result<(), StoreError> {
        self.tables().breaker.clone_from(breaker);
        Ok(())
    }

    fn latest_pass(&self) -> Result<Option<PassNote>, StoreError> {
        Ok(self.tables().pass.clone())
    }

    fn note_pass(&self, note: &PassNote) -> Result<(), StoreError> {
        self.tables().pass = Some(note.clone());
        Ok(())
    }
}
