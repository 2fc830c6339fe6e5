//! A database of a test's own, and plain SQL on it as a program without Reaper would send it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection,
    sql_types,
};
use reaper_store::{Schema, Store};
use tempfile::TempDir;

pub use self::postgres::Scratch;

mod postgres;

/// The seed's tables, as another program makes them in SQLite.
pub const SEED_TABLES: &str = "
CREATE TABLE tasks (id INTEGER PRIMARY KEY AUTOINCREMENT, plane_id TEXT, work_item_id TEXT, repo TEXT, branch TEXT,
    stage TEXT);
CREATE TABLE jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, agent TEXT, repo TEXT, task_id INTEGER,
    status TEXT DEFAULT 'queued', attempts INTEGER DEFAULT 0, max_attempts INTEGER DEFAULT 2, run_id INTEGER,
    pid INTEGER, started_at TEXT);
CREATE TABLE agent_runs (id INTEGER PRIMARY KEY AUTOINCREMENT, task_id INTEGER, agent TEXT,
    started_at TEXT DEFAULT (datetime('now')), finished_at TEXT, exit_code INTEGER);
";

/// The same in PostgreSQL.
pub const SEED_TABLES_POSTGRES: &str = "
CREATE TABLE tasks (id bigserial PRIMARY KEY, plane_id text, work_item_id text, repo text, branch text, stage text);
CREATE TABLE jobs (id bigserial PRIMARY KEY, agent text, repo text, task_id bigint,
    status text DEFAULT 'queued', attempts integer DEFAULT 0, max_attempts integer DEFAULT 2, run_id bigint,
    pid integer, started_at timestamptz);
CREATE TABLE agent_runs (id bigserial PRIMARY KEY, task_id bigint, agent text,
    started_at timestamptz DEFAULT now(), finished_at timestamptz, exit_code integer);
";

/// On which kind of database a test runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A SQLite file.
    Sqlite,
    /// A database on the PostgreSQL server that `DATABASE_URL` names.
    Postgres,
}

impl Kind {
    /// The one that a test crate is for, by its name: the cases stand in one file, which two crates read.
    #[must_use]
    pub fn of_crate(name: &str) -> Self {
        if name.ends_with("_postgres") { Self::Postgres } else { Self::Sqlite }
    }
}

/// A database that only its test knows.
#[derive(Debug)]
pub struct Database {
    dir: TempDir,
    /// None where it is the file `jobs.db` in the folder.
    scratch: Option<Scratch>,
}

#[derive(QueryableByName)]
struct Value {
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    value: Option<String>,
}

impl Database {
    /// A SQLite database that was made with plain SQL and holds nothing of Reaper.
    #[must_use]
    pub fn foreign() -> Self {
        Self::foreign_in(tempfile::tempdir().unwrap())
    }

    /// The same in a folder in memory, where there is one: for tests that write much and lose nothing with the machine.
    #[must_use]
    pub fn volatile() -> Self {
        Self::foreign_in(tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap())
    }

    /// The same in a folder of its own in this one: on a disk that can be filled, say.
    #[must_use]
    pub fn foreign_under(folder: &Path) -> Self {
        Self::foreign_in(tempfile::tempdir_in(folder).unwrap())
    }

    fn foreign_in(dir: TempDir) -> Self {
        let database = Self { dir, scratch: None };
        database.sql(SEED_TABLES);
        database
    }

