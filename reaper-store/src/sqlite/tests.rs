//! What can only be seen from inside: a full disk, a commit whose outcome is unknown, a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::connection::SimpleConnection as _;
use reaper_core::{Alert, Attempt, Effect, JobId, Status};
use tempfile::TempDir;

use super::{Options, SqliteStore, sql};
use crate::{
    Attempts as _, Claim, Claims as _, Facts as _, History as _, Outbox as _, Outcome, Schema as _, Settlement,
    StoreError,
    attempts::{Enqueued, Launcher, NewJob, Wants, Written},
    claims::{Actor, EventId},
    database::{Database as _, Statement, after_commit},
    history::Query,
    outbox::Posted,
};

fn store() -> (TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::create_or_open(&folder.path().join("jobs.db"), Options::default()).unwrap();
    store.migrate().unwrap();
    (folder, store)
}

fn taken(store: &SqliteStore) -> Claim {
    let job = NewJob {
        agent: "a".into(),
        repo: "r".into(),
        task: None,
        max_attempts: 2,
        source_key: None,
        payload: None,
    };
    assert!(matches!(store.enqueue(&job).unwrap(), Enqueued::New(_)));
    let taken = store.take(&Wants::Any, &Launcher::free("here/b/1/2/3/4".parse().unwrap())).unwrap().unwrap();
    Claim {
        event: EventId::draw(),
        attempt: taken.job.attempt.clone(),
        basis: taken.job.basis(),
        settlement: Settlement::Fail,
        by: Actor::Reaper,
        rule: "ceiling".into(),
        reason: "too old".into(),
        evidence: serde_json::Value::Null,
        death: None,
        effect: None,
    }
}

fn status(store: &SqliteStore, job: &JobId) -> Status {
    store.job(job).unwrap().unwrap().unwrap().status
}

fn events(store: &SqliteStore) -> usize {
    store.events(&Query { limit: 100, ..Query::default() }).unwrap().len()
}

fn idle(store: &SqliteStore) -> usize {
    store.pool.idle()
}

/// Bounds the size of the file, as a full disk does, for the connection that the next call uses.
fn limit_pages(store: &SqliteStore, pages: u32) {
    store.pool.forget();
    let limit = format!("PRAGMA max_page_count = {pages}");
    store.pool.read(|session| Ok(session.connection.batch_execute(&limit)?)).unwrap();
}

#[test]
fn a_full_disk_is_named_and_recovered_from() {
    let (_folder, store) = store();
    let claim = Claim { evidence: "x".repeat(200_000).into(), ..taken(&store) };
    let big = Effect::Alert(Alert { kind: "k".into(), job: None, text: "x".repeat(200_000) });
    for _ in 0..3 {
        // 1: as small as the file already is.
        limit_pages(&store, 1);
        let problem = store.post("k", &big).unwrap_err();
        assert!(matches!(&problem, StoreError::Full(_)), "the cause is not masked: {problem:?}");
        limit_pages(&store, 1);
        let problem = store.settle(std::slice::from_ref(&claim)).unwrap_err();
        assert!(matches!(&problem, StoreError::Full(_)), "the cause is not masked: {problem:?}");
    }
    assert_eq!(status(&store, &claim.attempt.job), Status::Running, "all or nothing");
    assert_eq!((events(&store), store.undelivered(10).unwrap().len()), (0, 0));
    // The same store goes on once there is room.
    limit_pages(&store, 1_000_000);
    assert_eq!(store.post("k", &big).unwrap(), Posted::New);
    assert_eq!(store.settle(&[claim]).unwrap(), [Outcome::Won]);
    let ok = store.pool.read(|session| {
        let row = Statement::new("PRAGMA integrity_check", []).first_row(session.connection)?;
        Ok(row.and_then(|mut row| row.next_text()))
    });
    assert_eq!(ok.unwrap().as_deref(), Some("ok"));
}

/// A full disk ends a set as a whole: no row is said to be at fault.
#[test]
fn a_full_disk_is_no_rows_fault() {
    let (_folder, store) = store();
    let claims: Vec<_> = (0..3).map(|_| Claim { evidence: "x".repeat(100_000).into(), ..taken(&store) }).collect();
    limit_pages(&store, 1);
    assert!(matches!(store.settle(&claims), Err(StoreError::Full(_))));
    assert_eq!(events(&store), 0);
}

#[test]
fn a_commit_with_an_unknown_outcome_is_looked_up() {
    let (folder, store) = store();
    let claim = taken(&store);
    let broken = || StoreError::Database("disk I/O error".into());
    let look_up = || after_commit(&store, std::slice::from_ref(&claim), vec![Outcome::Won], broken());
    assert!(matches!(look_up(), Err(StoreError::Database(_))), "no event: nothing was changed");
    assert_eq!(store.settle(std::slice::from_ref(&claim)).unwrap(), [Outcome::Won]);
    assert_eq!(look_up().unwrap(), [Outcome::Won], "the event is there: it was won");
    // Nothing was to be won: there is nothing to be in doubt about.
    let other = Claim { event: EventId::draw(), ..claim.clone() };
    assert_eq!(after_commit(&store, &[other], vec![Outcome::Lost], broken()).unwrap(), [Outcome::Lost]);
    std::fs::rename(folder.path().join("jobs.db"), folder.path().join("gone.db")).unwrap();
    let problem = look_up().unwrap_err();
    assert!(matches!(&problem, StoreError::OutcomeUnknown(_)), "{problem:?}");
}

#[test]
fn a_connection_that_saw_a_panic_is_dropped() {
    let (_folder, store) = store();
    let claim = taken(&store);
    assert_eq!(idle(&store), 1);
    let panicked: Result<Result<(), StoreError>, _> = catch_unwind(AssertUnwindSafe(|| {
        store.write(|connection| {
            Statement::new(sql::REQUEUE_ALL, []).run(connection)?;
            panic!("in the middle of a transaction")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(idle(&store), 0);
    assert_eq!(status(&store, &claim.attempt.job), Status::Running, "nothing of it was kept, and no lock is held");
    assert_eq!(store.settle(&[claim]).unwrap(), [Outcome::Won]);
}

#[test]
fn connections_are_kept_and_bounded() {
    let (_folder, store) = store();
    let barrier = std::sync::Barrier::new(9);
    std::thread::scope(|scope| {
        for _ in 0..9 {
            scope.spawn(|| {
                store.pool.read(|_| {
                    barrier.wait();
                    Ok(())
                })
            });
        }
    });
    assert_eq!(idle(&store), 4);
    let attempt = Attempt { job: 1.into(), fence: 1.into() };
    for _ in 0..10 {
        assert_eq!(store.beat(&attempt).unwrap(), Written::NotMine);
    }
    assert_eq!(idle(&store), 4);
}

/// Values are bound by name, wherever and however often the name stands; one without a value is no NULL.
#[test]
fn places_without_a_value_are_errors() {
    let (_folder, store) = store();
    let sum = |values: [(&'static str, i64); 2]| {
        store.pool.read(|session| {
            let values = values.map(|(name, value)| (name, value.into()));
            let row = Statement::new("SELECT :a + :b * :a", values).first_row(session.connection)?;
            Ok(row.and_then(|mut row| row.next_int()))
        })
    };
    assert_eq!(sum([("b", 10), ("a", 3)]).unwrap(), Some(33));
    assert!(sum([("b", 10), ("c", 3)]).unwrap_err().to_string().contains("`:a` has no value"));
}
