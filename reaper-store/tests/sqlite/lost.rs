//! Triggers that were lost, and what happened meanwhile.

use crate::{both::lost, database::Database};

/// As after a rebuild that keeps every column.
pub(crate) const LOSE: [&str; 1] = ["
    DROP TRIGGER reaper_jobs_insert_queued; DROP TRIGGER reaper_jobs_insert_running;
    DROP TRIGGER reaper_jobs_enter_running; DROP TRIGGER reaper_jobs_enter_queued; DROP TRIGGER reaper_jobs_change;
    DROP TRIGGER reaper_runs_insert; DROP TRIGGER reaper_runs_update"];

#[test]
fn each_of_them_counts() {
    let database = Database::adopted("");
    let names =
        "SELECT name AS x FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('jobs', 'agent_runs')";
    let triggers = database.program.texts(names).into_iter().flatten();
    let triggers: Vec<_> = triggers.map(|name| (name.clone(), format!("DROP TRIGGER {name}"))).collect();
    assert_eq!(triggers.len(), 7);
    lost::each_of_them_counts(&database, &triggers);
}
