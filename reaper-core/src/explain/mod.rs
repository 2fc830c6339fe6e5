//! A decision in words: every rule in order, what it compared, and when the answer would change.
//!
//! The words are made from the same facts as the decision, by another way than its match: each rule is a list of
//! conditions. **Invariant:** the first rule all of whose conditions hold is the rule of the decision.

mod conditions;
mod course;
#[cfg(test)]
mod tests;
mod text;

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use crate::{Action, Clock, Decision, JobSnapshot, Observation, Policy, Reason, Rule, Timestamp, decide};

/// Something that was compared, said as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Condition {
    /// One short clause with the figures, true as it stands: "exit age 5 s is under `finalize_grace` 5 min".
    pub text: String,
    /// Whether it is as the rule wants it.
    pub holds: bool,
}

/// What became of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Fate {
    /// A condition does not hold.
    DoesNotHold,
    /// It is the first all of whose conditions hold.
    Fired,
    /// An earlier one fired.
    NotReached,
}

/// A rule, as it was tried on a job.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Tried {
    /// The rule.
    pub rule: Rule,
    /// What became of it.
    pub fate: Fate,
    /// Its conditions, the most general first. Those of a rule that was not reached are told too.
    pub conditions: Vec<Condition>,
}

/// The answer that follows if nothing happens but that time passes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Next {
    /// When: the decision's `review_at`.
    pub at: Timestamp,
    /// How long from now.
    pub wait: Duration,
    /// The action.
    pub action: Action,
    /// The rule.
    pub rule: Rule,
    /// The reason.
    pub reason: Reason,
}

/// A decision with every rule that led to it. Its `Display` is a page of plain text of at most 80 columns, as
/// long as the job's names are short; without an end of line after the last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Explanation {
    /// The database's clock.
    pub now: Timestamp,
    /// The row.
    pub job: JobSnapshot,
    /// What was seen.
    pub seen: Observation,
    /// What was decided.
    pub decision: Decision,
    /// The ten rules in order.
    pub rules: Vec<Tried>,
    /// What was looked at on the way from the rule that fired to its action: the pipeline, the gate, the caps.
    pub course: Vec<Condition>,
    /// What follows with no new fact; `None` if nothing ever does.
    pub next: Option<Next>,
}

/// Decides, and says why.
#[must_use]
pub fn explain(job: &JobSnapshot, seen: &Observation, clock: &Clock, policy: &Policy) -> Explanation {
    let decision = decide(job, seen, clock, policy);
    let case = conditions::Case::of(job, seen, clock, policy);
    let mut fired = false;
    let rules = Rule::ALL.into_iter().map(|rule| {
        let conditions = case.conditions(rule);
        let fate = if fired {
            Fate::NotReached
        } else if conditions.iter().all(|condition| condition.holds) {
            fired = true;
            Fate::Fired
        } else {
            Fate::DoesNotHold
        };
        Tried { rule, fate, conditions }
    });
    Explanation {
        now: clock.now,
        job: job.clone(),
        seen: seen.clone(),
        rules: rules.collect(),
        course: course::course(&decision, &case),
        next: decision.review_at.map(|at| next(at, job, seen, clock, policy)),
        decision,
    }
}

fn next(at: Timestamp, job: &JobSnapshot, seen: &Observation, clock: &Clock, policy: &Policy) -> Next {
    let then = Clock { now: at, jumps: clock.jumps.clone() };
    let Decision { action, rule, reason, .. } = decide(job, seen, &then, policy);
    let wait = at.signed_duration_since(clock.now).to_std().unwrap_or_default();
    Next { at, wait, action, rule, reason }
}
