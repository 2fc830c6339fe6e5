//! What all sequences together have come by. A machine in which nothing happens proves nothing.

use std::{collections::BTreeMap, sync::Mutex};

use reaper_core::{Action, JobSnapshot, Status};
use reaper_store::claims::Actor;

use super::{laws::Won, plots::plots};

/// Each is counted once per time that it happened, on the store in memory, which all others follow.
static CAME: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());

pub(crate) const LOST: &str = "a claim lost";
pub(crate) const BY_FENCE: &str = "a claim lost by the fence alone";
pub(crate) const BY_CAPS: &str = "a claim lost by the caps alone";
pub(crate) const BY_EXIT: &str = "a claim lost by the exit alone";
pub(crate) const NO_ANSWER: &str = "a gate that panicked when it was asked";
pub(crate) const SUPERSEDED: &str = "an advance superseded";
pub(crate) const FAILED_ONCE: &str = "a delivery that failed";
pub(crate) const RELEASED: &str = "a breaker released";

pub(crate) fn came(side: &str, what: &str) {
    if side == "memory" {
        *CAME.lock().unwrap().entry(what.into()).or_default() += 1;
    }
}

/// A settlement that was won.
pub(crate) fn won(side: &str, won: &Won, before: &JobSnapshot, rule: &str) {
    let late = before.status == Status::Queued;
    let what = match &won.action {
        Action::Done { .. } if late => "a late finish taken up",
        Action::Done { advance: Some(_) } => "done and on",
        other => other.as_str(),
    };
    came(side, &format!("{}: {what}", won.by.as_str()));
    if won.by == Actor::Reaper {
        came(side, &format!("by rule {rule}"));
    }
}

/// How often it happened.
pub(crate) fn count(what: &str) -> u32 {
    CAME.lock().unwrap().get(what).copied().unwrap_or_default()
}

/// Nothing has happened yet.
pub(crate) fn begin() {
    CAME.lock().unwrap().clear();
}

/// That so many random sequences have come by what they are certain to come by: a few by what happens most, many by
/// everything that a plot is about.
pub(crate) fn check(cases: u32) {
    let few = ["reaper: requeue", "reaper: fail"].into_iter().filter(|_| cases >= 12);
    let many = plots().into_iter().map(|(what, _)| what).filter(|_| cases >= 500);
    let missing: Vec<_> = few.chain(many).filter(|what| count(what) == 0).collect();
    let came = CAME.lock().unwrap();
    assert!(missing.is_empty(), "{cases} sequences have not come by {missing:?}, but by {came:#?}");
}
