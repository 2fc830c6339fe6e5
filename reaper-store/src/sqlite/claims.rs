//! The claim: one guarded write on one row, with its event and its effect in the same transaction.

use std::time::Duration;

use diesel::SqliteConnection;
use reaper_core::{Effect, Mode, Status, Timestamp, effect::claim_key, job::Attach};
use serde_json::json;

use super::{
    SqliteStore,
    control::stored_mode,
    fault::Fault,
    outbox::store_effect,
    sql::{Bind, execute, now_ms, rows},
};
use crate::{
    Claim, Claims, Outcome, Settlement, StoreError,
    claims::{Actor, EventId},
};

/// The guard: the attempt is as it was, in every value that the decision rests on. Compared with `IS`, on the job's own
/// row: a guard across two tables does not hold.
macro_rules! guard {
    ($set:literal) => {
        concat!("UPDATE jobs SET ", $set, " WHERE ", guard!())
    };
    ($set:literal, $more:literal) => {
        concat!("UPDATE jobs SET ", $set, " WHERE ", guard!(), " AND ", $more)
    };
    () => {
        "id = ? AND status = ? AND coalesce(reaper_fence, 0) = ? \
         AND CASE WHEN reaper_inherited & 2 THEN NULL ELSE run_id END IS ? \
         AND CASE WHEN reaper_inherited & 1 THEN NULL ELSE pid END IS ? \
         AND reaper_started_at IS ? AND reaper_exit_code IS ? AND reaper_exit_at IS ? \
         AND reaper_attach IS ? AND reaper_beat IS ? AND reaper_terminating_at IS ?"
    };
}

pub(super) const DONE: &str = guard!("status = 'done'");
pub(super) const FAIL: &str = guard!("status = 'failed', reaper_last_error = ?");
// Identities, beat and mirror are cleared by the trigger on entering `queued`.
pub(super) const RESCUE: &str = guard!(
    "status = 'queued', pid = NULL, reaper_last_error = ?, reaper_available_at = ?, reaper_rescues = reaper_rescues + 1",
    "attempts < max_attempts AND reaper_rescues < ?"
);
pub(super) const REQUEUE: &str =
    guard!("status = 'queued', pid = NULL, reaper_last_error = ?, reaper_available_at = ?");
// On a row that is queued already no trigger puts a late finish aside.
pub(super) const RETRY: &str = guard!(
    "status = 'queued', pid = NULL, reaper_last_error = ?, reaper_available_at = ?, reaper_rescues = 0, \
     reaper_exit_code = NULL, reaper_exit_at = NULL"
);
pub(super) const TERMINATE: &str = guard!(
    "reaper_terminating_at = ?",
    "NOT EXISTS (SELECT 1 FROM jobs other INDEXED BY reaper_executors \
     WHERE other.status = 'running' AND other.reaper_executor = jobs.reaper_executor AND other.id <> jobs.id)"
);
pub(super) const DISMISS: &str = guard!("reaper_exit_code = NULL, reaper_exit_at = NULL");
pub(super) const EVENTS: &str = "INSERT INTO reaper_events (id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence) \
     SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), \
     json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'), \
     json_extract(value, '$[6]'), json_extract(value, '$[7]'), json_extract(value, '$[8]'), \
     json_extract(value, '$[9]'), json_extract(value, '$[10]') FROM json_each(?)";
const FOUND: &str = "SELECT id FROM reaper_events WHERE job_id IN (SELECT value FROM json_each(?)) \
                     AND id IN (SELECT value FROM json_each(?))";
const ALL_EVENTS: &str = "INSERT INTO reaper_events (id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence) \
     SELECT random() & 9223372036854775807, ?, id, reaper_fence, 'person', 'requeue_all', '', 'start-up requeue', \
     'running', 'queued', 'null' FROM jobs WHERE status = 'running'";
const ALL: &str = "UPDATE jobs SET status = 'queued', pid = NULL, reaper_last_error = 'start-up requeue' \
                   WHERE status = 'running'";

impl Claims for SqliteStore {
    fn settle(&self, claims: &[Claim]) -> Result<Vec<Outcome>, StoreError> {
        match self.connections.write(|connection| settle_set(connection, claims)) {
            Ok(outcomes) => Ok(outcomes),
            Err(error) => self.settle_after(error, claims),
        }
    }

    fn requeue_all_running(&self) -> Result<u64, StoreError> {
        self.connections.write(|connection| {
            let now = now_ms(connection)?;
            execute(connection, ALL_EVENTS, &[now.into()])?;
            let count = execute(connection, ALL, &[])?;
            Ok(u64::try_from(count).unwrap_or(u64::MAX))
        })
    }
}

impl SqliteStore {
    /// What became of a set whose transaction ended with an error. It was committed all the same if and only if its
    /// events are there. A set that one row may have spoilt is split until that row is alone.
    fn settle_after(&self, error: StoreError, claims: &[Claim]) -> Result<Vec<Outcome>, StoreError> {
        let unknown = |again: StoreError| StoreError::OutcomeUnknown(format!("{error}; then {again}"));
        let found = self.events_found(claims).map_err(unknown)?;
        if !found.is_empty() {
            let outcome = |claim: &Claim| if found.contains(&claim.event) { Outcome::Won } else { Outcome::Lost };
            return Ok(claims.iter().map(outcome).collect());
        }
        let StoreError::Database(problem) = &error else {
            return Err(error);
        };
        if claims.len() < 2 {
            return Ok(claims.iter().map(|_| Outcome::Refused(problem.clone())).collect());
        }
        let (left, right) = claims.split_at(claims.len().checked_div(2).unwrap_or(1));
        let mut outcomes = self.settle(left)?;
        outcomes.extend(self.settle(right)?);
        Ok(outcomes)
    }

