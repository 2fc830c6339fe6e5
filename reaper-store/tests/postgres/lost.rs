//! Triggers that were lost or switched off, and what happened meanwhile.

use crate::{both::lost, database::Database};

/// As after a rebuild that keeps every column, and where they are switched off.
pub(crate) const LOSE: [&str; 2] = [
    "DROP TRIGGER reaper_jobs_insert ON jobs; DROP TRIGGER reaper_jobs_enter_running ON jobs;
     DROP TRIGGER reaper_jobs_enter_queued ON jobs; DROP TRIGGER reaper_jobs_change ON jobs;
     DROP TRIGGER reaper_runs_insert ON agent_runs; DROP TRIGGER reaper_runs_update ON agent_runs",
    "ALTER TABLE jobs DISABLE TRIGGER USER; ALTER TABLE agent_runs DISABLE TRIGGER USER",
];

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
    lost::each_of_them_counts(&database, &triggers);
}
