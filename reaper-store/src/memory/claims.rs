//! The claim: its guard is asked, and the job's row, its event and its effect are written, under one lock.

use reaper_core::{JobId, Status, Timestamp, effect::claim_key};

use super::{
    MemoryStore, later,
    tables::{JobRow, Mark, Tables},
};
use crate::{
    Claim, Claims, Outcome, Settlement, Standing, StoreError,
    claims::{Actor, EventId},
    history::Event,
};

impl Claims for MemoryStore {
    fn settle(&self, claims: &[Claim]) -> Result<Vec<Outcome>, StoreError> {
        let mut tables = self.tables();
        Ok(claims.iter().map(|claim| settle(&mut tables, claim)).collect())
    }

    fn requeue_all_running(&self) -> Result<u64, StoreError> {
        let mut tables = self.tables();
        let running = tables.jobs.iter().filter(|(_, row)| row.is(Status::Running));
        let running: Vec<_> = running.map(|(id, row)| (id.clone(), row.added.fence)).collect();
        for (job, _) in &running {
            tables.refuse(job)?;
        }
        let now = tables.now;
        for (job, fence) in &running {
            tables.update_job(job, |row| {
                requeue(row);
                row.added.available_at = Some(now);
            })?;
            tables.events.push(Event {
                id: EventId::draw(),
                at: now,
                job: Some(job.clone()),
                fence: Some((*fence).into()),
                by: Actor::Person.as_str().into(),
                action: "requeue_all".into(),
                rule: String::new(),
                reason: "every running job was put back".into(),
                from: Some(Status::Running.as_str().into()),
                to: Some(Status::Queued.as_str().into()),
                evidence: serde_json::Value::Null,
                agent: None,
                signature: None,
                late: None,
            });
        }
        Ok(u64::try_from(running.len()).unwrap_or(u64::MAX))
    }
}

fn settle(tables: &mut Tables, claim: &Claim) -> Outcome {
    if claim.is_forbidden_in(tables.mode) {
        return Outcome::Forbidden(tables.mode);
    }
    let job = &claim.attempt.job;
    let standing = tables.jobs.get(job).and_then(|row| row.standing(job));
    let holds = standing.is_some_and(|row| {
        let executor_is_shared = claim.settlement == Settlement::Terminate && shares_executor(tables, job);
        claim.holds_for(&Standing { executor_is_shared, ..row })
    });
    if !holds {
        return Outcome::Lost;
    }
    let now = tables.now;
    if let Err(error) = tables.update_job(job, |row| write(row, claim, now)) {
        return Outcome::Refused(error.to_string());
    }
    let to = tables.jobs.get(job).map(|row| row.status.clone());
    tables.events.push(Event {
        id: claim.event,
        at: now,
        job: Some(job.clone()),
        fence: Some(claim.attempt.fence.clone()),
        by: claim.by.as_str().into(),
        action: claim.settlement.as_str().into(),
        rule: claim.rule.clone(),
        reason: claim.reason.clone(),
        from: Some(claim.basis.status.as_str().into()),
        to,
        evidence: claim.evidence.clone(),
        agent: claim.death.as_ref().map(|death| death.agent.clone()),
        signature: claim.death.as_ref().map(|death| death.signature.to_string()),
        late: None,
    });
    let mark = Mark {
        run: claim.basis.run.clone().filter(|_| claim.may_be_mistaken()),
        young: claim.death.as_ref().is_some_and(|death| death.young),
    };
    if mark != Mark::default() {
        tables.marks.insert(claim.event, mark);
    }
    if let Some(effect) = &claim.effect {
        // One that is there already stays as it is.
        let _known = tables.store_effect(&claim_key(&claim.attempt, effect), effect);
    }
    Outcome::Won
}

/// Whether another running row names the executor that this one names.
fn shares_executor(tables: &Tables, job: &JobId) -> bool {
    let executor = tables.jobs.get(job).and_then(|row| row.added.executor.as_ref());
    executor.is_some_and(|executor| {
        let mut others = tables.jobs.iter().filter(|(other, row)| *other != job && row.is(Status::Running));
        others.any(|(_, row)| row.added.executor.as_ref() == Some(executor))
    })
}

fn write(row: &mut JobRow, claim: &Claim, now: Timestamp) {
    match claim.settlement {
        Settlement::Done => row.status = Status::Done.as_str().into(),
        Settlement::Requeue { wait, rescue_cap } => {
            requeue(row);
            row.added.available_at = Some(later(now, wait));
            row.last_error = Some(claim.reason.clone());
            match (rescue_cap, claim.by) {
                (Some(_), _) => row.added.rescues = row.added.rescues.saturating_add(1),
                (None, Actor::Person) => row.added.rescues = 0,
                (None, Actor::Reaper | Actor::Monitor) => {}
            }
        }
        Settlement::Fail => {
            row.status = Status::Failed.as_str().into();
            row.last_error = Some(claim.reason.clone());
        }
        Settlement::Terminate => row.added.terminating_at = Some(now),
        Settlement::Dismiss => row.added.exit = None,
    }
}

/// Back to `queued`. The run stays on the row until the next take: a late finish is recorded through it.
fn requeue(row: &mut JobRow) {
    row.status = Status::Queued.as_str().into();
    row.pid = None;
    row.clear_processes();
    row.added.exit = None;
}
