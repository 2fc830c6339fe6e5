//! Migrations: shown, run, failing, of another version, lost and mended.

use reaper_store::{
    Attempts as _, Claims as _, Control as _, Facts as _, Schema as _, StoreError, postgres::Options,
};

use crate::{
    adopt::{ROWS, ours, owners_schema},
    database::Database,
};

#[test]
fn what_would_be_done_is_shown_and_not_done() {
    let database = Database::seeded(ROWS);
    let before = (owners_schema(&database.program), database.program.dump_all());
    let pending = database.store.pending().unwrap();
    assert_eq!(pending.iter().map(|migration| migration.name.as_str()).collect::<Vec<_>>(), ["0001_adopt"]);
    assert!(pending[0].sql.contains("CREATE TRIGGER"));
    assert_eq!((owners_schema(&database.program), database.program.dump_all()), before);
    assert_eq!(ours(&database.program), Some(0));
    assert_eq!(database.store.migrate().unwrap(), pending);
    assert_eq!(database.store.pending().unwrap(), []);
    let before = database.program.dump_all();
    assert_eq!(database.store.migrate().unwrap(), [], "a second time there is nothing to do");
    assert_eq!(database.program.dump_all(), before);
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

/// An owner who rebuilds a table loses its triggers and Reaper's columns.
#[test]
fn a_rebuilt_table_is_noticed_and_mended() {
    let database = Database::adopted(ROWS);
    database.store.now().unwrap();
    database.program.run(
        "CREATE TABLE jobs_new (id bigint PRIMARY KEY, agent TEXT, repo TEXT, task_id INTEGER, status TEXT,
           attempts INTEGER, max_attempts INTEGER, run_id INTEGER, pid INTEGER, started_at TEXT, priority INTEGER);
        INSERT INTO jobs_new SELECT id, agent, repo, task_id, status, attempts, max_attempts, run_id, pid, started_at, 0
           FROM jobs;
        DROP TABLE jobs;
        ALTER TABLE jobs_new RENAME TO jobs",
    );
    let problem = database.store.now().unwrap_err();
    assert!(problem.to_string().contains("reaper_jobs_enter_running"), "{problem}");
    assert!(matches!(database.store.requeue_all_running(), Err(StoreError::NotMigrated { .. })));
    assert_eq!(database.store.pending().unwrap().len(), 1);
    assert_eq!(database.store.migrate().unwrap().len(), 1);
    assert_eq!(database.job(2).exit.unwrap().code, 0);
    assert_eq!(database.store.requeue_all_running().unwrap(), 4);
}

#[test]
fn what_was_lost_is_noticed_and_mended() {
    let database = Database::adopted(ROWS);
    for (lose, name, at_once) in [
        ("DROP TRIGGER reaper_runs_update ON agent_runs", "reaper_runs_update", true),
        ("DROP INDEX reaper_jobs_late", "reaper_jobs_late", false),
        ("DROP TABLE reaper_advances", "reaper_advances", false),
        ("DROP FUNCTION reaper_jobs_change CASCADE", "reaper_jobs_change", true),
    ] {
        database.store.now().unwrap();
        let fences = || database.program.texts("SELECT reaper_fence AS x FROM jobs ORDER BY id");
        let (before, rows) = (fences(), database.program.dump_all());
        database.program.run(lose);
        // What no trigger needs is looked for on a new connection.
        let store = database.open(Options::default());
        let problem = if at_once { database.store.now() } else { store.now() }.unwrap_err();
        assert!(problem.to_string().contains(name), "{problem}");
        assert_eq!(database.store.migrate().unwrap().len(), 1);
        assert_eq!(fences(), before, "no attempt is begun anew");
        assert_eq!(database.program.dump_all(), rows);
    }
    database.program.run("ALTER TABLE jobs DISABLE TRIGGER reaper_jobs_insert");
    let problem = database.store.now().unwrap_err().to_string();
    assert!(problem.contains("it lacks trigger reaper_jobs_insert"), "{problem}");
    assert_eq!(database.store.pending().unwrap().len(), 1);
    assert_eq!(database.store.migrate().unwrap().len(), 1);
    database.store.now().unwrap();
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
    assert_eq!(ours(&database.program), Some(0));
}

#[test]
fn a_migration_that_fails_leaves_nothing_behind() {
    // A trigger of the owner's that refuses the fences of running rows.
    let database = Database::seeded(&format!(
        "{ROWS} CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'the owner says no'; END $$;
         CREATE TRIGGER no BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION no()"
    ));
    let (schema, rows) = (owners_schema(&database.program), database.program.dump_all());
    let problem = database.store.migrate().unwrap_err();
    assert!(problem.to_string().contains("the owner says no"), "{problem}");
    assert_eq!(owners_schema(&database.program), schema);
    assert_eq!(database.program.dump_all(), rows);
    database.program.run("DROP TRIGGER no ON jobs");
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
