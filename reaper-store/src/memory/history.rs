//! Events, in the order in which they were written.

use std::collections::{BTreeMap, BTreeSet};

use reaper_core::{NodeId, Status, Timestamp};

use super::{MemoryStore, tables::Tables};
use crate::{
    History, StoreError,
    claims::Actor,
    history::{COUNTED, Deaths, EXAMPLES, Event, Query, Rescues},
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

    fn crashes(&self, agent: &str, since: Timestamp, limit: usize) -> Result<Vec<Timestamp>, StoreError> {
        let tables = self.tables();
        let young = |event: &&Event| tables.marks.get(&event.id).is_some_and(|mark| mark.young);
        let of_agent = |event: &&Event| event.agent.as_deref() == Some(agent) && event.at >= since;
        let mut crashes: Vec<_> =
            tables.events.iter().filter(young).filter(of_agent).map(|event| event.at).collect();
        crashes.sort_unstable();
        Ok(crashes.split_off(crashes.len().saturating_sub(limit)))
    }

    fn deaths(&self, since: Timestamp, agent: Option<String>) -> Result<Vec<Deaths>, StoreError> {
        let tables = self.tables();
        let mut groups = BTreeMap::<(String, String), Deaths>::new();
        // The latest first, so that its jobs are the examples.
        for event in tables.events.iter().rev().filter(|event| event.at >= since) {
            let (Some(of), Some(signature)) = (&event.agent, &event.signature) else {
                continue;
            };
            if agent.as_ref().is_some_and(|agent| agent != of) {
                continue;
            }
            let group = groups.entry((of.clone(), signature.clone())).or_insert_with(|| Deaths {
                agent: of.clone(),
                signature: signature.clone(),
                count: 0,
                first: event.at,
                last: event.at,
                examples: Vec::new(),
            });
            if let Some(job) =
                event.job.as_ref().filter(|job| group.count < EXAMPLES && !group.examples.contains(job))
            {
                group.examples.push(job.clone());
            }
            group.count = group.count.saturating_add(1);
            (group.first, group.last) = (group.first.min(event.at), group.last.max(event.at));
        }
        let mut deaths: Vec<_> = groups.into_values().collect();
        deaths.sort_by_key(|group| std::cmp::Reverse(group.count));
        Ok(deaths)
    }

    fn rescues(&self, since: Timestamp) -> Result<Rescues, StoreError> {
        let false_rescues = Rescues::false_among(&self.late_exits(since, COUNTED)?);
        let tables = self.tables();
        let mut found = Rescues { false_rescues, ..Rescues::default() };
        for event in tables.events.iter().filter(|event| event.at >= since) {
            let is = |action: &str| event.action == action;
            let rescued = is("requeue") && event.by == Actor::Reaper.as_str();
            let late = is("done") && event.from.as_deref() == Some(Status::Queued.as_str());
            found.rescues = found.rescues.saturating_add(u64::from(rescued));
            found.late_finishes = found.late_finishes.saturating_add(u64::from(late));
        }
        Ok(found)
    }

    fn late_exits(&self, since: Timestamp, limit: usize) -> Result<Vec<Event>, StoreError> {
        let tables = self.tables();
        let late = |event: &&Event| event.late.is_some_and(|exit| exit.at >= since);
        let mut found: Vec<_> = tables.events.iter().filter(late).cloned().collect();
        found.sort_by_key(|event| event.late.map(|exit| exit.at));
        Ok(found.split_off(found.len().saturating_sub(limit)))
    }

    fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut tables = self.tables();
        let count =
            |tables: &Tables| [tables.events.len(), tables.outbox.len(), tables.nodes.len()].iter().sum::<usize>();
        let rows = count(&tables);
        tables.events.retain(|event| event.at >= before);
        let left: BTreeSet<_> = tables.events.iter().map(|event| event.id).collect();
        tables.marks.retain(|id, _| left.contains(id));
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
