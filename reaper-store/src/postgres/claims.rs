//! The claims of a set: its rows locked in one order, then one guarded UPDATE for each kind of settlement.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use diesel::PgConnection;
use reaper_core::JobId;

use super::{PostgresStore, driver::int_key, sql};
use crate::{
    Claim, Settlement,
    claims::Actor,
    database::{Fault, Requeue, Statement, Value, values::attach},
};

impl PostgresStore {
    /// Waits until no other transaction holds the rows of these jobs: one whose COMMIT was on its way has ended then.
    pub(super) fn await_end(&self, connection: &mut PgConnection, jobs: Value<'_>) -> Result<(), Fault> {
        let limit = super::options::setting(self.pool.options().lock_timeout).to_string();
        Statement::new(sql::WAIT_AT_MOST, [("lock_timeout", (&limit).into())]).first_row(connection)?;
        Statement::new(sql::AWAIT, [("jobs", jobs)]).rows(connection)?;
        Ok(())
    }
}

/// Tries claims together, and says of each whether it was won.
pub(super) fn claim(connection: &mut PgConnection, claims: &[&Claim]) -> Result<Vec<bool>, Fault> {
    let free = lock(connection, claims)?;
    let mut rounds = Vec::<BTreeMap<Kind, Vec<&Claim>>>::new();
    let mut seen = BTreeMap::<&JobId, usize>::new();
    for claim in claims {
        if !can_match(claim) || !free.contains(&int_key(&claim.attempt.job.0)) {
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
    Ok(claims.iter().map(|claim| events.contains(&claim.event.0)).collect())
}

/// Locks the rows of a set. A reaper comes again, so it leaves out what somebody else has locked; a monitor and a person
/// wait for it.
fn lock(connection: &mut PgConnection, claims: &[&Claim]) -> Result<BTreeSet<Option<i64>>, Fault> {
    let jobs = Value::ints(claims, |claim| int_key(&claim.attempt.job.0));
    let comes_again = claims.iter().all(|claim| claim.by == Actor::Reaper);
    let statement = Statement::new(if comes_again { sql::LOCK_FREE } else { sql::LOCK }, [("jobs", jobs)]);
    let rows = statement.rows(connection)?;
    Ok(rows.into_iter().map(|mut row| row.next_int()).filter(Option::is_some).collect())
}

/// Whether there can be such a row: keys are integers here.
fn can_match(claim: &Claim) -> bool {
    let run = claim.basis.run.as_ref();
    run.is_none_or(|run| int_key(&run.0).is_some())
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
        Value::Texts(claims.iter().map(|claim| text(claim).map(Cow::Borrowed)).collect())
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
            ("wait", ints(|claim| Some(Requeue::of(claim).wait))),
            ("keep", ints(|claim| Some(Requeue::of(claim).keep))),
            ("add", ints(|claim| Some(Requeue::of(claim).add))),
            ("cap", ints(|claim| Requeue::of(claim).cap)),
        ]),
    }
}
