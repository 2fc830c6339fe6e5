//! Claims against everything that plain SQL can do between a read and a claim, and beside it.

use std::{sync::Barrier, thread};

use reaper_core::{Alert, Effect, JobSnapshot, Status};
use reaper_store::{
    Attempts as _, Claim, Claims as _, Facts as _, History as _, Outbox as _, Outcome, Settlement, StoreError,
    attempts::{Launcher, Wants, Written},
    claims::{Actor, EventId},
    facts::{Cursor, Here, Wanted},
    history::Query,
};

use crate::database::{Database, NOW, ago, refuses, replace, series};

pub(crate) fn claim(job: &JobSnapshot, settlement: Settlement) -> Claim {
    Claim {
        event: EventId::draw(),
        attempt: job.attempt.clone(),
        basis: job.basis(),
        settlement,
        by: Actor::Reaper,
        rule: "executor_dead".into(),
        reason: "the executor is gone".into(),
        evidence: serde_json::json!({ "dead_ticks": 2 }),
        death: None,
        effect: None,
    }
}

pub(crate) const REQUEUE: Settlement =
    Settlement::Requeue { wait: std::time::Duration::ZERO, rescue_cap: Some(5) };

/// A job that runs, with a run and a pid.
pub(crate) fn running() -> String {
    let began = ago(1000);
    format!(
        "INSERT INTO agent_runs (id) VALUES (7);
         INSERT INTO jobs (id, agent, repo, status, run_id, pid, started_at)
            VALUES (1, 'a', 'r', 'running', 7, 4321, {began})"
    )
}

/// Whatever is written between the read and the claim, the claim is lost and changes nothing. Statements of the caller's let
/// a status be NULL, and replace the job by itself.
pub(crate) fn what_is_written_between_read_and_claim_loses_it(nullable: &str, by_itself: &str) {
    let database = Database::adopted("");
    database.program.run(nullable);
    let queued = replace("jobs", 1, "agent, repo, status", "'a', 'r', 'queued'");
    for sql in [
        // Requeued and taken again, in every way (ABA).
        "UPDATE jobs SET status = 'queued'; UPDATE jobs SET status = 'running'",
        "UPDATE jobs SET status = 'queued'; UPDATE jobs SET status = 'running', pid = 4321, run_id = 7, started_at = started_at",
        "UPDATE jobs SET status = 'done'; UPDATE jobs SET status = 'running'",
        "DELETE FROM jobs; INSERT INTO jobs (id, agent, repo, status, run_id, pid) VALUES (1, 'a', 'r', 'running', 7, 4321)",
        by_itself,
        &format!("{queued}; UPDATE jobs SET status = 'running'"),
        // An exit, however it comes to the row.
        &format!("UPDATE agent_runs SET exit_code = 0, finished_at = {NOW}"),
        "UPDATE agent_runs SET exit_code = 1",
        &replace("agent_runs", 7, "exit_code", "0"),
        "INSERT INTO agent_runs (id, exit_code) VALUES (8, 0); UPDATE jobs SET run_id = 8",
        // Another process, another beginning, another status.
        "UPDATE jobs SET pid = 99",
        "UPDATE jobs SET pid = NULL",
        "UPDATE jobs SET run_id = NULL",
        &format!("UPDATE jobs SET started_at = {NOW}"),
        "UPDATE jobs SET status = 'done'",
        "UPDATE jobs SET status = 'paused'",
        "UPDATE jobs SET status = NULL",
        "DELETE FROM jobs",
    ] {
        for settlement in [Settlement::Done, REQUEUE, Settlement::Fail, Settlement::Terminate] {
            database.program.run(&format!("DELETE FROM jobs; DELETE FROM agent_runs; {}", running()));
            let read = database.job(1);
            database.program.run(sql);
            let before = database.program.dump_all();
            assert_eq!(database.store.settle(&[claim(&read, settlement)]).unwrap(), [Outcome::Lost], "{sql}");
            assert_eq!(database.program.dump_all(), before, "{sql}");
        }
    }
}

/// What has nothing to do with the decision does not lose it.
#[test]
fn what_is_no_fact_of_the_decision_does_not_matter() {
    for sql in [
        "UPDATE jobs SET status = 'running', pid = pid, run_id = run_id, started_at = started_at",
        &format!("UPDATE jobs SET error = 'hm', created_at = {NOW}"),
        "INSERT INTO agent_runs (exit_code) VALUES (0)",
        &format!("UPDATE agent_runs SET agent = 'x', finished_at = {NOW}"),
    ] {
        let database = Database::adopted(&running());
        let read = database.job(1);
        database.program.run(sql);
        assert_eq!(database.store.settle(&[claim(&read, REQUEUE)]).unwrap(), [Outcome::Won], "{sql}");
    }
}

