//! Migrations: shown, run, failing, of another version, lost and mended.

use std::fmt::Debug;

use reaper_store::{Attempts as _, Claims as _, Control as _, Facts as _, Schema as _, StoreError};

use crate::{
    both::adopt::rows,
    database::{Database, drop_trigger, refuses},
};

/// What a migration would do is shown, and changes nothing of what is kept.
pub(crate) fn what_would_be_done_is_shown_and_not_done<T: Debug + PartialEq>(kept: impl Fn(&Database) -> T) {
    let database = Database::seeded(&rows());
    let before = kept(&database);
    let pending = database.store.pending().unwrap();
    assert_eq!(pending.iter().map(|migration| migration.name.as_str()).collect::<Vec<_>>(), ["0001_adopt"]);
    assert!(pending[0].sql.contains("CREATE TRIGGER"));
    assert_eq!(kept(&database), before);
    assert_eq!(database.program.ours(), Some(0));
    assert_eq!(database.store.migrate().unwrap(), pending);
    assert_eq!(database.store.pending().unwrap(), []);
    let before = database.program.dump_all();
    assert_eq!(database.store.migrate().unwrap(), [], "a second time there is nothing to do");
    assert_eq!(database.program.dump_all(), before);
}

#[test]
fn a_newer_schema_is_neither_read_nor_written() {
    let database = Database::adopted(&rows());
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
    let database = Database::seeded(&rows());
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

/// Makes the owner's jobs anew with a column more, and with this for an id.
pub(crate) fn rebuild(id: &str) -> String {
    format!(
        "CREATE TABLE jobs_new (id {id} PRIMARY KEY, agent TEXT, repo TEXT, task_id INTEGER, status TEXT,
            attempts INTEGER, max_attempts INTEGER, run_id INTEGER, pid INTEGER, started_at TEXT, priority INTEGER);
         INSERT INTO jobs_new SELECT id, agent, repo, task_id, status, attempts, max_attempts, run_id, pid, started_at, 0
            FROM jobs;
         DROP TABLE jobs;
         ALTER TABLE jobs_new RENAME TO jobs"
    )
}

/// That the owner has rebuilt the jobs is noticed by what they lack, and mended.
pub(crate) fn a_rebuilt_table_is_noticed_and_mended(database: &Database) {
    let problem = database.store.now().unwrap_err();
    assert!(problem.to_string().contains("reaper_jobs_enter_running"), "{problem}");
    assert!(matches!(database.store.requeue_all_running(), Err(StoreError::NotMigrated { .. })));
    assert_eq!(database.store.pending().unwrap().len(), 1);
    assert_eq!(database.store.migrate().unwrap().len(), 1);
    assert_eq!(database.job(2).exit.unwrap().code, 0);
    assert_eq!(database.store.requeue_all_running().unwrap(), 4);
}

/// What is lost is named by who looks next, and mended.
pub(crate) fn what_is_lost_is_noticed_and_mended(
    database: &Database,
    lose: &str,
    name: &str,
    look: impl FnOnce() -> StoreError,
) {
    database.store.now().unwrap();
    let fences = || database.program.texts("SELECT reaper_fence AS x FROM jobs ORDER BY id");
    let (before, held) = (fences(), database.program.dump_all());
    database.program.run(lose);
    let problem = look();
    assert!(problem.to_string().contains(name), "{problem}");
    assert_eq!(database.store.migrate().unwrap().len(), 1);
    assert_eq!(fences(), before, "no attempt is begun anew");
    assert_eq!(database.program.dump_all(), held);
}

/// The tables as an owner makes them anew who has put the old ones aside.
const ANEW: [(&str, &str); 3] = [
    (
        "jobs",
        "agent TEXT, repo TEXT, task_id INTEGER, status TEXT, attempts INTEGER,
         max_attempts INTEGER, run_id INTEGER, pid INTEGER, started_at TEXT",
    ),
    ("agent_runs", "task_id INTEGER, agent TEXT, started_at TEXT, finished_at TEXT, exit_code INTEGER"),
    ("tasks", "work_item_id TEXT, repo TEXT, branch TEXT, stage TEXT"),
];

