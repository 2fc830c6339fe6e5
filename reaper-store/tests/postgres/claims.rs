//! Claims against everything that plain SQL can do between a read and a claim, and beside it.

use std::{sync::Barrier, thread};

use reaper_core::{JobSnapshot, Status};
use reaper_store::{
    Attempts as _, Claim, Claims as _, Facts as _, Outbox as _, Outcome, Schema as _, Settlement, StoreError,
    attempts::{Launcher, Wants, Written},
    claims::{Actor, EventId},
    facts::{Cursor, Here, Wanted},
    postgres::Options,
};

use crate::{
    both::{again, effects},
    database::Database,
};

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

const RUNNING: &str = "INSERT INTO agent_runs (id) VALUES (7);
    INSERT INTO jobs (id, agent, repo, status, run_id, pid, started_at)
        VALUES (1, 'a', 'r', 'running', 7, 4321, now() - interval '1000 seconds')";

/// Whatever is written between the read and the claim, the claim is lost and changes nothing.
#[test]
fn f06_what_is_written_between_read_and_claim_loses_it() {
    let database = Database::adopted("ALTER TABLE jobs ALTER status DROP NOT NULL");
    for sql in [
        // Requeued and taken again, in every way (ABA).
        "UPDATE jobs SET status = 'queued'; UPDATE jobs SET status = 'running'",
        "UPDATE jobs SET status = 'queued'; UPDATE jobs SET status = 'running', pid = 4321, run_id = 7, started_at = started_at",
        "UPDATE jobs SET status = 'done'; UPDATE jobs SET status = 'running'",
        "DELETE FROM jobs; INSERT INTO jobs (id, agent, repo, status, run_id, pid) VALUES (1, 'a', 'r', 'running', 7, 4321)",
        "CREATE TEMP TABLE kept AS SELECT * FROM jobs; DELETE FROM jobs; INSERT INTO jobs SELECT * FROM kept; DROP TABLE kept",
        "DELETE FROM jobs; INSERT INTO jobs (id, agent, repo, status) VALUES (1, 'a', 'r', 'queued'); UPDATE jobs SET status = 'running'",
        // An exit, however it comes to the row.
        "UPDATE agent_runs SET exit_code = 0, finished_at = now()",
        "UPDATE agent_runs SET exit_code = 1",
        "DELETE FROM agent_runs WHERE id = 7; INSERT INTO agent_runs (id, exit_code) VALUES (7, 0)",
        "INSERT INTO agent_runs (id, exit_code) VALUES (8, 0); UPDATE jobs SET run_id = 8",
        // Another process, another beginning, another status.
        "UPDATE jobs SET pid = 99",
        "UPDATE jobs SET pid = NULL",
        "UPDATE jobs SET run_id = NULL",
        "UPDATE jobs SET started_at = now()",
        "UPDATE jobs SET status = 'done'",
        "UPDATE jobs SET status = 'paused'",
        "UPDATE jobs SET status = NULL",
        "DELETE FROM jobs",
    ] {
        for settlement in [Settlement::Done, REQUEUE, Settlement::Fail, Settlement::Terminate] {
            database.program.run(&format!("DELETE FROM jobs; DELETE FROM agent_runs; {RUNNING}"));
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
        "UPDATE jobs SET error = 'hm', created_at = now()",
        "UPDATE jobs SET status = 'running', pid = pid, run_id = run_id, started_at = started_at",
        "INSERT INTO agent_runs (exit_code) VALUES (0)",
        "UPDATE agent_runs SET agent = 'x', finished_at = now()",
    ] {
        let database = Database::adopted(RUNNING);
        let read = database.job(1);
        database.program.run(sql);
        assert_eq!(database.store.settle(&[claim(&read, REQUEUE)]).unwrap(), [Outcome::Won], "{sql}");
    }
}

/// A sequence that was set back gives the id of a run that was deleted again.
#[test]
fn a_run_whose_id_comes_again_is_the_new_attempts_own() {
    again::a_run_whose_id_comes_again("TRUNCATE agent_runs RESTART IDENTITY");
}

#[test]
fn f04_of_sixteen_that_claim_at_once_one_wins() {
    // A tenth of them where a quick run has no time for all.
    let rounds = if std::env::var("PROOF").is_ok_and(|value| value == "full") { 1000 } else { 100 };
    let database = Database::adopted("");
    let stores: Vec<_> = (0..16).map(|_| database.open(Options::default())).collect();
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

/// An owner's trigger refuses single rows of a set: at once, at the commit, or without a word.
#[test]
fn f40_rows_that_the_owner_refuses_are_left_out() {
    for (how, kept) in [("BEFORE", true), ("CONSTRAINT", true), ("QUIET", false)] {
        let trigger = match how {
            "CONSTRAINT" => {
                "CREATE CONSTRAINT TRIGGER owner AFTER UPDATE ON jobs DEFERRABLE INITIALLY DEFERRED
                    FOR EACH ROW WHEN (NEW.id IN (3, 17)) EXECUTE FUNCTION no()"
            }
            _ => {
                "CREATE TRIGGER owner BEFORE UPDATE ON jobs FOR EACH ROW WHEN (NEW.id IN (3, 17)) EXECUTE FUNCTION no()"
            }
        };
        let body = if kept { "RAISE EXCEPTION 'the owner''s word'" } else { "RETURN NULL" };
        let database = Database::adopted("");
        database.program.run(&format!(
            "INSERT INTO jobs (agent, repo, status, pid) SELECT 'a', 'r', 'running', i FROM generate_series(1, 20) AS n (i);
             CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; END $$;
             {trigger}"
        ));
        let claims: Vec<_> = (1..=20).map(|id| claim(&database.job(id), Settlement::Fail)).collect();
        let outcomes = database.store.settle(&claims).unwrap();
        for (id, outcome) in (1..=20).zip(outcomes) {
            let status = database.job(id).status;
            match (id, outcome) {
                (3 | 17, Outcome::Refused(why)) if kept => {
                    assert!(why.contains("the owner's word"), "{why}");
                    assert_eq!(status, Status::Running);
                }
                // The owner's program has its own way of leaving rows alone: then nothing was written.
                (3 | 17, Outcome::Lost) if !kept => assert_eq!(status, Status::Running),
                (_, outcome) => assert_eq!((outcome, status), (Outcome::Won, Status::Failed), "{how}, job {id}"),
            }
        }
        assert_eq!(database.program.number("SELECT count(*) AS x FROM reaper_events"), Some(18), "{how}");
    }
}

/// What a claim brings about is stored with it or it is none: a job whose effect cannot be stored is left as it is, and those beside
/// it are settled.
#[test]
fn a_claim_whose_effect_cannot_be_stored_is_none() {
    let database = Database::adopted("");
    database.program.run(
        "INSERT INTO jobs (agent, repo, status, pid) VALUES ('a', 'r', 'running', 1), ('a', 'r', 'running', 2), ('a', 'r', 'running', 3);
         CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room'; END $$;
         CREATE TRIGGER owner BEFORE INSERT ON reaper_outbox FOR EACH ROW WHEN (NEW.job_id = 2) EXECUTE FUNCTION no()",
    );
    effects::refused_for_the_second(&database);
}

/// The whole set fails for a reason that is no row's: nothing is split, nothing is changed.
#[test]
fn a_set_that_fails_as_a_whole_is_not_split() {
    let database = Database::adopted(RUNNING);
    let read = database.job(1);
    database.program.run("DROP TABLE reaper_events");
    let problem = database.store.settle(&[claim(&read, REQUEUE), claim(&read, REQUEUE)]).unwrap_err();
    assert!(matches!(problem, StoreError::NotMigrated { .. }), "{problem:?}");
    assert_eq!(database.program.text("SELECT status AS x FROM jobs").as_deref(), Some("running"));
}

/// A foreign take that sets the status alone: the old pid and the old run are none of the new attempt's.
#[test]
fn f41_a_foreign_take_with_the_old_pid_and_run_is_another_attempt() {
    let database = Database::adopted(RUNNING);
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
    database.program.run("UPDATE agent_runs SET exit_code = 1, finished_at = now()");
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
    database.program.run(
        "INSERT INTO jobs (agent, repo, status, pid) SELECT 'a', 'r', 'running', i FROM generate_series(1, 500) AS n (i)",
    );
    let claims: Vec<_> = (1..=500)
        .map(|id| {
            let effect = reaper_core::Effect::Alert(reaper_core::Alert {
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

/// Events and last errors may hold anything that a text can.
#[test]
fn f28_hostile_texts_stay_texts() {
    let hostile = "'; DROP TABLE jobs; -- \u{1b}[31m \u{202e} \" \\ $(id) %s :job ж\n";
    let database = Database::adopted(RUNNING);
    let read = database.job(1);
    let claim = Claim {
        rule: hostile.into(),
        reason: hostile.into(),
        evidence: serde_json::json!({ hostile: hostile }),
        ..claim(&read, Settlement::Fail)
    };
    assert_eq!(database.store.settle(std::slice::from_ref(&claim)).unwrap(), [Outcome::Won]);
    let events = reaper_store::History::events(
        &database.store,
        &reaper_store::history::Query { limit: 10, ..Default::default() },
    );
    let event = events.unwrap().remove(0);
    assert_eq!((event.rule, event.reason, event.evidence), (hostile.into(), hostile.into(), claim.evidence));
    let bytes = database
        .program
        .text("SELECT upper(encode(convert_to(reaper_last_error, 'UTF8'), 'hex')) AS x FROM jobs")
        .unwrap();
    assert_eq!(bytes, hostile.bytes().map(|byte| format!("{byte:02X}")).collect::<String>());
}

/// Counters that stand at their ends stay there.
#[test]
fn counters_saturate() {
    for (kind, most) in [("integer", 2_147_483_647), ("bigint", u32::MAX)] {
        let database = Database::seeded(&format!(
            "ALTER TABLE jobs ALTER attempts TYPE {kind}; ALTER TABLE jobs ALTER max_attempts TYPE {kind};
             INSERT INTO jobs (id, agent, repo, attempts, max_attempts) VALUES (1, 'a', 'r', {most}, {most})"
        ));
        database.store.migrate().unwrap();
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
}

/// A reaper leaves out a row that somebody else is writing; a monitor waits for it, and no longer than it may.
#[test]
fn a_locked_row_is_lost_for_a_reaper_and_waited_for_by_a_monitor() {
    let database = Database::adopted(RUNNING);
    let other = crate::database::Program::on(database.url());
    let read = database.job(1);
    let brief = Options { lock_timeout: std::time::Duration::from_millis(50), ..Options::default() };
    other.run("BEGIN; SELECT * FROM jobs FOR UPDATE");
    assert_eq!(database.store.settle(&[claim(&read, Settlement::Fail)]).unwrap(), [Outcome::Lost]);
    let by_monitor = Claim { by: Actor::Monitor, ..claim(&read, Settlement::Done) };
    let problem = database.open(brief).settle(std::slice::from_ref(&by_monitor)).unwrap_err();
    assert!(matches!(problem, StoreError::Busy { waited_ms: 50 }), "{problem:?}");
    thread::scope(|scope| {
        let settled = scope.spawn(|| database.store.settle(&[by_monitor]).unwrap());
        other.run("COMMIT");
        assert_eq!(settled.join().unwrap(), [Outcome::Won]);
    });
}

/// A row that refers to the job and is being inserted hinders no claim.
#[test]
fn a_foreign_key_to_the_job_is_no_lock_that_counts() {
    let database = Database::adopted(RUNNING);
    let other = crate::database::Program::on(database.url());
    let read = database.job(1);
    other.run("CREATE TABLE job_logs (job integer REFERENCES jobs (id))");
    other.run("BEGIN; INSERT INTO job_logs VALUES (1)");
    assert_eq!(database.store.settle(&[claim(&read, Settlement::Fail)]).unwrap(), [Outcome::Won]);
    other.run("COMMIT");
}
