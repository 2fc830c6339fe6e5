//! Adopting a SQLite file of another program's: its journal, its names, and what is wrong with its tables.

use reaper_store::{
    Facts as _, Schema as _, StoreError,
    sqlite::{Journal, Options, SqliteStore},
};

use crate::{
    both::adopt,
    database::{Database, Program, SEED},
};

#[test]
fn a_database_of_the_seeds_columns_is_adopted_in_place() {
    let database = adopt::a_database_of_the_seeds_columns_is_adopted_in_place();
    assert_eq!(
        database.program.text("SELECT journal_mode AS x FROM pragma_journal_mode").as_deref(),
        Some("delete")
    );
}

#[test]
fn uninstalling_leaves_what_was_there() {
    adopt::uninstalling_leaves_what_was_there(
        "CREATE TRIGGER audit_jobs AFTER UPDATE OF status ON jobs
         BEGIN INSERT INTO audit VALUES (NEW.id, NEW.status); END",
    );
}

#[test]
fn the_journal_of_an_adopted_database_changes_on_demand_only() {
    let database = Database::seeded("");
    let mode = || database.program.text("SELECT journal_mode AS x FROM pragma_journal_mode");
    database.store.migrate().unwrap();
    assert_eq!(mode().as_deref(), Some("delete"));
    database.open(Options { journal: Journal::Wal, ..Options::default() }).migrate().unwrap();
    assert_eq!(mode().as_deref(), Some("wal"));
}

#[test]
fn tables_that_cannot_be_adopted_are_named_with_the_remedy() {
    let refused = |schema: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let program = Program::on(&path);
        program.run(schema);
        let store = SqliteStore::open(&path, Options::default()).unwrap();
        let before = program.texts("SELECT sql AS x FROM sqlite_master");
        for problem in [store.pending().err(), store.migrate().err()] {
            assert!(matches!(&problem, Some(StoreError::ForeignTable { .. })), "{problem:?}");
        }
        assert_eq!(program.texts("SELECT sql AS x FROM sqlite_master"), before);
        store.migrate().unwrap_err().to_string()
    };
    let lacking =
        SEED.replace("    pid INTEGER,\n", "").replace("    started_at TEXT,\n    finished_at", "    finished_at");
    let problem = refused(&lacking);
    assert!(problem.contains("table jobs: lacks pid, started_at"), "{problem}");
    assert!(
        problem.contains("ALTER TABLE jobs ADD COLUMN pid INTEGER; ALTER TABLE jobs ADD COLUMN started_at TEXT;")
    );
    let problem = refused(&SEED.replacen("id INTEGER PRIMARY KEY AUTOINCREMENT", "id TEXT PRIMARY KEY", 1));
    assert!(problem.contains("table tasks: its primary key"), "{problem}");
    let problem =
        refused(&format!("{SEED} ALTER TABLE jobs RENAME TO work; CREATE VIEW jobs AS SELECT * FROM work;"));
    assert!(problem.contains("table jobs: is a view"), "{problem}");

    // What the remedy says makes it fit.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let program = Program::on(&path);
    program.run(&lacking);
    let store = SqliteStore::open(&path, Options::default()).unwrap();
    let problem = store.migrate().unwrap_err().to_string();
    program.run(problem.split_once("run: ").unwrap().1);
    store.migrate().unwrap();
}

#[test]
fn names_are_compared_as_sqlite_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let program = Program::on(&path);
    program.run(
        &SEED
            .replace("CREATE TABLE jobs", "CREATE TABLE \"Jobs\"")
            .replace("run_id INTEGER", "\"Run_ID\" integer"),
    );
    let store = SqliteStore::open(&path, Options::default()).unwrap();
    store.migrate().unwrap();
    program.run("INSERT INTO jobs (agent, repo, status) VALUES ('a', 'r', 'running')");
    assert!(store.job(&1.into()).unwrap().unwrap().is_ok());
}
