//! The decision, tested four ways: the table of rules row by row ([`rows`], [`leaving`], [`retrying`]), an oracle
//! of another structure ([`oracle`]), the finite domain enumerated ([`domain`]), and properties ([`properties`],
//! [`review`]).

mod domain;
mod leaving;
mod oracle;
mod properties;
mod retrying;
mod review;
mod rows;
mod words;

use crate::{Action, Reason, Rule, sample::Case};

/// A row of the truth table: what differs from the case to begin from, and what follows.
type Row = (&'static str, fn(&mut Case) -> &mut Case, Rule, Action, Reason);

fn check<const N: usize>(rows: [Row; N]) {
    for (name, change, rule, action, reason) in rows {
        let mut case = crate::sample::case();
        change(&mut case);
        let decision = case.decide();
        assert_eq!((decision.rule, decision.action, decision.reason), (rule, action, reason), "{name}: {case:#?}");
    }
}
