//! Takes on SQLite: the ways in which its triggers refuse.

use crate::both::takes;

/// In each of the ways in which one can.
#[test]
fn f40_jobs_whose_take_the_owner_refuses_are_passed_by() {
    let trigger = |when: &str, does: &str| {
        format!("CREATE TRIGGER owner {when} UPDATE OF status ON jobs WHEN NEW.id % 2 = 1 BEGIN {does}; END")
    };
    for how in ["ABORT", "FAIL", "ROLLBACK"] {
        takes::jobs_whose_take_the_owner_refuses_are_passed_by(
            &trigger("BEFORE", &format!("SELECT RAISE({how}, 'the owner''s word')")),
            "the owner's word",
        );
    }
    for (refuse, word) in [
        (trigger("BEFORE", "SELECT RAISE(IGNORE)"), "does not run"),
        (trigger("AFTER", "UPDATE jobs SET attempts = -1 WHERE id = NEW.id"), "does not parse"),
    ] {
        takes::jobs_whose_take_the_owner_refuses_are_passed_by(&refuse, word);
    }
}

#[test]
fn f40_a_take_that_breaks_a_deferred_constraint_is_passed_by() {
    takes::jobs_whose_take_the_owner_refuses_are_passed_by(
        "CREATE TABLE seen (job INTEGER REFERENCES jobs (id) DEFERRABLE INITIALLY DEFERRED);
         CREATE TRIGGER owner AFTER UPDATE OF status ON jobs WHEN NEW.id % 2 = 1
         BEGIN INSERT INTO seen VALUES (4711); END",
        "FOREIGN KEY",
    );
}

#[test]
fn an_attempt_whose_run_is_not_stored_does_not_begin() {
    takes::an_attempt_whose_run_is_not_stored_does_not_begin(
        "CREATE TRIGGER owner BEFORE INSERT ON agent_runs BEGIN SELECT RAISE(IGNORE); END",
    );
}
