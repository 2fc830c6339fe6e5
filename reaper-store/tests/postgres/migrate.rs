//! Migrations on PostgreSQL: what of a change is kept there, and how it is lost.

use reaper_store::{Facts as _, Schema as _, postgres::Options};

use crate::{
    both::{adopt::rows, migrate},
    database::Database,
};

#[test]
fn what_would_be_done_is_shown_and_not_done() {
    migrate::what_would_be_done_is_shown_and_not_done(|database| {
        (database.program.owners_schema(), database.program.dump_all())
    });
}

/// An owner who rebuilds a table loses its triggers and Reaper's columns.
#[test]
fn a_rebuilt_table_is_noticed_and_mended() {
    let database = Database::adopted(&rows());
    database.store.now().unwrap();
    database.program.run(&migrate::rebuild("bigint"));
    migrate::a_rebuilt_table_is_noticed_and_mended(&database);
}

#[test]
fn what_was_lost_is_noticed_and_mended() {
    let database = Database::adopted(&rows());
    for (lose, name, at_once) in [
        ("DROP TRIGGER reaper_runs_update ON agent_runs", "reaper_runs_update", true),
        ("DROP INDEX reaper_jobs_late", "reaper_jobs_late", false),
        ("DROP TABLE reaper_advances", "reaper_advances", false),
        ("DROP FUNCTION reaper_jobs_change CASCADE", "reaper_jobs_change", true),
    ] {
        let look = || {
            // What no trigger needs is looked for on a new connection.
            let store = database.open(Options::default());
            if at_once { database.store.now() } else { store.now() }.unwrap_err()
        };
        migrate::what_is_lost_is_noticed_and_mended(&database, lose, name, look);
    }
    database.program.run("ALTER TABLE jobs DISABLE TRIGGER reaper_jobs_insert");
    let problem = database.store.now().unwrap_err().to_string();
    assert!(problem.contains("it lacks trigger reaper_jobs_insert"), "{problem}");
    assert_eq!(database.store.pending().unwrap().len(), 1);
    assert_eq!(database.store.migrate().unwrap().len(), 1);
    database.store.now().unwrap();
}
