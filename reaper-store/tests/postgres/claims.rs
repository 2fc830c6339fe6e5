//! Claims on PostgreSQL: the ways in which its triggers refuse, its types, and its locks.

use std::thread;

use reaper_store::{Claim, Claims as _, Outcome, Settlement, StoreError, claims::Actor, postgres::Options};

use crate::{
    both::{
        again,
        claims::{self, claim, running},
    },
    database::{Database, Program},
};

#[test]
fn f06_what_is_written_between_read_and_claim_loses_it() {
    claims::what_is_written_between_read_and_claim_loses_it(
        "ALTER TABLE jobs ALTER status DROP NOT NULL",
        "CREATE TEMP TABLE kept AS SELECT * FROM jobs; DELETE FROM jobs; INSERT INTO jobs SELECT * FROM kept; DROP TABLE kept",
    );
}

const FORGET: &str = "TRUNCATE agent_runs RESTART IDENTITY";

/// A sequence that was set back gives the id of a run that was deleted again.
#[test]
fn a_run_whose_id_comes_again_is_the_new_attempts_own() {
    again::a_run_whose_id_comes_again(FORGET);
}

/// Nor is its exit what the job before waited for.
#[test]
fn an_exit_of_a_run_whose_id_comes_again_is_its_own_jobs() {
    again::an_exit_of_a_run_whose_id_comes_again_is_its_own_jobs(FORGET);
}

/// An owner's trigger refuses single rows of a set: at once, at the commit, or without a word.
#[test]
fn f40_rows_that_the_owner_refuses_are_left_out() {
    const AT_ONCE: &str = "TRIGGER owner BEFORE UPDATE ON jobs";
    const AT_COMMIT: &str = "CONSTRAINT TRIGGER owner AFTER UPDATE ON jobs DEFERRABLE INITIALLY DEFERRED";
    for (trigger, word) in
        [(AT_ONCE, Some("the owner's word")), (AT_COMMIT, Some("the owner's word")), (AT_ONCE, None)]
    {
        let body = if word.is_some() { "RAISE EXCEPTION 'the owner''s word'" } else { "RETURN NULL" };
        claims::rows_that_the_owner_refuses_are_left_out(
            &format!(
                "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; END $$;
                 CREATE {trigger} FOR EACH ROW WHEN (NEW.id IN (3, 17)) EXECUTE FUNCTION no()"
            ),
            word,
        );
    }
}

#[test]
fn f28_hostile_texts_stay_texts() {
    claims::hostile_texts_stay_texts("", "upper(encode(convert_to(reaper_last_error, 'UTF8'), 'hex'))");
}

#[test]
fn counters_saturate() {
    for (kind, most) in [("integer", 2_147_483_647), ("bigint", u32::MAX)] {
        claims::counters_saturate(
            &format!(
                "ALTER TABLE jobs ALTER attempts TYPE {kind}; ALTER TABLE jobs ALTER max_attempts TYPE {kind};"
            ),
            most,
        );
    }
}

/// A reaper leaves out a row that somebody else is writing; a monitor waits for it, and no longer than it may.
#[test]
fn a_locked_row_is_lost_for_a_reaper_and_waited_for_by_a_monitor() {
    let database = Database::adopted(&running());
    let other = Program::on(database.url());
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
    let database = Database::adopted(&running());
    let other = Program::on(database.url());
    let read = database.job(1);
    other.run("CREATE TABLE job_logs (job integer REFERENCES jobs (id))");
    other.run("BEGIN; INSERT INTO job_logs VALUES (1)");
    assert_eq!(database.store.settle(&[claim(&read, Settlement::Fail)]).unwrap(), [Outcome::Won]);
    other.run("COMMIT");
}
