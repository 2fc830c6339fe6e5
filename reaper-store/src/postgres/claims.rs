//! The claims of a set: its rows locked in one order, one guarded UPDATE for each kind of settlement, the events of the
//! won ones, their effects; all in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use diesel::PgConnection;
use reaper_core::{JobId, Mode, effect::claim_key};

use super::{
    PostgresStore, control,
    fault::{Fault, is_whole},
    outbox::{self, Post},
    pool::Phase,
    sql,
    statement::{Statement, Value, int_key},
};
use crate::{
    Claim, Claims, Outcome, Settlement, StoreError,
    bisect::{Spoilt, in_halves, won},
    books::{Note, int},
    claims::Actor,
    values::{attach, bounded_millis},
};

impl Claims for PostgresStore {
    fn settle(&self, claims: &[Claim]) -> Result<Vec<Outcome>, StoreError> {
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        in_halves(claims, &mut |set| self.try_set(set))
    }

    fn requeue_all_running(&self) -> Result<u64, StoreError> {
        self.write(|connection| {
            let requeue = Statement::new(
                sql::REQUEUE_ALL,
                [("actor", Actor::Person.as_str().into()), ("reason", "every running job was put back".into())],
            );
            Ok(u64::try_from(requeue.run(connection)?).unwrap_or(u64::MAX))
        })
    }
}

impl PostgresStore {
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
        let error = match failed.phase {
            Phase::Before => failed.error,
            // The kind of an error says nothing about a commit; the events do.
            Phase::Refused | Phase::Commit => match self.look_up(claims, &settled) {
                Ok(true) => return Ok(settled),
                Ok(false) => failed.error,
                Err(second) => {
                    let both = format!("{}; then {second}", failed.error);
                    return Err(Spoilt::Whole(StoreError::OutcomeUnknown(both)));
                }
            },
        };
        Err(if is_whole(&error) { Spoilt::Whole(error) } else { Spoilt::Row(error.to_string()) })
    }

    /// After a COMMIT that failed: whether it took effect, by a look from a new connection. A transaction that is still
    /// on its way to its end holds its rows, so they are waited for first.
    pub(super) fn look_up(&self, claims: &[Claim], settled: &[Outcome]) -> Result<bool, StoreError> {
        if !won(settled) {
            return Ok(true);
        }
        self.pool.apart(|connection| {
            self.await_end(connection, Value::ints(claims, |claim| int_key(&claim.attempt.job.0)))?;
            let ids = Value::ints(claims, |claim| Some(claim.event.0));
            Ok(int(Statement::new(sql::EVENTS_KNOWN, [("ids", ids)]).first_row(connection)?) > 0)
        })
    }
}

impl PostgresStore {
    /// Waits until no other transaction holds the rows of these jobs: one whose COMMIT was on its way has ended then.
    pub(super) fn await_end(&self, connection: &mut PgConnection, jobs: Value<'_>) -> Result<(), Fault> {
        let limit = super::options::setting(self.pool.options().lock_timeout).to_string();
        Statement::new(sql::WAIT_AT_MOST, [("lock_timeout", (&limit).into())]).first_row(connection)?;
        Statement::new(sql::AWAIT, [("jobs", jobs)]).rows(connection)?;
        Ok(())
    }
}