#[test]
fn f04_of_sixteen_that_claim_at_once_one_wins() {
    // A tenth of them where a quick run has no time for all.
    let rounds = if std::env::var("PROOF").is_ok_and(|value| value == "full") { 1000 } else { 100 };
    let database = Database::adopted("");
    let stores: Vec<_> = (0..16).map(|_| database.open(Default::default())).collect();
    for round in 1..=rounds {
        database.program.run("INSERT INTO jobs (agent, repo, status, pid) VALUES ('a', 'r', 'running', 4321)");
        let read = database.job(round);
        let barrier = Barrier::new(stores.len());
        let outcomes: Vec<_> = thread::scope(|scope| {
            let racers: Vec<_> = stores
                .iter()
                .map(|store| {
                    let (read, barrier) = (&read, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        store.settle(&[claim(read, REQUEUE)]).unwrap().remove(0)
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Won).count(), 1, "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Lost).count(), 15, "{outcomes:?}");
    }
    assert_eq!(database.program.number("SELECT count(*) AS x FROM reaper_events"), Some(rounds));
}

/// Twenty jobs are settled as one set. A trigger of the caller's refuses the 3rd and the 17th, by a word or without any.
pub(crate) fn rows_that_the_owner_refuses_are_left_out(trigger: &str, word: Option<&str>) -> Database {
    let database = Database::adopted("");
    let numbers = series(20);
    database.program.run(&format!(
        "INSERT INTO jobs (agent, repo, status, pid) SELECT 'a', 'r', 'running', i FROM {numbers}; {trigger}"
    ));
    let claims: Vec<_> = (1..=20).map(|id| claim(&database.job(id), Settlement::Fail)).collect();
    let outcomes = database.store.settle(&claims).unwrap();
    for (id, outcome) in (1..=20).zip(outcomes) {
        let status = database.job(id).status;
        match (id, outcome, word) {
            (3 | 17, Outcome::Refused(why), Some(word)) => {
                assert!(why.contains(word), "{why}");
                assert_eq!(status, Status::Running);
            }
            // The owner's program has its own way of leaving rows alone: then nothing was written.
            (3 | 17, Outcome::Lost, None) => assert_eq!(status, Status::Running),
            (_, outcome, _) => {
                assert_eq!((outcome, status), (Outcome::Won, Status::Failed), "{trigger}, job {id}");
            }
        }
    }
    assert_eq!(database.program.number("SELECT count(*) AS x FROM reaper_events"), Some(18), "{trigger}");
    database
}

/// What a claim brings about is stored with it or it is none: a job whose effect cannot be stored is left as it is, and those beside
/// it are settled.
#[test]
fn a_claim_whose_effect_cannot_be_stored_is_none() {
    let database = Database::adopted("");
    let refuses = refuses("owner", "INSERT ON reaper_outbox", "NEW.job_id = 2", "no room");
    database.program.run(&format!(
        "INSERT INTO jobs (agent, repo, status, pid) VALUES ('a', 'r', 'running', 1), ('a', 'r', 'running', 2), ('a', 'r', 'running', 3);
         {refuses}"
    ));
    let claims: Vec<_> = (1..=3)
        .map(|id| {
            let alert = Alert { kind: "job_failed".into(), job: Some(id.into()), text: "t".into() };
            let effect = Some(Effect::Alert(alert));
            Claim { effect, ..claim(&database.job(id), Settlement::Fail) }
        })
        .collect();
    let outcomes = database.store.settle(&claims).unwrap();
    assert!(
        matches!(&outcomes[..], [Outcome::Won, Outcome::Refused(why), Outcome::Won] if why.contains("no room"))
    );
    let status = |id: i64| database.job(id).status;
    assert_eq!([1, 2, 3].map(status), [Status::Failed, Status::Running, Status::Failed]);
    assert_eq!(database.program.number("SELECT count(*) AS x FROM reaper_events WHERE job_id = 2"), Some(0));
    assert_eq!(database.program.number("SELECT count(*) AS x FROM reaper_outbox"), Some(2));
}

/// The whole set fails for a reason that is no row's: nothing is split, nothing is changed.
#[test]
fn a_set_that_fails_as_a_whole_is_not_split() {
    let database = Database::adopted(&running());
    let read = database.job(1);
    database.program.run("DROP TABLE reaper_events");
    let problem = database.store.settle(&[claim(&read, REQUEUE), claim(&read, REQUEUE)]).unwrap_err();
    assert!(matches!(problem, StoreError::NotMigrated { .. }), "{problem:?}");
    assert_eq!(database.program.text("SELECT status AS x FROM jobs").as_deref(), Some("running"));
}

/// A foreign take that sets the status alone: the old pid and the old run are none of the new attempt's.
#[test]
fn f41_a_foreign_take_with_the_old_pid_and_run_is_another_attempt() {
    let database = Database::adopted(&running());
    let old = database.job(1);
    database.program.run("UPDATE jobs SET status = 'queued'; UPDATE jobs SET status = 'running'");
    let here = Wanted {
        exits_until: chrono::DateTime::<chrono::Utc>::MIN_UTC,
        started_until: chrono::DateTime::<chrono::Utc>::MIN_UTC,
        beats_until: None,
        late_finishes: true,
        suspects: vec![],
        here: Some(Here { host: "here".into(), bare_pids: true, since: None }),
        lost: Vec::new(),
    };
    let load = || database.store.load(&here, &Cursor::default(), 10).unwrap().rows;
    assert!(load().is_empty(), "there is nothing to probe");
    let new = database.job(1);
    assert_eq!((new.pid, new.run.clone()), (None, None));
    // The old monitor records its exit: neither the new attempt's, nor a reason to settle it.
    database.program.run(&format!("UPDATE agent_runs SET exit_code = 1, finished_at = {NOW}"));
    assert_eq!(database.job(1), new);
    for read in [&old, &JobSnapshot { attempt: new.attempt, ..old.clone() }] {
        assert_eq!(database.store.settle(&[claim(read, Settlement::Fail)]).unwrap(), [Outcome::Lost]);
    }
    // Once the new worker has written its own, it is probed and can be settled.
    database.program.run("UPDATE jobs SET pid = 99");
    let own = load().remove(0).unwrap();
    assert_eq!(own.pid, Some(99));
    assert_eq!(database.store.settle(&[claim(&own, REQUEUE)]).unwrap(), [Outcome::Won]);
}

/// A set of many, with effects, in one transaction.
#[test]
fn a_set_of_many_is_settled_together() {
    let database = Database::created();
    let numbers = series(500);
    database
        .program
        .run(&format!("INSERT INTO jobs (agent, repo, status, pid) SELECT 'a', 'r', 'running', i FROM {numbers}"));
    let claims: Vec<_> = (1..=500)
        .map(|id| {
            let effect = Effect::Alert(Alert {
                kind: "job_failed".into(),
                job: Some(id.into()),
                text: format!("job {id} failed"),
            });
            Claim { effect: Some(effect), ..claim(&database.job(id), Settlement::Fail) }
        })
        .collect();
    let outcomes = database.store.settle(&claims).unwrap();
    assert_eq!(outcomes, vec![Outcome::Won; 500]);
    assert_eq!(database.store.undelivered(1000).unwrap().len(), 500);
    let events = database.program.texts("SELECT id AS x FROM reaper_events ORDER BY seq");
    assert_eq!(events, claims.iter().map(|claim| Some(claim.event.0.to_string())).collect::<Vec<_>>());
}

/// Events and last errors may hold anything that a text can: of this database also `more`. An expression of the caller's gives
/// the error's bytes.
pub(crate) fn hostile_texts_stay_texts(more: &str, bytes: &str) {
    let hostile = &*format!("'; DROP TABLE jobs; -- {more} \u{1b}[31m \u{202e} \" \\ $(id) %s :job ж\n");
    let database = Database::adopted(&running());
    let read = database.job(1);
    let claim = Claim {
        rule: hostile.into(),
        reason: hostile.into(),
        evidence: serde_json::json!({ hostile: hostile }),
        ..claim(&read, Settlement::Fail)
    };
    assert_eq!(database.store.settle(std::slice::from_ref(&claim)).unwrap(), [Outcome::Won]);
    let event = database.store.events(&Query { limit: 10, ..Query::default() }).unwrap().remove(0);
    assert_eq!((event.rule, event.reason, event.evidence), (hostile.into(), hostile.into(), claim.evidence));
    let bytes = database.program.text(&format!("SELECT {bytes} AS x FROM jobs")).unwrap();
    assert_eq!(bytes, hostile.bytes().map(|byte| format!("{byte:02X}")).collect::<String>());
}

/// Counters that stand at their ends stay there: an attempt's at the most that its column can hold, once this has made it.
pub(crate) fn counters_saturate(column: &str, most: u32) {
    let database = Database::adopted(&format!(
        "{column} INSERT INTO jobs (id, agent, repo, attempts, max_attempts) VALUES (1, 'a', 'r', {most}, {most})"
    ));
    let monitor = Launcher::free("here/b/1/2/3/4".parse().unwrap());
    let taken = database.store.take(&Wants::Any, &monitor).unwrap().unwrap();
    assert_eq!(taken.job.attempts, most);
    database.program.run("UPDATE jobs SET reaper_beat = 9223372036854775807, reaper_beat_at = 0");
    assert_eq!(database.store.beat(&taken.job.attempt).unwrap(), Written::Yes);
    assert_eq!(database.job(1).beat.unwrap().count, i64::MAX);
    database.program.run("UPDATE jobs SET reaper_rescues = 4294967295, attempts = 1");
    let unbounded = Settlement::Requeue { wait: std::time::Duration::ZERO, rescue_cap: None };
    let by_monitor = Claim { by: Actor::Monitor, ..claim(&database.job(1), unbounded) };
    assert_eq!(database.store.settle(&[by_monitor]).unwrap(), [Outcome::Won]);
    assert_eq!(database.job(1).rescues, u32::MAX);
}
