//! Migrations: shown, run, failing, of another version, lost and mended.

use std::time::Duration;

use reaper_store::{
    Attempts as _, Claims as _, Control as _, Facts as _, Schema as _, StoreError,
    attempts::NewTask,
    sqlite::{Options, SqliteStore, connect},
};

use crate::{
    adopt::{ROWS, owners_schema},
    database::{Database, Program},
};

#[test]
fn what_would_be_done_is_shown_and_not_done() {
    let database = Database::seeded(ROWS);
    let file = || std::fs::read(database.path()).unwrap();
    let before = file();
    let pending = database.store.pending().unwrap();
    assert_eq!(pending.iter().map(|migration| migration.name.as_str()).collect::<Vec<_>>(), ["0001_adopt"]);
    assert!(pending[0].sql.contains("CREATE TRIGGER"));
    assert_eq!(file(), before);
    assert_eq!(database.store.migrate().unwrap(), pending);
    assert_eq!(database.store.pending().unwrap(), []);
    let before = database.program.dump_all();
    assert_eq!(database.store.migrate().unwrap(), [], "a second time there is nothing to do");
    assert_eq!(database.program.dump_all(), before);
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

#[test]
fn a_newer_schema_is_neither_read_nor_written() {
    let database = Database::adopted(ROWS);
    let before = database.program.dump_all();
    database.program.run("INSERT INTO reaper_migrations (version) VALUES ('0002')");
    let newer = |problem: Option<StoreError>| {
        assert!(matches!(&problem, Some(StoreError::NewerSchema { found, .. }) if found == "0002"), "{problem:?}");
    };
    newer(database.store.now().err());
    newer(database.store.requeue_all_running().err());
    newer(database.store.set_mode(reaper_core::Mode::Off).err());
    newer(database.store.beat(&database_attempt()).err());
    newer(database.store.pending().err());
    newer(database.store.migrate().err());
    newer(database.store.uninstall().err());
    assert_eq!(database.program.dump_all(), before);
    // Where the other program is taken back, this one works on without a restart.
    database.program.run("DELETE FROM reaper_migrations WHERE version = '0002'");
    database.store.now().unwrap();
}

fn database_attempt() -> reaper_core::Attempt {
    reaper_core::Attempt { job: 1.into(), fence: 1.into() }
}

#[test]
fn a_database_that_is_not_prepared_says_so() {
    let database = Database::seeded(ROWS);
    let before = database.program.dump_all();
    for problem in [
        database.store.now().err(),
        database.store.requeue_all_running().err(),
        database.store.mode().err(),
        database.store.beat(&database_attempt()).err(),
    ] {
        let problem = problem.expect("it fails");
        assert!(matches!(&problem, StoreError::NotMigrated { .. }), "{problem:?}");
        assert!(problem.to_string().contains("run `reaper migrate`"), "{problem}");
    }
    assert_eq!(database.program.dump_all(), before);
    database.store.migrate().unwrap();
    database.store.now().unwrap();
}

/// An owner who rebuilds a table loses its triggers and Reaper's columns. SQLite refuses to rename the new table while a
/// trigger of another one names it, unless it is told not to look.
#[test]
fn a_rebuilt_table_is_noticed_and_mended() {
    let database = Database::adopted(ROWS);
    database.store.now().unwrap();
    let rebuild = "BEGIN;
        CREATE TABLE jobs_new (id INTEGER PRIMARY KEY, agent TEXT, repo TEXT, task_id INTEGER, status TEXT,
           attempts INTEGER, max_attempts INTEGER, run_id INTEGER, pid INTEGER, started_at TEXT, priority INTEGER);
        INSERT INTO jobs_new SELECT id, agent, repo, task_id, status, attempts, max_attempts, run_id, pid, started_at, 0
           FROM jobs;
        DROP TABLE jobs;
        ALTER TABLE jobs_new RENAME TO jobs;
        COMMIT";
    let problem = database.program.try_run(rebuild).unwrap_err();
    assert!(problem.to_string().contains("no such table: main.jobs"), "{problem}");
    database.program.run("ROLLBACK");
    database.store.now().unwrap();
    database.program.run("PRAGMA legacy_alter_table = ON");
    database.program.run(rebuild);
    let problem = database.store.now().unwrap_err();
    assert!(problem.to_string().contains("reaper_jobs_enter_running"), "{problem}");
    assert!(matches!(database.store.requeue_all_running(), Err(StoreError::NotMigrated { .. })));
    assert_eq!(database.store.pending().unwrap().len(), 1);
    assert_eq!(database.store.migrate().unwrap().len(), 1);
    assert_eq!(database.job(2).exit.unwrap().code, 0);
    assert_eq!(database.store.requeue_all_running().unwrap(), 4);
}

#[test]
fn one_lost_trigger_is_noticed_and_mended() {
    let database = Database::adopted(ROWS);
    for (kind, name) in
        [("TRIGGER", "reaper_runs_update"), ("INDEX", "reaper_jobs_late"), ("TABLE", "reaper_advances")]
    {
        database.store.now().unwrap();
        let (fences, rows) =
            (database.program.texts("SELECT reaper_fence AS x FROM jobs"), database.program.dump_all());
        database.program.run(&format!("DROP {kind} {name}"));
        let problem = database.store.now().unwrap_err();
        assert!(problem.to_string().contains(name), "{problem}");
        assert_eq!(database.store.migrate().unwrap().len(), 1);
        assert_eq!(
            database.program.texts("SELECT reaper_fence AS x FROM jobs"),
            fences,
            "no attempt is begun anew"
        );
        assert_eq!(database.program.dump_all(), rows);
    }
}

#[test]
fn what_is_there_without_its_bookkeeping_is_adopted_and_taken_away() {
    let database = Database::adopted(ROWS);
    let rows = database.program.dump_all();
    database.program.run("DROP TABLE reaper_migrations");
    assert!(matches!(database.store.now(), Err(StoreError::NotMigrated { .. })));
    assert_eq!(database.store.migrate().unwrap().len(), 1);
    assert_eq!(database.program.dump_all(), rows);
    database.program.run("DROP TABLE reaper_migrations");
    assert_eq!(database.store.uninstall().unwrap().len(), 1);
    assert_eq!(
        database.program.number("SELECT count(*) AS x FROM sqlite_master WHERE name LIKE '%reaper%'"),
        Some(0)
    );
}

#[test]
fn a_migration_that_fails_leaves_nothing_behind() {
    // A trigger of the owner's that refuses the fences of running rows.
    let database = Database::seeded(&format!(
        "{ROWS} CREATE TRIGGER no BEFORE UPDATE ON jobs BEGIN SELECT RAISE(ABORT, 'the owner says no'); END"
    ));
    let (schema, rows) = (owners_schema(&database.program), database.program.dump_all());
    let problem = database.store.migrate().unwrap_err();
    assert!(problem.to_string().contains("the owner says no"), "{problem}");
    assert_eq!(owners_schema(&database.program), schema);
    assert_eq!(database.program.dump_all(), rows);
    database.program.run("DROP TRIGGER no");
    database.store.migrate().unwrap();
}

#[test]
fn two_that_migrate_at_once_do_it_once() {
    let database = Database::seeded(ROWS);
    let stores = [database.open(Options::default()), database.open(Options::default())];
    let ran: usize = std::thread::scope(|scope| {
        let runs = stores.each_ref().map(|store| scope.spawn(|| store.migrate().unwrap().len()));
        runs.into_iter().map(|run| run.join().unwrap()).sum()
    });
    assert_eq!(ran, 1);
    assert_eq!(database.store.pending().unwrap(), []);
}
