//! A set of claims in one transaction: the guarded writes, the events of the won ones, their effects.

use reaper_core::{Mode, effect::claim_key};

use super::{
    Database, Driver, Failed, Fault, Phase, Post,
    bisect::{Spoilt, in_halves, spoilt, won},
    books::Note,
    control,
    values::bounded_millis,
};
use crate::{Claim, Claims, Outcome, Settlement, StoreError, claims::Actor};

impl<S: Database> Claims for S {
    fn settle(&self, claims: &[Claim]) -> Result<Vec<Outcome>, StoreError> {
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        in_halves(claims, &mut |set| try_set(self, set))
    }

    fn requeue_all_running(&self) -> Result<u64, StoreError> {
        let noted =
            [("actor", Actor::Person.as_str().into()), ("reason", "every running job was put back".into())];
        self.write(|connection| Ok(u64::try_from(connection.requeue_all(noted)?).unwrap_or(u64::MAX)))
    }
}

fn try_set<S: Database>(store: &S, claims: &[Claim]) -> Result<Vec<Outcome>, Spoilt> {
    let mut outcomes = Vec::new();
    let written = store.write_in_phases(|connection| {
        outcomes = settle_all(connection, claims)?;
        Ok(())
    });
    let Failed { error, phase } = match written {
        Ok(()) => return Ok(outcomes),
        Err(failed) => failed,
    };
    let error = match phase {
        Phase::Before => error,
        Phase::Refused | Phase::Commit => match after_commit(store, claims, outcomes, error) {
            Ok(outcomes) => return Ok(outcomes),
            Err(error) => error,
        },
    };
    Err(spoilt::<S>(error, phase))
}

/// After a COMMIT that failed. The kind of an error says nothing about it; the events do: the outcomes where it took
/// effect all the same, and else the error.
pub(crate) fn after_commit(
    store: &impl Database,
    claims: &[Claim],
    outcomes: Vec<Outcome>,
    error: StoreError,
) -> Result<Vec<Outcome>, StoreError> {
    if !won(&outcomes) {
        return Ok(outcomes);
    }
    match store.has_settled(claims) {
        Ok(true) => Ok(outcomes),
        Ok(false) => Err(error),
        Err(second) => Err(StoreError::OutcomeUnknown(format!("{error}; then {second}"))),
    }
}

/// Settles each of a set, inside a transaction.
fn settle_all<D: Driver>(connection: &mut D, claims: &[Claim]) -> Result<Vec<Outcome>, Fault> {
    // It binds rules alone, so that whoever is not bound is not hindered by one that cannot be read.
    let bound = claims.iter().any(|claim| claim.by == Actor::Reaper);
    let mode = if bound { control::binding_mode(connection)? } else { Mode::Enforce };
    let is_forbidden = |claim: &Claim| claim.by == Actor::Reaper && mode != Mode::Enforce;
    let tried: Vec<_> = claims.iter().filter(|claim| !is_forbidden(claim) && claim.can_be_won()).collect();
    let answers = if tried.is_empty() { Vec::new() } else { connection.claim(&tried)? };
    let won: Vec<_> =
        tried.into_iter().zip(answers).filter_map(|(claim, is_won)| is_won.then_some(claim)).collect();
    // All jobs first, then all events: each table is gone through once, and its pages are still at hand.
    connection.note_all(&won.iter().map(|claim| Note::of_claim(claim)).collect::<Vec<_>>())?;
    let mut posts = Vec::new();
    for claim in &won {
        if let Some(effect) = &claim.effect {
            posts.push(Post::new(claim_key(&claim.attempt, effect), effect, Some(&claim.attempt.job))?);
        }
    }
    // One that an earlier claim of its attempt has stored stays as it is.
    let _stored = connection.post_all(&posts)?;
    let mut won = won.into_iter().peekable();
    let outcome = |claim: &Claim| match won.next_if(|won| std::ptr::eq(*won, claim)) {
        Some(_) => Outcome::Won,
        None if is_forbidden(claim) => Outcome::Forbidden(mode),
        None => Outcome::Lost,
    };
    Ok(claims.iter().map(outcome).collect())
}

/// What a requeue does to the row beside putting it back.
pub(crate) struct Requeue {
    /// How long it may not be taken, in milliseconds.
    pub(crate) wait: i64,
    /// 1 where the rescues until now count on, 0 where they begin anew.
    pub(crate) keep: i64,
    /// What is added to the rescues.
    pub(crate) add: i64,
    /// What the rescues have to be under, and the attempts under theirs; nothing where neither binds.
    pub(crate) cap: Option<i64>,
}

impl Requeue {
    /// What a claim that requeues asks for; of any other nothing is read.
    pub(crate) fn of(claim: &Claim) -> Self {
        let (wait, cap) = match claim.settlement {
            Settlement::Requeue { wait, rescue_cap } => (bounded_millis(wait), rescue_cap),
            Settlement::Done | Settlement::Fail | Settlement::Terminate | Settlement::Dismiss => (0, None),
        };
        let (keep, add) = match (cap, claim.by) {
            (Some(_), Actor::Reaper | Actor::Monitor | Actor::Person) => (1, 1),
            (None, Actor::Person) => (0, 0),
            (None, Actor::Reaper | Actor::Monitor) => (1, 0),
        };
        Self { wait, keep, add, cap: cap.map(i64::from) }
    }
}
