//! When a decision could change by the passing of time alone.

use core::time::Duration;

use super::Answer;
use crate::{Clock, JobSnapshot, Observation, Policy, Timestamp};

/// The first instant after now at which the answer is another one, with the same facts.
///
/// All that time can do is turn one of a handful of comparisons, each at an instant that is known. Between two
/// of them the answer stands, so that asking again at each of them is enough.
pub(super) fn review_at(
    answer: &Answer,
    job: &JobSnapshot,
    seen: &Observation,
    clock: &Clock,
    policy: &Policy,
) -> Option<Timestamp> {
    let mut turns = turns(job, clock, policy);
    turns.sort_unstable();
    let mut later = None;
    turns.into_iter().flatten().filter(|at| *at > clock.now).find(|at| {
        let later = later.get_or_insert_with(|| clock.clone());
        later.now = *at;
        Answer::of(job, seen, later, policy) != *answer
    })
}

/// The instants at which a comparison turns.
fn turns(job: &JobSnapshot, clock: &Clock, policy: &Policy) -> [Option<Timestamp>; 5] {
    let limits = policy.limits_for(&job.agent);
    let when = |since: Option<Timestamp>, age: Option<Duration>| clock.when(since?, age?);
    [
        when(job.exit.map(|exit| exit.at), Some(limits.finalize_grace)),
        when(job.started_at, Some(limits.max_running)),
        when(job.started_at, Some(limits.max_running.saturating_add(policy.elsewhere_patience))),
        when(job.started_at, limits.start_timeout),
        when(job.terminating_at, Some(policy.terminating_expires())),
    ]
}
