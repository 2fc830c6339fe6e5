//! The claim: one guarded UPDATE a row, the events of the won ones, their effects; all in one transaction.

use std::{collections::BTreeMap, sync::Arc};

use diesel::SqliteConnection;
use reaper_core::{Mode, effect::claim_key};

use super::{
    SqliteStore, control,
    events::note_all,
    facts::json as list,
    fault::{Fault, is_whole},
    outbox,
    pool::Phase,
    sql,
    statement::{Form, Named, Statement, Value},
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
    let mut forms = Forms::new();
    for claim in claims {
        outcomes.push(settle_one(connection, claim, mode, &mut forms)?);
    }
    // All jobs first, then all events: each table is gone through once, and its pages are still at hand.
    let is_won = |(claim, outcome): (_, &Outcome)| (*outcome == Outcome::Won).then_some(claim);
    let won: Vec<&Claim> = claims.iter().zip(&outcomes).filter_map(is_won).collect();
    note_all(connection, &won.iter().map(|claim| Note::of_claim(claim)).collect::<Vec<_>>())?;
    for claim in won {
        if let Some(effect) = &claim.effect {
            let key = claim_key(&claim.attempt, effect);
            // One that an earlier claim of this attempt has stored stays as it is.
            let _posted = outbox::post(connection, &key, effect, Some(&claim.attempt.job))?;
        }
    }
    Ok(outcomes)
}

/// The forms of a set's statements, each taken apart once.
type Forms = BTreeMap<&'static str, Arc<Form>>;

fn settle_one(
    connection: &mut SqliteConnection,
    claim: &Claim,
    mode: Mode,
    forms: &mut Forms,
) -> Result<Outcome, Fault> {
    if claim.by == Actor::Reaper && mode != Mode::Enforce {
        return Ok(Outcome::Forbidden(mode));
    }
    if !claim.can_be_won() {
        return Ok(Outcome::Lost);
    }
    let (sql, values) = update(claim);
    let form = forms.entry(sql).or_insert_with(|| Arc::new(Form::new(sql, &values)));
    let changed = Statement::of(form, values).run(connection)?;
    Ok(if changed == 0 { Outcome::Lost } else { Outcome::Won })
}

/// The statement of a claim: what it writes, under the guard.
fn update(claim: &Claim) -> (&'static str, Vec<Named<'_>>) {
    let basis = &claim.basis;
    let mut values = vec![
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
    let sql = match claim.settlement {
        Settlement::Done => sql::CLAIM_DONE,
        Settlement::Terminate => sql::CLAIM_TERMINATE,
        Settlement::Dismiss => sql::CLAIM_DISMISS,
        Settlement::Fail => {
            values.push(reason);
            sql::CLAIM_FAIL
        }
        Settlement::Requeue { wait, rescue_cap } => {
            let (keep, add): (i64, i64) = match (rescue_cap, claim.by) {
                (Some(_), Actor::Reaper | Actor::Monitor | Actor::Person) => (1, 1),
                (None, Actor::Person) => (0, 0),
                (None, Actor::Reaper | Actor::Monitor) => (1, 0),
            };
            values.extend([
                reason,
                ("wait", bounded_millis(wait).into()),
                ("keep", keep.into()),
                ("add", add.into()),
                ("cap", rescue_cap.map(i64::from).into()),
            ]);
            sql::CLAIM_REQUEUE
        }
    };
    (sql, values)
}
