//! A database file of the test's own, with the tables as Reaper prepares them.

use std::path::{Path, PathBuf};

use diesel::{Connection as _, RunQueryDsl as _, SqliteConnection, connection::SimpleConnection as _, sql_query};
use tempfile::TempDir;

use super::super::SqliteAdvance;
use crate::advance::database::tests::tables::{Factory, JOBS, JobRow, TASK, Tables, TaskRow};

const TABLES: &str = "
    CREATE TABLE tasks (
        id INTEGER PRIMARY KEY, plane_id TEXT, work_item_id TEXT, repo TEXT NOT NULL, branch TEXT, stage TEXT,
        reaper_stage_version BIGINT
    );
    CREATE TRIGGER reaper_tasks_insert AFTER INSERT ON tasks BEGIN
        UPDATE tasks SET reaper_stage_version = random() & 9223372036854775807 WHERE id = NEW.id;
    END;
    CREATE TRIGGER reaper_tasks_update AFTER UPDATE OF stage ON tasks WHEN OLD.stage IS NOT NEW.stage BEGIN
        UPDATE tasks SET reaper_stage_version = random() & 9223372036854775807 WHERE id = NEW.id;
    END;
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY, agent TEXT NOT NULL, repo TEXT NOT NULL, task_id INTEGER, status TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0, max_attempts INTEGER NOT NULL DEFAULT 2, run_id INTEGER, pid INTEGER,
        started_at TEXT, reaper_source_key TEXT
    );
    CREATE UNIQUE INDEX reaper_jobs_source_key ON jobs(reaper_source_key) WHERE reaper_source_key IS NOT NULL;
    CREATE TABLE reaper_advances (
        source_key TEXT PRIMARY KEY NOT NULL, task_id, at INTEGER NOT NULL DEFAULT (unixepoch())
    );
    INSERT INTO tasks (id, work_item_id, repo, branch, stage)
        VALUES (3, 'ORCH-1', 'orchestrator', 'feature/x', 'architecture');
";

/// A file, which is removed at the end.
pub(super) struct Database {
    _dir: TempDir,
    path: PathBuf,
}

impl Database {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jobs.db");
        let database = Self { _dir: dir, path };
        database.run(TABLES);
        database
    }
}

impl Tables for Database {
    type Connection = SqliteConnection;
    type Advance = SqliteAdvance;

    fn factory(&self, statements: &'static str) -> Factory<SqliteConnection> {
        let path = self.path.clone();
        Box::new(move || open(&path, statements))
    }

    fn over(connect: Factory<SqliteConnection>) -> SqliteAdvance {
        SqliteAdvance::new(Box::new(move || Ok((connect()?, Box::new(|| Ok(()))))))
    }

    fn task(&self) -> TaskRow {
        sql_query(TASK).get_result(&mut self.connect()).unwrap()
    }

    fn jobs(&self) -> Vec<JobRow> {
        sql_query(JOBS).load(&mut self.connect()).unwrap()
    }

    /// What was rolled back leaves its id to the next one.
    fn id_after(_rolled_back: i64) -> i64 {
        1
    }
}

fn open(path: &Path, statements: &str) -> Result<SqliteConnection, String> {
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).map_err(|error| error.to_string())?;
    let session = format!("PRAGMA busy_timeout = 5000; {statements}");
    connection.batch_execute(&session).map_err(|error| error.to_string())?;
    Ok(connection)
}
