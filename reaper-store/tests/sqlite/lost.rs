//! Triggers that were lost, and what happened meanwhile.

use crate::{both::lost as both, database::Database};

/// As after a rebuild that keeps every column.
const LOSE: &str = "
    DROP TRIGGER reaper_jobs_insert_queued; DROP TRIGGER reaper_jobs_insert_running;
    DROP TRIGGER reaper_jobs_enter_running; DROP TRIGGER reaper_jobs_enter_queued; DROP TRIGGER reaper_jobs_change;
    DROP TRIGGER reaper_runs_insert; DROP TRIGGER reaper_runs_update";

#[test]
fn what_was_taken_while_they_were_away_is_another_attempt() {
    both::what_was_taken_meanwhile_is_another_attempt(LOSE);
}

#[test]
fn an_exit_that_was_recorded_while_they_were_away_shows() {
    both::an_exit_that_was_recorded_meanwhile_shows(LOSE);
}

#[test]
fn what_agrees_with_itself_goes_on() {
    both::what_agrees_with_itself_goes_on(LOSE);
}

#[test]
fn what_waits_shows_late_finishes_alone() {
    both::what_waits_shows_late_finishes_alone(LOSE);
}

#[test]
fn each_of_them_counts() {
    let database = Database::adopted("");
    let names =
        "SELECT name AS x FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('jobs', 'agent_runs')";
    let triggers = database.program.texts(names).into_iter().flatten();
    let triggers: Vec<_> = triggers.map(|name| (name.clone(), format!("DROP TRIGGER {name}"))).collect();
    assert_eq!(triggers.len(), 7);
    both::each_trigger_counts(&database, &triggers, "DROP INDEX reaper_jobs_late");
}