/// Settles each of a set, inside a transaction.
fn settle_all(connection: &mut PgConnection, claims: &[Claim]) -> Result<Vec<Outcome>, Fault> {
    // It binds rules alone, so that whoever is not bound is not hindered by one that cannot be read.
    let bound = claims.iter().any(|claim| claim.by == Actor::Reaper);
    let mode = if bound { control::mode(connection)? } else { Mode::Enforce };
    let free = lock(connection, claims)?;
    let mut outcomes = Vec::with_capacity(claims.len());
    let mut rounds = Vec::<BTreeMap<Kind, Vec<&Claim>>>::new();
    let mut seen = BTreeMap::<&JobId, usize>::new();
    for claim in claims {
        let forbidden = claim.by == Actor::Reaper && mode != Mode::Enforce;
        outcomes.push(if forbidden { Outcome::Forbidden(mode) } else { Outcome::Lost });
        if forbidden || !can_match(claim) || !free.contains(&int_key(&claim.attempt.job.0)) {
            continue;
        }
        // A job that is in the set again comes after its first claim.
        let round = seen.entry(&claim.attempt.job).or_default();
        if rounds.len() <= *round {
            rounds.push(BTreeMap::new());
        }
        if let Some(kinds) = rounds.get_mut(*round) {
            kinds.entry(Kind::of(&claim.settlement)).or_default().push(claim);
        }
        *round = round.saturating_add(1);
    }
    let mut events = BTreeSet::new();
    for (kind, claims) in rounds.into_iter().flatten() {
        let rows = update(kind, &claims).rows(connection)?;
        events.extend(rows.into_iter().filter_map(|mut row| row.next_int()));
    }
    if events.is_empty() {
        return Ok(outcomes);
    }
    let mut winners = Vec::with_capacity(events.len());
    for (claim, outcome) in claims.iter().zip(&mut outcomes) {
        if *outcome == Outcome::Lost && events.contains(&claim.event.0) {
            *outcome = Outcome::Won;
            winners.push(claim);
        }
    }
    let notes: Vec<_> = winners.iter().map(|claim| Note::of_claim(claim)).collect();
    note_all(connection, &notes)?;
    let effects = winners.iter().filter_map(|claim| claim.effect.as_ref().map(|effect| (claim, effect)));
    let posts: Vec<_> = effects
        .map(|(claim, effect)| Post {
            key: claim_key(&claim.attempt, effect),
            effect,
            job: Some(&claim.attempt.job),
        })
        .collect();
    if !posts.is_empty() {
        // One that an earlier claim of its attempt has stored stays as it is.
        let _stored = outbox::post_all(connection, &posts)?;
    }
    Ok(outcomes)
}

/// Locks the rows of a set. A reaper comes again, so it leaves out what somebody else has locked; a monitor and a person
/// wait for it.
fn lock(connection: &mut PgConnection, claims: &[Claim]) -> Result<BTreeSet<Option<i64>>, Fault> {
    let jobs = Value::ints(claims, |claim| int_key(&claim.attempt.job.0));
    let comes_again = claims.iter().all(|claim| claim.by == Actor::Reaper);
    let statement = Statement::new(if comes_again { sql::LOCK_FREE } else { sql::LOCK }, [("jobs", jobs)]);
    let rows = statement.rows(connection)?;
    Ok(rows.into_iter().map(|mut row| row.next_int()).filter(Option::is_some).collect())
}

/// Whether there can be such a row: keys are integers here.
fn can_match(claim: &Claim) -> bool {
    let run = claim.basis.run.as_ref();
    claim.can_be_won() && run.is_none_or(|run| int_key(&run.0).is_some())
}

/// Which statement settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Done,
    Requeue,
    Fail,
    Terminate,
    Dismiss,
}

impl Kind {
    const fn of(settlement: &Settlement) -> Self {
        match settlement {
            Settlement::Done => Self::Done,
            Settlement::Requeue { .. } => Self::Requeue,
            Settlement::Fail => Self::Fail,
            Settlement::Terminate => Self::Terminate,
            Settlement::Dismiss => Self::Dismiss,
        }
    }
}

