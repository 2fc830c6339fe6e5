//! The claim: the guard, the job's row, its event and its effect, under one lock.

use reaper_core::{JobId, Mode, Status, Timestamp, effect::claim_key};

use super::{
    MemoryStore, later,
    tables::{JobRow, Mark, Tables},
};
use crate::{
    Claim, Claims, Outcome, Settlement, StoreError,
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
    if claim.by == Actor::Reaper && tables.mode != Mode::Enforce {
        return Outcome::Forbidden(tables.mode);
    }
    let job = &claim.attempt.job;
    if !tables.jobs.get(job).is_some_and(|row| holds(tables, job, row, claim)) {
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

/// The guard: the fence, the whole basis, and what the settlement demands beside them.
fn holds(tables: &Tables, job: &JobId, row: &JobRow, claim: &Claim) -> bool {
    let basis = claim.can_be_won()
        && claim.attempt.fence.as_int() == Some(row.added.fence)
        && row.basis().as_ref() == Some(&claim.basis);
    basis
        && match claim.settlement {
            Settlement::Requeue { rescue_cap: Some(cap), .. } => {
                row.attempts < row.max_attempts && row.added.rescues < cap
            }
            Settlement::Terminate => !tables.jobs.iter().any(|(other, theirs)| {
                other != job
                    && theirs.is(Status::Running)
                    && theirs.added.executor.is_some()
                    && theirs.added.executor == row.added.executor
            }),
            Settlement::Requeue { rescue_cap: None, .. }
            | Settlement::Done
            | Settlement::Fail
            | Settlement::Dismiss => true,
        }
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
