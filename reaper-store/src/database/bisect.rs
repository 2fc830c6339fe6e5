//! Sets of which one may spoil the others: a set that fails for a row's reason is halved until only that row is left
//! out.

use super::{Database, Phase};
use crate::{
    Outcome, StoreError,
    attempts::{LeftOut, Testified},
};

/// Why a set was not written.
#[derive(Debug)]
pub(crate) enum Spoilt {
    /// The database failed, whatever the rows.
    Whole(StoreError),
    /// For a reason that one of its rows can have.
    Row(String),
}

/// Whether a write failed for a reason that a row can have. A COMMIT of which it is not known why it failed is no row's
/// fault, and neither is a lock that holds up all of them.
pub(crate) fn is_of_a_row<S: Database>(error: &StoreError, phase: Phase) -> bool {
    matches!(phase, Phase::Before | Phase::Refused) && !S::is_whole(error)
}

/// What an error of a write makes of its set.
pub(crate) fn spoilt<S: Database>(error: StoreError, phase: Phase) -> Spoilt {
    if is_of_a_row::<S>(&error, phase) { Spoilt::Row(error.to_string()) } else { Spoilt::Whole(error) }
}

/// What is answered of each of a set.
pub(crate) trait Answer: Clone {
    /// Of the one that spoils whatever it is in.
    fn refused(problem: String) -> Self;

    /// Of those that the database's failure befell once these were answered; `None` where the failure is all that need
    /// be said.
    fn befallen(answered: &[Self], error: &StoreError) -> Option<Self>;
}

impl Answer for Outcome {
    fn refused(problem: String) -> Self {
        Self::Refused(problem)
    }

    /// What the first half won is stored, and its effects with it: that must be said, so the failure is said of the rows
    /// that it befell.
    fn befallen(answered: &[Self], error: &StoreError) -> Option<Self> {
        let is_said = won(answered) && !matches!(error, StoreError::OutcomeUnknown(_));
        is_said.then(|| Self::Refused(error.to_string()))
    }
}

impl Answer for Testified {
    fn refused(problem: String) -> Self {
        Self::LeftOut(LeftOut::Refused(problem))
    }

    /// Whoever tells an exit again learns that it is known.
    fn befallen(_answered: &[Self], _error: &StoreError) -> Option<Self> {
        None
    }
}

/// Writes a set by `write`, which writes all of what it is given or nothing.
pub(crate) fn in_halves<T, A: Answer>(
    set: &[T],
    write: &mut impl FnMut(&[T]) -> Result<Vec<A>, Spoilt>,
) -> Result<Vec<A>, StoreError> {
    let problem = match write(set) {
        Ok(answers) => return Ok(answers),
        Err(Spoilt::Whole(error)) => return Err(error),
        Err(Spoilt::Row(problem)) => problem,
    };
    if set.len() < 2 {
        return Ok(vec![A::refused(problem); set.len()]);
    }
    let (left, right) = set.split_at(set.len().div_euclid(2));
    let mut answers = in_halves(left, write)?;
    match in_halves(right, write) {
        Ok(more) => answers.extend(more),
        Err(error) => {
            let befallen = A::befallen(&answers, &error).ok_or(error)?;
            answers.extend(vec![befallen; right.len()]);
        }
    }
    Ok(answers)
}

/// Whether any was won.
pub(crate) fn won(outcomes: &[Outcome]) -> bool {
    outcomes.contains(&Outcome::Won)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "sqlite")]
    use crate::sqlite::SqliteStore;

    #[cfg(feature = "sqlite")]
    #[test]
    fn what_nobody_can_explain_is_no_rows_fault() {
        let error = || StoreError::Database("the owner's word".into());
        let is_row = |error, phase| matches!(spoilt::<SqliteStore>(error, phase), Spoilt::Row(_));
        for (phase, expected) in [(Phase::Before, true), (Phase::Refused, true), (Phase::Commit, false)] {
            assert_eq!(is_row(error(), phase), expected, "{phase:?}");
            assert!(!is_row(StoreError::Full("jobs.db".into()), phase), "{phase:?}");
        }
    }
    fn full() -> StoreError {
        StoreError::Full("jobs.db".into())
    }

    /// What is answered of a set whose first row spoils it, whose second is answered so, and at whose third and fourth
    /// the database fails so.
    fn broken_off<A: Answer>(second: &A, failure: fn() -> StoreError) -> Result<Vec<A>, StoreError> {
        let mut written = Vec::new();
        let answers = in_halves(&[1, 2, 3, 4], &mut |set: &[i32]| {
            written.push(set.to_vec());
            match set {
                [2] => Ok(vec![second.clone()]),
                [1, ..] => Err(Spoilt::Row("the owner's word".into())),
                _ => Err(Spoilt::Whole(failure())),
            }
        });
        assert_eq!(written, [vec![1, 2, 3, 4], vec![1, 2], vec![1], vec![2], vec![3, 4]]);
        answers
    }

    #[test]
    fn what_a_failure_befell_is_said_of_its_rows_where_another_was_won() {
        let refused = || Outcome::Refused("the owner's word".into());
        let befallen = || Outcome::Refused(full().to_string());
        let won = broken_off(&Outcome::Won, full).unwrap();
        assert_eq!(won, [refused(), Outcome::Won, befallen(), befallen()]);
        assert!(matches!(broken_off(&Outcome::Lost, full), Err(StoreError::Full(_))), "nothing was won");
    }

    #[test]
    fn an_unknown_outcome_is_said_of_the_whole_set_which_is_looked_up() {
        let answers = broken_off(&Outcome::Won, || StoreError::OutcomeUnknown("gone".into()));
        assert!(matches!(answers, Err(StoreError::OutcomeUnknown(_))), "{answers:?}");
    }

    #[test]
    fn exits_of_which_the_database_failed_at_some_are_told_again() {
        let answers = broken_off(&Testified::Recorded, full);
        assert!(matches!(answers, Err(StoreError::Full(_))), "{answers:?}");
    }
}
