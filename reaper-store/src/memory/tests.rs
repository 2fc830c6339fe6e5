//! What the suite cannot see, because it moves no clock.

use std::time::Duration;

use chrono::TimeDelta;
use reaper_core::{JobId, NodeId, Timestamp};

use super::{CarriedOut, MemoryStore};
use crate::{
    Attempts, Claim, Claims, Facts, History, Nodes, Outbox, Outcome, Settlement,
    attempts::{Recorded, Wants},
    claims::{Actor, EventId},
    foreign::{Foreign, ForeignJob, RunColumn, When},
    nodes::{Beaten, Boots, NodeBeat},
    outbox::{Posted, Which},
};

fn store() -> MemoryStore {
    MemoryStore::new(start())
}

fn start() -> Timestamp {
    Timestamp::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn exit_at(store: &MemoryStore, job: &JobId) -> Option<Timestamp> {
    store.job(job).unwrap().unwrap().unwrap().exit.map(|exit| exit.at)
}

#[test]
fn the_clock_is_told() {
    let store = store();
    assert_eq!(store.now().unwrap(), start());
    store.advance(Duration::from_secs(90));
    assert_eq!(store.now().unwrap(), start() + TimeDelta::seconds(90));
    store.set_now(start() - TimeDelta::hours(1));
    assert_eq!(store.now().unwrap(), start() - TimeDelta::hours(1));
    store.advance(Duration::MAX);
    assert_eq!(store.now().unwrap(), Timestamp::MAX_UTC);
}

#[test]
fn a_code_was_seen_when_it_was_seen_first() {
    let store = store();
    let run = store.insert_run(None, When::Null).unwrap();
    let job = store.insert_job(&ForeignJob { run: Some(run.clone()), ..ForeignJob::running(7, 100) }).unwrap();
    store.update_run(&run, &[RunColumn::ExitCode(Some(1))]).unwrap();
    store.advance(Duration::from_secs(50));
    // A time later than the first sight says nothing; the code is as old as it was.
    store.update_run(&run, &[RunColumn::FinishedAt(When::secs_ago(10))]).unwrap();
    assert_eq!(exit_at(&store, &job), Some(start()));
    // Another code is another sight.
    store.update_run(&run, &[RunColumn::ExitCode(Some(2)), RunColumn::FinishedAt(When::Null)]).unwrap();
    assert_eq!(exit_at(&store, &job), Some(start() + TimeDelta::seconds(50)));
}

#[test]
fn a_requeued_job_is_due_after_its_wait() {
    let store = store();
    let job = store.insert_job(&ForeignJob::running(7, 100)).unwrap();
    let row = store.job(&job).unwrap().unwrap().unwrap();
    let claim = Claim {
        event: EventId::draw(),
        attempt: row.attempt.clone(),
        basis: row.basis(),
        settlement: Settlement::Requeue { wait: Duration::from_secs(10), rescue_cap: Some(5) },
        by: Actor::Reaper,
        rule: String::new(),
        reason: String::new(),
        evidence: serde_json::Value::Null,
        death: None,
        effect: None,
    };
    assert_eq!(store.settle(&[claim]).unwrap(), [Outcome::Won]);
    let launcher = crate::attempts::Launcher::free("here/b00t/-/11/77/-".parse().unwrap());
    store.advance(Duration::from_secs(9));
    assert_eq!(store.take(&Wants::Any, &launcher).unwrap(), None);
    store.advance(Duration::from_secs(1));
    assert_eq!(store.take(&Wants::Any, &launcher).unwrap().map(|taken| taken.job.attempt.job), Some(job));
}

#[test]
fn a_lease_ends_with_its_time() {
    let store = store();
    let alert = reaper_core::Effect::Alert(reaper_core::Alert {
        kind: "job_failed".into(),
        job: None,
        text: "it failed".into(),
    });
    assert_eq!(store.post("k", &alert).unwrap(), Posted::New);
    let lease = || store.lease(&Which::Due, 10, Duration::from_secs(30)).unwrap().len();
    assert_eq!(lease(), 1);
    store.advance(Duration::from_secs(29));
    assert_eq!(lease(), 0);
    store.advance(Duration::from_secs(1));
    assert_eq!(lease(), 1);
}

#[test]
fn a_recorded_exit_has_a_time_of_its_own() {
    let store = store();
    let run = store.insert_run(None, When::Null).unwrap();
    assert_eq!(store.record_exit(&run, 0).unwrap(), Recorded::New);
    store.advance(Duration::from_secs(50));
    // A row that names the run later does not make its exit younger.
    let job = store.insert_job(&ForeignJob { run: Some(run), ..ForeignJob::running(7, 100) }).unwrap();
    assert_eq!(exit_at(&store, &job), Some(start()));
}

#[test]
fn a_declared_node_is_pruned_with_its_declaration() {
    let store = store();
    let node = NodeId { host: "there".into(), boot: "1".into() };
    let beat = NodeBeat { id: node.clone(), ttl: Duration::from_secs(60), reaper: "there:1".into() };
    assert_eq!(store.beat_node(&beat).unwrap(), Beaten::Up);
    store.advance(Duration::from_secs(60));
    assert_eq!(store.declare_dead("there", &Boots::All).unwrap(), [node]);
    assert_eq!(store.prune(start() + TimeDelta::seconds(60)).unwrap(), 0);
    assert_eq!(store.beat_node(&beat).unwrap(), Beaten::DeclaredDead);
    assert_eq!(store.prune(start() + TimeDelta::seconds(61)).unwrap(), 2, "the event and the node");
    assert_eq!(store.nodes().unwrap(), []);
}

#[test]
fn an_order_is_carried_out_once_and_only_on_its_visit() {
    let store = store();
    let task = store.insert_task(None, "architecture").unwrap();
    let queued = ForeignJob { task: Some(task.clone()), ..ForeignJob::default() };
    let job = store.insert_job(&queued).unwrap();
    let version = || store.job(&job).unwrap().unwrap().unwrap().task.unwrap().place.unwrap().version;
    let order = reaper_core::AdvanceOrder {
        task: task.clone(),
        repo: "shop".into(),
        from: "architecture".into(),
        version: version(),
        to: "development".into(),
        next_agent: Some("tester".into()),
    };
    let CarriedOut::Moved(Some(next)) = store.carry_out(&order) else { panic!("it was not moved") };
    assert_eq!(store.job(&next).unwrap().unwrap().unwrap().agent, "tester");
    store.set_stage(&task, "architecture").unwrap();
    assert_eq!(store.carry_out(&order), CarriedOut::Before);
    let stale = reaper_core::AdvanceOrder { version: 1.into(), ..order.clone() };
    assert_eq!(store.carry_out(&stale), CarriedOut::Superseded(Some("architecture".into())));
    let again = reaper_core::AdvanceOrder { version: version(), ..order };
    assert!(matches!(store.carry_out(&again), CarriedOut::Moved(Some(_))), "another visit");
}
