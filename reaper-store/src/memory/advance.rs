//! The move of a task, as the gate crate's adapters make it in a database.

use reaper_core::{AdvanceOrder, JobId, StageVersion, Status, job::Place};

use super::{
    MemoryStore,
    tables::{Added, JobRow, Tables},
};

/// How an order ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum CarriedOut {
    /// The task was moved; the next job, where the next stage has one.
    Moved(Option<JobId>),
    /// This very order was carried out before.
    Before,
    /// The task has moved by other hands, and stands in this stage now; `None` if it is gone.
    Superseded(Option<String>),
}

impl MemoryStore {
    /// Carries an order out under one lock: its guard ([`AdvanceOrder::holds_for`]), the move, the next job under the
    /// order's key, and the note that it was carried out.
    pub fn carry_out(&self, order: &AdvanceOrder) -> CarriedOut {
        let mut tables = self.tables();
        let key = order.source_key();
        if tables.advances.contains(&key) {
            return CarriedOut::Before;
        }
        let known = tables.jobs.iter().find(|(_, job)| job.added.source_key.as_ref() == Some(&key));
        let known = known.map(|(id, _)| id.clone());
        let task = tables.tasks.get(&order.task);
        let place =
            task.map(|task| Place { stage: task.stage.clone(), version: StageVersion::from(task.version) });
        if !place.as_ref().is_some_and(|place| order.holds_for(place)) {
            let superseded = CarriedOut::Superseded(place.map(|place| place.stage));
            return if known.is_some() { CarriedOut::Before } else { superseded };
        }
        // The task is there: its guard has held.
        tables.update_stage(&order.task, &order.to).ok();
        let next = match (known, &order.next_agent) {
            (Some(job), _) => Some(job),
            (None, Some(agent)) => Some(enqueue(&mut tables, order, agent, &key)),
            (None, None) => None,
        };
        tables.advances.insert(key);
        CarriedOut::Moved(next)
    }
}

fn enqueue(tables: &mut Tables, order: &AdvanceOrder, agent: &str, key: &str) -> JobId {
    let id = JobId::from(Tables::next_id(tables.jobs.keys().map(|id| &id.0)));
    let row = JobRow {
        agent: agent.into(),
        repo: order.repo.clone(),
        task: Some(order.task.clone()),
        status: Status::Queued.as_str().into(),
        max_attempts: MAX_ATTEMPTS,
        added: Added { source_key: Some(key.into()), ..Added::default() },
        ..JobRow::default()
    };
    tables.insert_job(id.clone(), row);
    id
}

/// The default of the column, as the contract's tables have it.
const MAX_ATTEMPTS: i64 = 2;
