//! The claim: one guarded UPDATE a row, the events of the won ones, their effects; all in one transaction.

use diesel::SqliteConnection;
use reaper_core::{Mode, effect::claim_key};

use super::{
    SqliteStore, control,
    facts::json as list,
    fault::{Fault, is_whole},
    outbox,
    pool::Phase,
    sql,
    statement::{Statement, Value},
};
use crate::{
    Claim, Claims, Outcome, Settlement, StoreError,
    bisect::{Spoilt, in_halves, won},
    books::{Note, int},
    claims::Actor,
    values::{attach, bounded_millis},
};

impl Claims for SqliteStore {
    fn settle(&self, claims: &[Claim]) -> Result<Vec<Outcome>, StoreError> {
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        in_halves(claims, &mut |set| self.try_set(set))
    }

    fn requeue_all_running(&self) -> Result<u64, StoreError> {
        self.write(|connection| {
            let events = Statement::new(
                sql::REQUEUE_ALL_EVENTS,
                [("actor", Actor::Person.as_str().into()), ("reason", "every running job was put back".into())],
            );
            events.run(connection)?;
            let requeued = Statement::new(sql::REQUEUE_ALL, []).run(connection)?;
            Ok(u64::try_from(requeued).unwrap_or(u64::MAX))
        })
    }
}

impl SqliteStore {
    fn try_set(&self, claims: &[Claim]) -> Result<Vec<Outcome>, Spoilt> {
        let mut settled = Vec::new();
        let written = self.write_in_phases(|connection| {
            settled = settle_all(connection, claims)?;
            Ok(())
        });
        let failed = match written {
            Ok(()) => return Ok(settled),
            Err(failed) => failed,
        };
        match failed.phase {
            Phase::Before if is_whole(&failed.error) => Err(Spoilt::Whole(failed.error)),
            Phase::Before => Err(Spoilt::Row(failed.error.to_string())),
            Phase::Commit => self.look_up(claims, settled, failed.error).map_err(Spoilt::Whole),
        }
    }

    /// After a COMMIT that failed: the events say whether it took effect. The kind of the error says nothing.
    pub(super) fn look_up(
        &self,
        claims: &[Claim],
        settled: Vec<Outcome>,
        error: StoreError,
    ) -> Result<Vec<Outcome>, StoreError> {
        let ids = list(&claims.iter().map(|claim| claim.event.0).collect::<Vec<_>>());
        let known = self.read(|connection| {
            let known = Statement::new(sql::EVENTS_KNOWN, [("ids", (&ids).into())]);
            Ok(int(known.first_row(connection)?))
        });
        match known {
            Ok(0) if won(&settled) => Err(error),
            Ok(_) => Ok(settled),
            Err(second) => Err(StoreError::OutcomeUnknown(format!("{error}; then {second}"))),
        }
    }
}

/// Settles each of a set, inside a transaction.
fn settle_all(connection: &mut SqliteConnection, claims: &[Claim]) -> Result<Vec<Outcome>, Fault> {
    // It binds rules alone, so that whoever is not bound is not hindered by one that cannot be read.
    let bound = claims.iter().any(|claim| claim.by == Actor::Reaper);
    let mode = if bound { control::mode(connection)? } else { Mode::Enforce };
    let mut outcomes = Vec::with_capacity(claims.len());
    for claim in claims {
        let outcome = settle_one(connection, claim, mode)?;
        if outcome == Outcome::Won {
            note(connection, &Note::of_claim(claim))?;
            if let Some(effect) = &claim.effect {
                let key = claim_key(&claim.attempt, effect);
                // One that an earlier claim of this attempt has stored stays as it is.
                let _posted = outbox::post(connection, &key, effect, Some(&claim.attempt.job))?;
            }
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

fn settle_one(connection: &mut SqliteConnection, claim: &Claim, mode: Mode) -> Result<Outcome, Fault> {
    if claim.by == Actor::Reaper && mode != Mode::Enforce {
        return Ok(Outcome::Forbidden(mode));
    }
    if !claim.can_be_won() {
        return Ok(Outcome::Lost);
    }
    Ok(if update(claim).run(connection)? == 0 { Outcome::Lost } else { Outcome::Won })
}

/// The statement of a claim: what it writes, under the guard.
fn update(claim: &Claim) -> Statement<'_> {
    let basis = &claim.basis;
    let guard = [
        ("job", Value::from(&claim.attempt.job.0)),
        ("status", basis.status.as_str().into()),
        ("fence", (&claim.attempt.fence.0).into()),
        ("run", basis.run.as_ref().map(|run| &run.0).into()),
        ("pid", basis.pid.map(i64::from).into()),
        ("started_at", basis.started_at.map(|at| at.timestamp_millis()).into()),
        ("exit_code", basis.exit.map(|exit| i64::from(exit.code)).into()),
        ("exit_at", basis.exit.map(|exit| exit.at.timestamp_millis()).into()),
        ("attach", attach(basis.attach).into()),
        ("beat", basis.beat.into()),
        ("terminating_at", basis.terminating_at.map(|at| at.timestamp_millis()).into()),
    ];
    let reason = ("reason", Value::from(&claim.reason));
    match claim.settlement {
        Settlement::Done => Statement::new(sql::CLAIM_DONE, guard),
        Settlement::Terminate => Statement::new(sql::CLAIM_TERMINATE, guard),
        Settlement::Dismiss => Statement::new(sql::CLAIM_DISMISS, guard),
        Settlement::Fail => Statement::new(sql::CLAIM_FAIL, guard).with([reason]),
        Settlement::Requeue { wait, rescue_cap } => {
            let (keep, add): (i64, i64) = match (rescue_cap, claim.by) {
                (Some(_), Actor::Reaper | Actor::Monitor | Actor::Person) => (1, 1),
                (None, Actor::Person) => (0, 0),
                (None, Actor::Reaper | Actor::Monitor) => (1, 0),
            };
            Statement::new(sql::CLAIM_REQUEUE, guard).with([
                reason,
                ("wait", bounded_millis(wait).into()),
                ("keep", keep.into()),
                ("add", add.into()),
                ("cap", rescue_cap.map(i64::from).into()),
            ])
        }
    }
}

/// Writes an event.
pub(super) fn note(connection: &mut SqliteConnection, note: &Note<'_>) -> Result<(), Fault> {
    let event = Statement::new(
        sql::EVENT,
        [
            ("id", note.id.0.into()),
            ("job", note.job.into()),
            ("fence", note.fence.into()),
            ("actor", note.actor.as_str().into()),
            ("action", note.action.into()),
            ("rule", note.rule.into()),
            ("reason", note.reason.as_ref().into()),
            ("from_status", note.from.into()),
            ("to_status", note.to.into()),
            ("evidence", (&note.evidence).into()),
        ],
    );
    event.run(connection)?;
    Ok(())
}
