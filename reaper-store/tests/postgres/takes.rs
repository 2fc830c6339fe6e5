//! Takes on PostgreSQL: the ways in which its triggers refuse.

use crate::both::takes;

/// A trigger of the owner's refuses: at once, at the commit, without a word, or by what no job can be.
#[test]
fn f40_jobs_whose_take_the_owner_refuses_are_passed_by() {
    const AT_ONCE: &str = "TRIGGER owner BEFORE UPDATE ON jobs";
    const AT_COMMIT: &str = "CONSTRAINT TRIGGER owner AFTER UPDATE ON jobs DEFERRABLE INITIALLY DEFERRED";
    const RAISES: &str = "RAISE EXCEPTION 'the owner''s word'";
    for (trigger, body, word) in [
        (AT_ONCE, RAISES, "the owner's word"),
        (AT_COMMIT, RAISES, "the owner's word"),
        (AT_ONCE, "RETURN NULL", "does not run"),
        (AT_ONCE, "NEW.attempts := -1; RETURN NEW", "does not parse"),
    ] {
        takes::jobs_whose_take_the_owner_refuses_are_passed_by(
            &format!(
                "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; END $$;
                 CREATE {trigger} FOR EACH ROW WHEN (NEW.id % 2 = 1 AND NEW.status = 'running') EXECUTE FUNCTION no()"
            ),
            word,
        );
    }
}

#[test]
fn an_attempt_whose_run_is_not_stored_does_not_begin() {
    takes::an_attempt_whose_run_is_not_stored_does_not_begin(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE TRIGGER owner BEFORE INSERT ON agent_runs FOR EACH ROW EXECUTE FUNCTION no()",
    );
}
