//! Adopting a database of another program's, and letting it go again.

use reaper_core::{Status, job::Attach};
use reaper_store::{
    Attempts as _, Facts as _, Schema as _, StoreError,
    attempts::{Launcher, Recorded, Wants},
    sqlite::{Journal, Options, SqliteStore},
};

use crate::database::{Database, Program, SEED};

pub(crate) const ROWS: &str = "
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
pub(crate) fn owners_schema(program: &Program) -> Vec<Option<String>> {
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
        assert!((secs - 1..secs + 60).contains(&age), "{age} s, not {secs}");
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
    assert_eq!(first.task.unwrap().place.unwrap().version.as_int(), Some(0), "it has not moved since");
}

/// Only running jobs are written: a trigger of the owner's hears of no task, and of no job that waits or is over.
#[test]
fn nothing_else_of_the_owners_is_written() {
    let database = Database::seeded(&format!(
        "{ROWS} CREATE TRIGGER no_task BEFORE UPDATE ON tasks BEGIN SELECT RAISE(ABORT, 'the owner says no'); END;
         CREATE TRIGGER no_job BEFORE UPDATE ON jobs WHEN OLD.status <> 'running'
         BEGIN SELECT RAISE(ABORT, 'the owner says no'); END"
    ));
    database.store.migrate().unwrap();
    database.program.run("DROP TRIGGER reaper_jobs_change");
    database.store.migrate().unwrap();
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
            database.program.number("SELECT count(*) AS x FROM sqlite_master WHERE name LIKE '%reaper%'"),
            Some(0)
        );
        assert!(matches!(database.store.now(), Err(StoreError::NotMigrated { .. })));
    }
    assert_eq!(database.store.uninstall().unwrap(), [], "there is nothing left to take away");
    assert_eq!(owners_schema(&database.program), schema);
}

#[test]
fn rows_that_were_written_meanwhile_stay() {
    let database = Database::adopted(ROWS);
    let monitor = Launcher::free("here/b/1/2/3/4".parse().unwrap());
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
