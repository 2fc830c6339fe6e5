//! Triggers that were lost or switched off, and what happened meanwhile.

use crate::{both::lost as both, database::Database};

const LOSE: [&str; 2] = [
    "DROP TRIGGER reaper_jobs_insert ON jobs; DROP TRIGGER reaper_jobs_enter_running ON jobs;
     DROP TRIGGER reaper_jobs_enter_queued ON jobs; DROP TRIGGER reaper_jobs_change ON jobs;
     DROP TRIGGER reaper_runs_insert ON agent_runs; DROP TRIGGER reaper_runs_update ON agent_runs",
    "ALTER TABLE jobs DISABLE TRIGGER USER; ALTER TABLE agent_runs DISABLE TRIGGER USER",
];

#[test]
fn what_was_taken_while_they_were_away_is_another_attempt() {
    LOSE.into_iter().for_each(both::what_was_taken_meanwhile_is_another_attempt);
}

#[test]
fn an_exit_that_was_recorded_while_they_were_away_shows() {
    LOSE.into_iter().for_each(both::an_exit_that_was_recorded_meanwhile_shows);
}

#[test]
fn what_agrees_with_itself_goes_on() {
    LOSE.into_iter().for_each(both::what_agrees_with_itself_goes_on);
}

#[test]
fn what_waits_shows_late_finishes_alone() {
    LOSE.into_iter().for_each(both::what_waits_shows_late_finishes_alone);
}

#[test]
fn each_of_them_counts() {
    let database = Database::adopted("");
    let names = "SELECT tgrelid::regclass || ' ' || tgname AS x FROM pg_trigger
        WHERE tgrelid IN ('jobs'::regclass, 'agent_runs'::regclass) AND tgname LIKE 'reaper%'";
    let mut triggers = Vec::new();
    for name in database.program.texts(names).into_iter().flatten() {
        let (table, trigger) = name.split_once(' ').unwrap();
        triggers.push((name.clone(), format!("DROP TRIGGER {trigger} ON {table}")));
        triggers.push((name.clone(), format!("ALTER TABLE {table} DISABLE TRIGGER {trigger}")));
    }
    assert_eq!(triggers.len(), 12);
    both::each_trigger_counts(&database, &triggers, "DROP INDEX reaper_jobs_late");
}
