//! Attempts of every standing, on the store in memory.

use chrono::DateTime;
use reaper_core::{Bond, Fence, ProcessIdentity};
use reaper_store::{
    Attempts as _, Claim, Claims as _, Facts as _, Outcome, Settlement,
    attempts::{Launcher, NewJob, Wants},
    claims::{Actor, EventId},
    memory::MemoryStore,
};

use super::*;

fn taken() -> (MemoryStore, Attempt) {
    let store = MemoryStore::new(DateTime::UNIX_EPOCH);
    let job = NewJob {
        agent: "developer".into(),
        repo: "shop".into(),
        task: None,
        max_attempts: 3,
        source_key: None,
        payload: None,
    };
    store.enqueue(&job).unwrap();
    let attempt = take(&store);
    (store, attempt)
}

fn take(store: &MemoryStore) -> Attempt {
    let monitor: ProcessIdentity = "here/b/1/2/3/4".parse().unwrap();
    let launcher = Launcher { monitor, bond: Bond::Free };
    store.take(&Wants::Any, &launcher).unwrap().unwrap().job.attempt
}

fn settle(store: &MemoryStore, settlement: Settlement) {
    let job = store.job(&1.into()).unwrap().unwrap().unwrap();
    let claim = Claim {
        event: EventId::draw(),
        attempt: job.attempt.clone(),
        basis: job.basis(),
        settlement,
        by: Actor::Person,
        rule: String::new(),
        reason: String::new(),
        evidence: serde_json::Value::Null,
        death: None,
        effect: None,
    };
    assert_eq!(store.settle(&[claim]).unwrap(), [Outcome::Won]);
}

const REQUEUE: Settlement = Settlement::Requeue { wait: std::time::Duration::ZERO, rescue_cap: None };

#[test]
fn what_runs_is_running() {
    let (store, attempt) = taken();
    assert_eq!(standing(&store, &attempt).unwrap(), Standing::Running);
}

#[test]
fn what_was_settled_has_moved_on() {
    for (settlement, word) in [(Settlement::Done, "done"), (Settlement::Fail, "failed"), (REQUEUE, "queued")] {
        let (store, attempt) = taken();
        settle(&store, settlement);
        assert_eq!(standing(&store, &attempt).unwrap(), Standing::MovedOn(word.into()));
    }
}

#[test]
fn what_was_taken_again_has_moved_on() {
    let (store, attempt) = taken();
    settle(&store, REQUEUE);
    let again = take(&store);
    assert_eq!(standing(&store, &attempt).unwrap(), Standing::MovedOn("taken again".into()));
    assert_eq!(standing(&store, &again).unwrap(), Standing::Running);
}

/// Two queues on one host have a job 1 each.
#[test]
fn an_attempt_of_another_queue_with_the_same_job_is_not_known() {
    let (store, mut other) = taken();
    settle(&store, Settlement::Done);
    other.fence = Fence::from(4711);
    assert_eq!(standing(&store, &other).unwrap(), Standing::NotKnown);
    other.job = 4711.into();
    assert_eq!(standing(&store, &other).unwrap(), Standing::NotKnown);
}
