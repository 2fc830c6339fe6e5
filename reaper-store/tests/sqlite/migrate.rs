//! Adopting a database, showing what would be done, taking it away again, mending what was lost.

use std::time::Duration;

use reaper_core::{Status, job::Attach};
use reaper_store::{
    Attempts as _, Control as _, Facts as _, Schema as _, StoreError,
    attempts::{NewTask, Recorded, Wants},
    sqlite::{Journal, Options, SqliteStore, connect},
};

use crate::database::{Database, Program, SEED};

const ROWS: &str = "
    INSERT INTO tasks (id, plane_id, work_item_id, repo, branch, stage) VALUES (1, 'P-1', 'W-1', 'shop', 'b', 'review');
    INSERT INTO agent_runs (id, task_id, exit_code, finished_at) VALUES
        (1, 1, NULL, NULL), (2, 1, 0, datetime('now', '-600 seconds')), (3, 1, 1, NULL), (4, 1, 2, 'soon');
    INSERT INTO jobs (id, agent, repo, task_id, status, attempts, run_id, pid, started_at) VALUES
        (1, 'developer', 'shop', 1, 'running', 1, 1, 4321, datetime('now', '-100 seconds')),
        (2, 'developer', 'shop', 1, 'running', 1, 2, NULL, strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-700 seconds')),
        (3, 'developer', 'shop', NULL, 'running', 2, 3, NULL, NULL),
        (4, 'developer', 'shop', NULL, 'running', 2, 4, NULL, 'this morning'),
        (5, 'developer', 'shop', NULL, 'queued', 1, 2, 17, '2026-05-04 10:00:00'),
        (6, 'developer', 'shop', NULL, 'done', 1, 2, 18, '2026-05-04 10:00:00');";

/// The statements of the program that had the database first.
const PROGRAM: [&str; 10] = [
    "INSERT INTO tasks (plane_id, work_item_id, repo, branch, stage) VALUES ('P', 'W', 'shop', 'x', 'analysis')",
    "INSERT INTO jobs (agent, repo, task_id) SELECT 'developer', 'shop', max(id) FROM tasks",
    "INSERT INTO agent_runs (task_id, agent) VALUES (1, 'developer')",
    "UPDATE jobs SET status = 'running', attempts = attempts + 1, started_at = datetime('now')
        WHERE id = (SELECT min(id) FROM jobs WHERE status = 'queued') AND status = 'queued'",
    "UPDATE jobs SET run_id = (SELECT max(id) FROM agent_runs), pid = 99 WHERE status = 'running' AND pid IS NULL",
    "UPDATE agent_runs SET exit_code = 0, finished_at = datetime('now') WHERE exit_code IS NULL",
    "UPDATE tasks SET stage = 'development' WHERE stage = 'analysis'",
    "UPDATE jobs SET status = 'done', finished_at = datetime('now') WHERE status = 'running' AND run_id = 2",
    "UPDATE jobs SET status = 'queued' WHERE status = 'running'",
    "DELETE FROM jobs WHERE status = 'done'",
];

const OWNERS: &str = "name IN ('tasks', 'jobs', 'agent_runs')";
const NOT_OURS: &str = "name NOT LIKE 'reaper%'";

/// The owner's part of the schema, as it stands in the file.
fn owners_schema(program: &Program) -> Vec<Option<String>> {
    program.texts(
        "SELECT type || ' ' || name || ': ' || coalesce(sql, '') AS x FROM sqlite_master
         WHERE name NOT LIKE 'reaper%' AND name NOT LIKE 'sqlite_autoindex_reaper%' ORDER BY rowid",
    )
}

#[test]
fn a_database_of_the_seeds_columns_is_adopted_in_place() {
    let database = Database::seeded(ROWS);
    let before = database.program.dump_of(OWNERS, NOT_OURS);
    assert_eq!(database.store.migrate().unwrap().len(), 1);
    assert_eq!(database.program.dump_of(OWNERS, NOT_OURS), before, "no value of the owner's is changed");
    assert_eq!(
        database.program.text("SELECT journal_mode AS x FROM pragma_journal_mode").as_deref(),
        Some("delete")
    );

    let about = |at: chrono::DateTime<chrono::Utc>, secs: i64| {
        let age = database.store.now().unwrap().signed_duration_since(at).num_seconds();
        assert!((secs..secs + 60).contains(&age), "{age} s, not {secs}");
    };
    let first = database.job(1);
    assert_eq!((first.status, first.pid, first.exit, first.attempts), (Status::Running, Some(4321), None, 1));
    about(first.started_at.unwrap(), 100);
    let second = database.job(2);
    about(second.started_at.unwrap(), 700);
    assert_eq!(second.exit.unwrap().code, 0);
    about(second.exit.unwrap().at, 600);
    for (id, code) in [(3, 1), (4, 2)] {
        let job = database.job(id);
        about(job.started_at.unwrap(), 0);
        assert_eq!(job.exit.unwrap().code, code);
        about(job.exit.unwrap().at, 0);
    }
    assert_eq!(database.program.number("SELECT count(DISTINCT reaper_fence) AS x FROM jobs"), Some(4));
    let queued = database.job(5);
    assert_eq!((queued.status, queued.attempt.fence.as_int(), queued.exit), (Status::Queued, Some(0), None));
    assert!(first.task.unwrap().place.unwrap().version.as_int().unwrap() > 0);
}

#[test]
fn the_owners_statements_go_on_working() {
    let database = Database::adopted(ROWS);
    let alone = Database::seeded(ROWS);
    for sql in PROGRAM {
        for program in [&database.program, &alone.program] {
            program.run(sql);
        }
        let changes = "SELECT changes() AS x";
        assert_eq!(database.program.number(changes), alone.program.number(changes), "{sql}");
    }
    // Times differ by when each ran.
    let columns = "name NOT LIKE 'reaper%' AND name NOT LIKE '%_at'";
    assert_eq!(database.program.dump_of(OWNERS, columns), alone.program.dump_of(OWNERS, columns));
}

#[test]
fn uninstalling_leaves_what_was_there() {
    let database = Database::seeded(ROWS);
    database.program.run("CREATE VIEW waiting AS SELECT id FROM jobs WHERE status = 'queued'");
    database.program.run(
        "CREATE TABLE audit (job INTEGER, status TEXT);
         CREATE TRIGGER audit_jobs AFTER UPDATE OF status ON jobs
         BEGIN INSERT INTO audit VALUES (NEW.id, NEW.status); END",
    );
    let (schema, rows) = (owners_schema(&database.program), database.program.dump_all());
    for _ in 0..2 {
        assert_eq!(database.store.migrate().unwrap().len(), 1);
        assert_eq!(owners_schema(&database.program).len(), schema.len());
        let reverted = database.store.uninstall().unwrap();
        assert!(reverted[0].sql.contains("DROP TRIGGER"));
        assert_eq!(owners_schema(&database.program), schema);
        assert_eq!(database.program.dump_all(), rows);
        assert_eq!(
            database.program.numbers("SELECT count(*) AS x FROM sqlite_master WHERE name LIKE '%reaper%'"),
            [Some(0)]
        );
        assert!(matches!(database.store.now(), Err(StoreError::NotMigrated { .. })));
    }
    assert_eq!(database.store.uninstall().unwrap(), [], "there is nothing left to take away");
    assert_eq!(owners_schema(&database.program), schema);
}

#[test]
fn rows_that_were_written_meanwhile_stay() {
    let database = Database::adopted(ROWS);
    let monitor = "here/b/1/2/3/4".parse().unwrap();
    let taken = database.store.take(&Wants::Job(5.into()), &monitor).unwrap().unwrap();
    assert_eq!(database.store.record_exit(&taken.run, 0).unwrap(), Recorded::New);
    let before = database.program.dump_of(OWNERS, NOT_OURS);
    database.store.uninstall().unwrap();
    assert_eq!(database.program.dump_of(OWNERS, NOT_OURS), before);
    // And can be adopted anew.
    database.store.migrate().unwrap();
    let job = database.job(5);
    assert_eq!((job.status, job.attach, job.exit.unwrap().code), (Status::Running, Attach::NotSaid, 0));
}

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

#[test]
fn a_newer_schema_is_neither_read_nor_written() {
    let database = Database::adopted(ROWS);
    let before = database.program.dump_all();
    database.program.run("INSERT INTO reaper_migrations (version) VALUES ('0002')");
    let newer = |problem: Option<StoreError>| {
        assert!(matches!(&problem, Some(StoreError::NewerSchema { found, .. }) if found == "0002"), "{problem:?}");
    };
    newer(database.store.now().err());
    newer(database.store.requeue_all().err());
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

trait RequeueAll {
    fn requeue_all(&self) -> Result<u64, StoreError>;
}

impl RequeueAll for SqliteStore {
    fn requeue_all(&self) -> Result<u64, StoreError> {
        reaper_store::Claims::requeue_all_running(self)
    }
}

#[test]
fn a_database_that_is_not_prepared_says_so() {
    let database = Database::seeded(ROWS);
    let before = database.program.dump_all();
    for problem in [
        database.store.now().err(),
        database.store.requeue_all().err(),
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
    assert!(matches!(database.store.requeue_all(), Err(StoreError::NotMigrated { .. })));
    assert_eq!(database.store.pending().unwrap().len(), 1);
    assert_eq!(database.store.migrate().unwrap().len(), 1);
    assert_eq!(database.job(2).exit.unwrap().code, 0);
    assert_eq!(database.store.requeue_all().unwrap(), 4);
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

/// Diesel's own bookkeeping is the owner's, who may use diesel too.
#[test]
fn the_owners_own_migrations_are_let_be() {
    let database = Database::seeded(
        "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP);
         INSERT INTO __diesel_schema_migrations (version) VALUES ('0001'), ('20260101')",
    );
    let of_owners = || database.program.dump_of("name LIKE '%diesel%'", "true");
    let before = of_owners();
    assert_eq!(database.store.migrate().unwrap().len(), 1);
    database.store.uninstall().unwrap();
    assert_eq!(of_owners(), before);
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