/// The statement of the claims of one kind: what it writes, under the guard.
fn update<'c>(kind: Kind, claims: &[&'c Claim]) -> Statement<'c> {
    let ints = |int: fn(&Claim) -> Option<i64>| Value::Ints(claims.iter().map(|claim| int(claim)).collect());
    let texts = |text: fn(&Claim) -> Option<&str>| {
        Value::Texts(claims.iter().map(|claim| text(claim).map(super::statement::clean)).collect())
    };
    let guard = [
        ("event", ints(|claim| Some(claim.event.0))),
        ("job", ints(|claim| int_key(&claim.attempt.job.0))),
        ("status", texts(|claim| Some(claim.basis.status.as_str()))),
        ("fence", ints(|claim| int_key(&claim.attempt.fence.0))),
        ("run", ints(|claim| claim.basis.run.as_ref().and_then(|run| int_key(&run.0)))),
        ("pid", ints(|claim| claim.basis.pid.map(i64::from))),
        ("started_at", ints(|claim| claim.basis.started_at.map(|at| at.timestamp_millis()))),
        ("exit_code", ints(|claim| claim.basis.exit.map(|exit| i64::from(exit.code)))),
        ("exit_at", ints(|claim| claim.basis.exit.map(|exit| exit.at.timestamp_millis()))),
        ("attach", texts(|claim| attach(claim.basis.attach))),
        ("beat", ints(|claim| claim.basis.beat)),
        ("terminating_at", ints(|claim| claim.basis.terminating_at.map(|at| at.timestamp_millis()))),
    ];
    let reason = || ("reason", texts(|claim| Some(&claim.reason)));
    match kind {
        Kind::Done => Statement::new(sql::CLAIM_DONE, guard),
        Kind::Terminate => Statement::new(sql::CLAIM_TERMINATE, guard),
        Kind::Dismiss => Statement::new(sql::CLAIM_DISMISS, guard),
        Kind::Fail => Statement::new(sql::CLAIM_FAIL, guard).with([reason()]),
        Kind::Requeue => Statement::new(sql::CLAIM_REQUEUE, guard).with([
            reason(),
            ("wait", ints(|claim| Some(requeue(claim).wait))),
            ("keep", ints(|claim| Some(requeue(claim).keep))),
            ("add", ints(|claim| Some(requeue(claim).add))),
            ("cap", ints(|claim| requeue(claim).cap)),
        ]),
    }
}

/// What a requeue does to the row beside putting it back.
struct Requeue {
    wait: i64,
    keep: i64,
    add: i64,
    cap: Option<i64>,
}

fn requeue(claim: &Claim) -> Requeue {
    let (wait, cap) = match claim.settlement {
        Settlement::Requeue { wait, rescue_cap } => (bounded_millis(wait), rescue_cap),
        Settlement::Done | Settlement::Fail | Settlement::Terminate | Settlement::Dismiss => (0, None),
    };
    let (keep, add) = match (cap, claim.by) {
        (Some(_), Actor::Reaper | Actor::Monitor | Actor::Person) => (1, 1),
        (None, Actor::Person) => (0, 0),
        (None, Actor::Reaper | Actor::Monitor) => (1, 0),
    };
    Requeue { wait, keep, add, cap: cap.map(i64::from) }
}

/// Writes events.
pub(super) fn note_all(connection: &mut PgConnection, notes: &[Note<'_>]) -> Result<(), Fault> {
    let events = Statement::new(
        sql::EVENTS,
        [
            ("id", Value::ints(notes, |note| Some(note.id.0))),
            ("job", Value::ints(notes, |note| note.job.and_then(int_key))),
            ("fence", Value::ints(notes, |note| note.fence.and_then(int_key))),
            ("actor", Value::texts(notes, |note| Some(note.actor.as_str()))),
            ("action", Value::texts(notes, |note| Some(note.action))),
            ("rule", Value::texts(notes, |note| Some(note.rule))),
            ("reason", Value::texts(notes, |note| Some(note.reason.as_ref()))),
            ("from_status", Value::texts(notes, |note| note.from)),
            ("to_status", Value::texts(notes, |note| Some(note.to))),
            ("evidence", Value::texts(notes, |note| Some(&note.evidence))),
            ("agent", Value::texts(notes, |note| note.agent)),
            ("signature", Value::texts(notes, |note| note.signature.as_deref())),
            ("run", Value::ints(notes, |note| note.run.and_then(int_key))),
            ("young", Value::ints(notes, |note| note.young)),
        ],
    );
    events.run(connection)?;
    Ok(())
}