/// What a table takes with it into an archive is no part of the one that comes after it, which has this for an id.
pub(crate) fn a_table_that_was_put_aside_is_noticed_and_mended(id: &str) {
    for (table, columns) in ANEW {
        let database = Database::adopted(&rows());
        database.store.now().unwrap();
        let anew = format!("CREATE TABLE {table} (id {id} PRIMARY KEY, {columns})");
        database.program.run(&format!("ALTER TABLE {table} RENAME TO kept; {anew}"));
        let problem = database.store.now().unwrap_err();
        assert!(matches!(&problem, StoreError::NotMigrated { .. }), "{table}: {problem:?}");
        assert_eq!(database.store.migrate().unwrap().len(), 1, "{table}");
        assert_eq!(database.store.pending().unwrap(), [], "{table}");

        database.program.run(
            "INSERT INTO agent_runs (id) VALUES (70), (71);
             INSERT INTO tasks (id, repo, stage) VALUES (80, 'r', 'review');
             INSERT INTO jobs (id, agent, repo, status, attempts, max_attempts, run_id) VALUES
                (90, 'a', 'r', 'running', 0, 2, 70), (91, 'a', 'r', 'queued', 0, 2, 71);
             UPDATE agent_runs SET exit_code = 3 WHERE id = 70",
        );
        assert_eq!(database.job(90).exit.map(|exit| exit.code), Some(3), "{table}");
        let version = "SELECT reaper_stage_version > 0 AS x FROM tasks WHERE id = 80";
        assert!(database.program.text(&format!("SELECT CAST(({version}) AS TEXT) AS x")).is_some(), "{table}");
        let job = reaper_store::attempts::NewJob {
            agent: "a".into(),
            repo: "r".into(),
            task: None,
            max_attempts: 1,
            source_key: Some("once".into()),
            payload: None,
        };
        let _enqueued = database.store.enqueue(&job).unwrap();
        assert!(database.store.requeue_all_running().unwrap() > 0, "{table}");
        // What is kept in the archive is nothing to anybody.
        database.program.run(match table {
            "jobs" => "UPDATE kept SET status = 'running'",
            "agent_runs" => "INSERT INTO kept (id) VALUES (71); UPDATE kept SET exit_code = 0 WHERE id = 71",
            _ => "UPDATE kept SET stage = 'other'",
        });
        assert_eq!(database.job(91).exit, None, "{table}");
        assert_eq!(database.store.uninstall().unwrap().len(), 1, "{table}");
    }
}

#[test]
fn what_is_there_without_its_bookkeeping_is_adopted_and_taken_away() {
    let database = Database::adopted(&rows());
    let held = database.program.dump_all();
    database.program.run("DROP TABLE reaper_migrations");
    assert!(matches!(database.store.now(), Err(StoreError::NotMigrated { .. })));
    assert_eq!(database.store.migrate().unwrap().len(), 1);
    assert_eq!(database.program.dump_all(), held);
    database.program.run("DROP TABLE reaper_migrations");
    assert_eq!(database.store.uninstall().unwrap().len(), 1);
    assert_eq!(database.program.ours(), Some(0));
}

#[test]
fn a_migration_that_fails_leaves_nothing_behind() {
    // A trigger of the owner's that refuses the fences of running rows.
    let refuses = refuses("no", "UPDATE ON jobs", "true", "the owner says no");
    let database = Database::seeded(&format!("{} {refuses}", rows()));
    let (schema, held) = (database.program.owners_schema(), database.program.dump_all());
    let problem = database.store.migrate().unwrap_err();
    assert!(problem.to_string().contains("the owner says no"), "{problem}");
    assert_eq!(database.program.owners_schema(), schema);
    assert_eq!(database.program.dump_all(), held);
    database.program.run(&drop_trigger("no", "jobs"));
    database.store.migrate().unwrap();
}

#[test]
fn two_that_migrate_at_once_do_it_once() {
    let database = Database::seeded(&rows());
    let stores = [database.open(Default::default()), database.open(Default::default())];
    let ran: usize = std::thread::scope(|scope| {
        let runs = stores.each_ref().map(|store| scope.spawn(|| store.migrate().unwrap().len()));
        runs.into_iter().map(|run| run.join().unwrap()).sum()
    });
    assert_eq!(ran, 1);
    assert_eq!(database.store.pending().unwrap(), []);
}
