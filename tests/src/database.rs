//! A SQLite database in a folder of its own, and plain SQL on it as a program without Reaper would send it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_types,
};
use reaper_store::{
    Schema,
    sqlite::{Options, SqliteStore},
};
use tempfile::TempDir;

/// The seed's tables, as another program makes them.
pub const SEED_TABLES: &str = "
CREATE TABLE tasks (id INTEGER PRIMARY KEY AUTOINCREMENT, plane_id TEXT, work_item_id TEXT, repo TEXT, branch TEXT,
    stage TEXT);
CREATE TABLE jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, agent TEXT, repo TEXT, task_id INTEGER,
    status TEXT DEFAULT 'queued', attempts INTEGER DEFAULT 0, max_attempts INTEGER DEFAULT 2, run_id INTEGER,
    pid INTEGER, started_at TEXT);
CREATE TABLE agent_runs (id INTEGER PRIMARY KEY AUTOINCREMENT, task_id INTEGER, agent TEXT,
    started_at TEXT DEFAULT (datetime('now')), finished_at TEXT, exit_code INTEGER);
";

/// A database that only its test knows.
#[derive(Debug)]
pub struct Database {
    dir: TempDir,
}

#[derive(QueryableByName)]
struct Value {
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    value: Option<String>,
}

impl Database {
    /// A database that was made with plain SQL and holds nothing of Reaper.
    #[must_use]
    pub fn foreign() -> Self {
        let database = Self { dir: tempfile::tempdir().unwrap() };
        database.sql(SEED_TABLES);
        database
    }

    /// The same, adopted.
    #[must_use]
    pub fn adopted() -> (Self, Arc<SqliteStore>) {
        let database = Self::foreign();
        let store = SqliteStore::open(&database.path(), Options::default()).unwrap();
        store.migrate().unwrap();
        (database, Arc::new(store))
    }

    /// The folder, for whatever else a test needs.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The database's file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("jobs.db")
    }

    /// A connection as another program has it.
    #[must_use]
    pub fn connection(&self) -> SqliteConnection {
        let mut connection = SqliteConnection::establish(&self.path().to_string_lossy()).unwrap();
        connection.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
        connection
    }

    /// Runs statements.
    pub fn sql(&self, statements: &str) {
        self.connection().batch_execute(statements).unwrap();
    }

    /// Runs an insertion and answers with the row's id.
    #[must_use]
    pub fn insert(&self, statement: &str) -> i64 {
        let mut connection = self.connection();
        connection.batch_execute(statement).unwrap();
        let id: Value = diesel::sql_query("SELECT CAST(last_insert_rowid() AS TEXT) AS value")
            .get_result(&mut connection)
            .unwrap();
        id.value.unwrap().parse().unwrap()
    }

    /// The first column of the first row of a query, as text; `None` for NULL.
    #[must_use]
    pub fn value(&self, query: &str) -> Option<String> {
        let query = format!("SELECT CAST(({query}) AS TEXT) AS value");
        let value: Value = diesel::sql_query(query).get_result(&mut self.connection()).unwrap();
        value.value
    }

    /// A count.
    #[must_use]
    pub fn count(&self, table_and_condition: &str) -> i64 {
        self.value(&format!("SELECT count(*) FROM {table_and_condition}")).unwrap().parse().unwrap()
    }

    /// A job's status.
    #[must_use]
    pub fn status(&self, job: i64) -> String {
        self.value(&format!("SELECT status FROM jobs WHERE id = {job}")).unwrap()
    }

    /// A task's stage.
    #[must_use]
    pub fn stage(&self, task: i64) -> String {
        self.value(&format!("SELECT stage FROM tasks WHERE id = {task}")).unwrap()
    }
}