    /// Which of these claims' events are there.
    fn events_found(&self, claims: &[Claim]) -> Result<Vec<EventId>, StoreError> {
        let jobs: Vec<_> = claims.iter().filter_map(|claim| claim.attempt.job.as_int()).collect();
        let ids: Vec<_> = claims.iter().map(|claim| claim.event.0).collect();
        self.connections.read(|connection| {
            let binds = [json!(jobs).to_string().into(), json!(ids).to_string().into()];
            let found = rows(connection, FOUND, &binds)?;
            Ok(found.iter().filter_map(|row| row.int(0)).map(EventId).collect())
        })
    }
}

fn settle_set(connection: &mut SqliteConnection, claims: &[Claim]) -> Result<Vec<Outcome>, Fault> {
    let (now, mode) = (now_ms(connection)?, stored_mode(connection)?);
    let mut outcomes = Vec::with_capacity(claims.len());
    let mut events = Vec::new();
    for claim in claims {
        let outcome = settle_one(connection, claim, now, mode)?;
        if outcome == Outcome::Won {
            events.push(event(claim, now));
            if let Some(effect) = &claim.effect {
                store_effect(connection, &claim_key(&claim.attempt, effect), effect, now)?;
            }
        }
        outcomes.push(outcome);
    }
    if !events.is_empty() {
        execute(connection, EVENTS, &[serde_json::Value::Array(events).to_string().into()])?;
    }
    Ok(outcomes)
}

fn settle_one(connection: &mut SqliteConnection, claim: &Claim, now: i64, mode: Mode) -> Result<Outcome, Fault> {
    if claim.by == Actor::Reaper && mode != Mode::Enforce {
        return Ok(Outcome::Forbidden(mode));
    }
    let (Some(mut guard), true) = (guard_of(claim), claim.can_be_won()) else {
        return Ok(Outcome::Lost);
    };
    let reason = || Bind::from(claim.reason.as_str());
    let due = |wait: Duration| Bind::from(now.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)));
    let (text, mut binds) = match claim.settlement {
        Settlement::Done => (DONE, vec![]),
        Settlement::Fail => (FAIL, vec![reason()]),
        Settlement::Terminate => (TERMINATE, vec![now.into()]),
        Settlement::Dismiss => (DISMISS, vec![]),
        Settlement::Requeue { wait, rescue_cap: Some(cap) } => {
            guard.push(i64::from(cap).into());
            (RESCUE, vec![reason(), due(wait)])
        }
        Settlement::Requeue { wait, rescue_cap: None } if claim.by == Actor::Person => {
            (RETRY, vec![reason(), due(wait)])
        }
        Settlement::Requeue { wait, rescue_cap: None } => (REQUEUE, vec![reason(), due(wait)]),
    };
    binds.append(&mut guard);
    let won = execute(connection, text, &binds)? > 0;
    Ok(if won { Outcome::Won } else { Outcome::Lost })
}

/// The values of the guard; `None` for keys that no row of ours can have.
fn guard_of(claim: &Claim) -> Option<Vec<Bind>> {
    let basis = &claim.basis;
    let ms = |at: Option<Timestamp>| Bind::from(at.map(|at| at.timestamp_millis()));
    let run = match &basis.run {
        Some(run) => Some(run.as_int()?),
        None => None,
    };
    let attach = match basis.attach {
        Attach::NotSaid => None,
        Attach::Pending => Some("pending".to_owned()),
        Attach::Done => Some("done".to_owned()),
    };
    Some(vec![
        claim.attempt.job.as_int()?.into(),
        basis.status.as_str().into(),
        claim.attempt.fence.as_int()?.into(),
        run.into(),
        basis.pid.map(i64::from).into(),
        ms(basis.started_at),
        basis.exit.map(|exit| i64::from(exit.code)).into(),
        ms(basis.exit.map(|exit| exit.at)),
        attach.into(),
        basis.beat.into(),
        ms(basis.terminating_at),
    ])
}

/// The event of a won claim, as the statement takes it.
fn event(claim: &Claim, now: i64) -> serde_json::Value {
    let from = claim.basis.status;
    let to = match claim.settlement {
        Settlement::Done => Status::Done,
        Settlement::Fail => Status::Failed,
        Settlement::Requeue { .. } => Status::Queued,
        Settlement::Terminate | Settlement::Dismiss => from,
    };
    json!([
        claim.event.0,
        now,
        claim.attempt.job.as_int(),
        claim.attempt.fence.as_int(),
        claim.by.as_str(),
        claim.settlement.as_str(),
        claim.rule,
        claim.reason,
        from.as_str(),
        to.as_str(),
        claim.evidence.to_string(),
    ])
}

/// An effect's task, where it is about one.
pub(super) fn task_of(effect: &Effect) -> Option<i64> {
    match effect {
        Effect::Advance(order) => order.task.as_int(),
        Effect::Alert(_) => None,
    }
}
