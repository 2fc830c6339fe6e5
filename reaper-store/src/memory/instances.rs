//! The instances.

use reaper_core::{Incarnation, Status, instance::Place};

use super::{MemoryStore, tables::Tables};
use crate::{
    Instances, StoreError,
    claims::{Actor, EventId},
    history::Event,
};

impl Instances for MemoryStore {
    fn register(&self, instance: &str, place: &Place) -> Result<(), StoreError> {
        let mut tables = self.tables();
        let now = tables.now;
        tables.forget_incarnations();
        let mut superseded = Vec::new();
        for other in tables.incarnations.values_mut() {
            if other.instance == instance && other.place != *place && other.superseded_at.is_none() {
                other.superseded_at = Some(now);
                superseded.push(format!("{instance}: {}", other.place));
            }
        }
        for reason in superseded {
            tables.note_incarnation(reason);
        }
        let latest = Incarnation {
            instance: instance.into(),
            place: place.clone(),
            at: now,
            superseded_at: None,
            seen_start: None,
        };
        let before = tables.incarnations.insert(place.clone(), latest);
        if let Some(same) = before.filter(|before| before.instance == instance && before.superseded_at.is_none()) {
            tables.incarnations.insert(place.clone(), same);
        }
        Ok(())
    }

    fn note_start(&self, place: &Place, start: u64) -> Result<(), StoreError> {
        if let Some(there) = self.tables().incarnations.get_mut(place) {
            there.seen_start = there.seen_start.max(Some(start));
        }
        Ok(())
    }

    fn incarnations(&self) -> Result<Vec<Incarnation>, StoreError> {
        let mut all: Vec<_> = self.tables().incarnations.values().cloned().collect();
        all.sort_by(|a, b| (&a.instance, a.at, &a.place).cmp(&(&b.instance, b.at, &b.place)));
        Ok(all)
    }
}

impl Tables {
    fn note_incarnation(&mut self, reason: String) {
        let event = Event {
            id: EventId::draw(),
            at: self.now,
            job: None,
            fence: None,
            by: Actor::Reaper.as_str().into(),
            action: "supersede".into(),
            rule: String::new(),
            reason,
            from: Some("latest".into()),
            to: Some("superseded".into()),
            evidence: serde_json::Value::Null,
            agent: None,
            signature: None,
            late: None,
        };
        self.events.push(event);
    }

    /// Those that are superseded and that no running job names.
    fn forget_incarnations(&mut self) {
        let running = self.jobs.values().filter(|row| row.is(Status::Running));
        let named: Vec<_> = running.flat_map(|row| [&row.added.executor, &row.added.monitor]).flatten().collect();
        self.incarnations.retain(|place, incarnation| {
            incarnation.superseded_at.is_none() || named.iter().any(|process| place.is_of(process))
        });
    }
}
