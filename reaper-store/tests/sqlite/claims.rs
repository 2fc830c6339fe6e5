//! Claims on SQLite: the ways in which its triggers refuse, and what it alone can store.

use crate::both::{again, claims};

#[test]
fn f06_what_is_written_between_read_and_claim_loses_it() {
    claims::what_is_written_between_read_and_claim_loses_it(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_master SET sql = replace(sql, 'status TEXT NOT NULL', 'status TEXT') WHERE name = 'jobs';
         PRAGMA writable_schema = RESET",
        "REPLACE INTO jobs SELECT * FROM jobs WHERE id = 1",
    );
}

const FORGET: &str = "DELETE FROM agent_runs; DELETE FROM sqlite_sequence WHERE name = 'agent_runs'";

/// SQLite gives the id of a run that was deleted again.
#[test]
fn a_run_whose_id_comes_again_is_the_new_attempts_own() {
    again::a_run_whose_id_comes_again(FORGET);
}

/// Nor is its exit what the job before waited for.
#[test]
fn an_exit_of_a_run_whose_id_comes_again_is_its_own_jobs() {
    again::an_exit_of_a_run_whose_id_comes_again_is_its_own_jobs(FORGET);
}

/// An owner's trigger raises on single rows of a set, in each of the ways in which one can.
#[test]
fn f40_rows_that_the_owner_refuses_are_left_out() {
    for (how, kept) in [("ABORT", true), ("FAIL", true), ("ROLLBACK", true), ("IGNORE", false)] {
        let message = if how == "IGNORE" { "IGNORE" } else { &format!("{how}, 'the owner''s word'") };
        let trigger = format!(
            "CREATE TABLE seen (id INTEGER);
             CREATE TRIGGER owner BEFORE UPDATE OF status ON jobs WHEN NEW.status = 'failed'
             BEGIN
                INSERT INTO seen VALUES (NEW.id);
                SELECT CASE WHEN NEW.id IN (3, 17) THEN RAISE({message}) END;
             END"
        );
        let database =
            claims::rows_that_the_owner_refuses_are_left_out(&trigger, kept.then_some("the owner's word"));
        let seen = if kept { 18 } else { 20 };
        assert_eq!(
            database.program.number("SELECT count(*) AS x FROM seen"),
            Some(seen),
            "{how}: of kept rows alone"
        );
    }
}

/// What the owner's schema refuses at the commit alone is no more than these rows' trouble.
#[test]
fn f40_rows_that_break_a_deferred_constraint_are_left_out() {
    claims::rows_that_the_owner_refuses_are_left_out(
        "CREATE TABLE seen (job INTEGER REFERENCES jobs (id) DEFERRABLE INITIALLY DEFERRED);
         CREATE TRIGGER owner AFTER UPDATE OF status ON jobs WHEN NEW.id IN (3, 17)
         BEGIN INSERT INTO seen VALUES (4711); END",
        Some("FOREIGN KEY"),
    );
}

#[test]
fn f28_hostile_texts_stay_texts() {
    claims::hostile_texts_stay_texts("\0", "hex(reaper_last_error)");
}

#[test]
fn counters_saturate() {
    claims::counters_saturate("", u32::MAX);
}
