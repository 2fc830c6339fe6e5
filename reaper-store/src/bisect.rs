//! Sets of claims of which one may spoil the others: a set that fails for a row's reason is halved until only that
//! row is left out.

use crate::{Claim, Outcome, StoreError};

/// Why a set was not settled.
#[derive(Debug)]
pub(crate) enum Spoilt {
    /// The database failed, whatever the rows.
    Whole(StoreError),
    /// For a reason that one of its rows can have.
    Row(String),
}

/// Settles a set by `settle`, which settles all of what it is given or nothing.
pub(crate) fn in_halves(
    claims: &[Claim],
    settle: &mut impl FnMut(&[Claim]) -> Result<Vec<Outcome>, Spoilt>,
) -> Result<Vec<Outcome>, StoreError> {
    let problem = match settle(claims) {
        Ok(outcomes) => return Ok(outcomes),
        Err(Spoilt::Whole(error)) => return Err(error),
        Err(Spoilt::Row(problem)) => problem,
    };
    if claims.len() < 2 {
        return Ok(vec![Outcome::Refused(problem); claims.len()]);
    }
    let (left, right) = claims.split_at(claims.len().div_euclid(2));
    let mut outcomes = in_halves(left, settle)?;
    match in_halves(right, settle) {
        Ok(more) => outcomes.extend(more),
        // What the first half won is stored, and its effects with it: that must be said, so the failure is said of
        // the rows that it befell.
        Err(error) if won(&outcomes) && !matches!(error, StoreError::OutcomeUnknown(_)) => {
            outcomes.extend(vec![Outcome::Refused(error.to_string()); right.len()]);
        }
        Err(error) => return Err(error),
    }
    Ok(outcomes)
}

/// Whether any was won.
pub(crate) fn won(outcomes: &[Outcome]) -> bool {
    outcomes.contains(&Outcome::Won)
}