    /// One of this kind that was made with plain SQL and holds nothing of Reaper. `None`, said loudly, where there is
    /// no PostgreSQL server to make it on.
    #[must_use]
    pub fn foreign_on(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Sqlite => Some(Self::foreign()),
            Kind::Postgres => Scratch::new().map(Self::on_scratch),
        }
    }

    /// The same, adopted.
    #[must_use]
    pub fn adopted_on(kind: Kind) -> Option<(Self, Arc<dyn Store>)> {
        Self::foreign_on(kind).map(Self::adopt)
    }

    /// Adopts it.
    #[must_use]
    pub fn adopt(self) -> (Self, Arc<dyn Store>) {
        let store: Arc<dyn Store> = match &self.scratch {
            None => {
                let store = reaper_store::sqlite::SqliteStore::open(&self.path(), Default::default()).unwrap();
                store.migrate().unwrap();
                Arc::new(store)
            }
            Some(scratch) => {
                let options = reaper_store::postgres::Options::default();
                let store = reaper_store::postgres::PostgresStore::open(scratch.url(), options).unwrap();
                store.migrate().unwrap();
                Arc::new(store)
            }
        };
        (self, store)
    }

    /// The seed's tables in a PostgreSQL database that is empty.
    #[must_use]
    pub fn on_scratch(scratch: Scratch) -> Self {
        let database = Self { dir: tempfile::tempdir().unwrap(), scratch: Some(scratch) };
        database.sql(SEED_TABLES_POSTGRES);
        database
    }

    /// The folder, for whatever else a test needs.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The file of a SQLite database.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("jobs.db")
    }

    /// What the program is told, in the database's folder.
    #[must_use]
    pub fn url(&self) -> &str {
        self.scratch.as_ref().map_or("jobs.db", Scratch::url)
    }

    /// A connection to a SQLite database as another program has it.
    #[must_use]
    pub fn connection(&self) -> SqliteConnection {
        let mut connection = SqliteConnection::establish(&self.path().to_string_lossy()).unwrap();
        connection.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
        connection
    }

    /// Another program's one connection, which runs statements. It waits for a lock: on SQLite whoever looks at the
    /// file, for however short, keeps another's commit out.
    #[must_use]
    pub fn program(&self) -> Box<dyn FnMut(&str) + Send> {
        match &self.scratch {
            None => {
                let mut connection = self.connection();
                Box::new(move |statements| connection.batch_execute(statements).unwrap())
            }
            Some(scratch) => {
                let mut connection = scratch.connection();
                Box::new(move |statements| connection.batch_execute(statements).unwrap())
            }
        }
    }

    /// Runs statements.
    pub fn sql(&self, statements: &str) {
        self.program()(statements);
    }

    /// Runs an insertion and answers with the row's id.
    #[must_use]
    pub fn insert(&self, statement: &str) -> i64 {
        let statement = format!("{statement} RETURNING CAST(id AS TEXT) AS value");
        self.row(&statement).unwrap().parse().unwrap()
    }

    /// The first column of the first row of a query, as text; `None` for NULL.
    #[must_use]
    pub fn value(&self, query: &str) -> Option<String> {
        self.row(&format!("SELECT CAST(({query}) AS TEXT) AS value"))
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

    /// An owner's trigger that refuses to record this exit code.
    pub fn refuse_exit(&self, code: i32) {
        self.sql(&match &self.scratch {
            None => format!(
                "CREATE TRIGGER owner BEFORE UPDATE ON agent_runs WHEN NEW.exit_code = {code}
                 BEGIN SELECT RAISE(ABORT, 'the owner''s word'); END"
            ),
            Some(_) => format!(
                "CREATE FUNCTION owner() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN RAISE 'the owner''s word'; END $$;
                 CREATE TRIGGER owner BEFORE UPDATE ON agent_runs FOR EACH ROW WHEN (NEW.exit_code = {code})
                    EXECUTE FUNCTION owner()"
            ),
        });
    }

    /// A transaction that holds a job's run until it is dropped. Only on PostgreSQL are single rows held.
    #[must_use]
    pub fn hold_run(&self, job: i64) -> PgConnection {
        let mut connection = PgConnection::establish(self.url()).unwrap();
        let hold = format!(
            "BEGIN; SELECT 1 FROM agent_runs WHERE id = (SELECT run_id FROM jobs WHERE id = {job}) FOR UPDATE"
        );
        connection.batch_execute(&hold).unwrap();
        connection
    }

    /// The instant so many seconds ago, in SQL, as other programs write it.
    #[must_use]
    pub fn ago(&self, seconds: i64) -> String {
        match &self.scratch {
            None => format!("datetime('now', '-{seconds} seconds')"),
            Some(_) => format!("now() - interval '{seconds} seconds'"),
        }
    }

    fn row(&self, query: &str) -> Option<String> {
        let query = diesel::sql_query(query);
        let value: Value = match &self.scratch {
            None => query.get_result(&mut self.connection()).unwrap(),
            Some(scratch) => query.get_result(&mut scratch.connection()).unwrap(),
        };
        value.value
    }
}
