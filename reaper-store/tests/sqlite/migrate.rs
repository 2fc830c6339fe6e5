//! Migrations on SQLite: of a file that may not be there, and of tables that it renames in its own way.

use std::time::Duration;

use reaper_store::{
    Attempts as _, Facts as _, Schema as _, StoreError,
    attempts::NewTask,
    sqlite::{Options, SqliteStore, connect},
};

use crate::{
    both::{adopt::rows, migrate},
    database::{Database, Program},
};

#[test]
fn what_would_be_done_is_shown_and_not_done() {
    migrate::what_would_be_done_is_shown_and_not_done(|database| std::fs::read(database.path()).unwrap());
}

#[test]
fn a_database_is_created_by_migrating_and_by_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a folder?").join("jobs #1%20.db");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    assert!(matches!(SqliteStore::open(&path, Options::default()), Err(StoreError::Unreachable { .. })));
    assert!(matches!(connect(&path, Duration::ZERO), Err(StoreError::Unreachable { .. })));
    let read_only = Options { read_only: true, ..Options::default() };
    assert!(matches!(SqliteStore::create_or_open(&path, read_only), Err(StoreError::Unreachable { .. })));
    let store = SqliteStore::create_or_open(&path, Options::default()).unwrap();
    assert_eq!(store.pending().unwrap().len(), 1);
    assert!(matches!(store.now(), Err(StoreError::Unreachable { .. })));
    assert!(!path.exists(), "nothing but a migration creates it");

    assert_eq!(store.migrate().unwrap().len(), 1);
    let program = Program::on(&path);
    assert_eq!(program.text("SELECT journal_mode AS x FROM pragma_journal_mode").as_deref(), Some("wal"));
    let task = NewTask { repo: "shop".into(), work_item: None, branch: None, stage: "review".into() };
    assert_eq!(store.add_task(&task).unwrap(), 1.into());
    store.uninstall().unwrap();
    assert_eq!(program.number("SELECT count(*) AS x FROM tasks"), Some(1), "the tables of the contract stay");
}

/// An owner who rebuilds a table loses its triggers and Reaper's columns. SQLite refuses to rename the new table while a
/// trigger of another one names it, unless it is told not to look.
#[test]
fn a_rebuilt_table_is_noticed_and_mended() {
    let database = Database::adopted(&rows());
    database.store.now().unwrap();
    let rebuild = format!("BEGIN; {}; COMMIT", migrate::rebuild("INTEGER"));
    let problem = database.program.try_run(&rebuild).unwrap_err();
    assert!(problem.to_string().contains("no such table: main.jobs"), "{problem}");
    database.program.run("ROLLBACK");
    database.store.now().unwrap();
    database.program.run("PRAGMA legacy_alter_table = ON");
    database.program.run(&rebuild);
    migrate::a_rebuilt_table_is_noticed_and_mended(&database);
}

#[test]
fn one_lost_trigger_is_noticed_and_mended() {
    let database = Database::adopted(&rows());
    for (kind, name) in
        [("TRIGGER", "reaper_runs_update"), ("INDEX", "reaper_jobs_late"), ("TABLE", "reaper_advances")]
    {
        let look = || database.store.now().unwrap_err();
        migrate::what_is_lost_is_noticed_and_mended(&database, &format!("DROP {kind} {name}"), name, look);
    }
}

#[test]
fn a_table_that_was_put_aside_is_noticed_and_mended() {
    migrate::a_table_that_was_put_aside_is_noticed_and_mended("INTEGER");
}
