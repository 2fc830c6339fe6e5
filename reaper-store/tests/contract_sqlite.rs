//! The store on SQLite passes the suite, beside a program whose statements know nothing of Reaper.
#![cfg(all(feature = "contract", feature = "sqlite"))]
#![expect(clippy::unwrap_used, reason = "what a test is set up with fails as a test does: by a panic")]

use std::{path::PathBuf, sync::Mutex};

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection,
    connection::SimpleConnection,
    sql_query,
    sql_types::{Nullable, Text},
};
use reaper_core::{JobId, RunId, TaskId};
use reaper_store::{
    Schema, Store, StoreError,
    contract::Subject,
    foreign::{Foreign, ForeignJob, JobColumn, RunColumn, When},
    sqlite::{Options, SqliteStore},
};
use tempfile::TempDir;

/// A store on a database of its own.
#[derive(Debug)]
struct Sqlite {
    store: SqliteStore,
    foreign: Plain,
    _dir: TempDir,
}

impl Subject for Sqlite {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn foreign(&self) -> &dyn Foreign {
        &self.foreign
    }
}

fn fresh() -> Sqlite {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jobs.db");
    let store = SqliteStore::create_or_open(&path, Options::default()).unwrap();
    store.migrate().unwrap();
    Sqlite { store, foreign: Plain::open(path), _dir: dir }
}

/// Plain statements, through a connection of their own.
struct Plain {
    path: PathBuf,
    connection: Mutex<SqliteConnection>,
}

impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plain").field("path", &self.path).finish_non_exhaustive()
    }
}

#[derive(QueryableByName)]
struct Value {
    #[diesel(sql_type = Nullable<Text>)]
    value: Option<String>,
}

impl Plain {
    fn open(path: PathBuf) -> Self {
        let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        connection.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
        Self { path, connection: Mutex::new(connection) }
    }

    fn run(&self, statement: &str) -> Result<(), StoreError> {
        let mut connection = self.connection.lock().unwrap();
        connection.batch_execute(statement).map_err(|error| StoreError::Database(error.to_string()))
    }

    /// Runs a statement that must change a row.
    fn change(&self, statement: &str) -> Result<(), StoreError> {
        let mut connection = self.connection.lock().unwrap();
        match sql_query(statement).execute(&mut *connection) {
            Ok(0) => Err(StoreError::Database(format!("no row: {statement}"))),
            Ok(_) => Ok(()),
            Err(error) => Err(StoreError::Database(error.to_string())),
        }
    }

    fn insert(&self, statement: &str) -> Result<i64, StoreError> {
        self.run(statement)?;
        Ok(self.value("SELECT CAST(last_insert_rowid() AS TEXT) AS value")?.unwrap().parse().unwrap())
    }

    fn value(&self, query: &str) -> Result<Option<String>, StoreError> {
        let mut connection = self.connection.lock().unwrap();
        let value: Value = sql_query(query)
            .get_result(&mut *connection)
            .map_err(|error| StoreError::Database(error.to_string()))?;
        Ok(value.value)
    }
}

fn time(when: When) -> String {
    match when {
        When::Null => "NULL".into(),
        When::Ago(age) => format!("datetime('now', '-{} seconds')", age.as_secs()),
        When::Ahead(by) => format!("datetime('now', '+{} seconds')", by.as_secs()),
        When::Unreadable => "'last Tuesday'".into(),
    }
}

fn maybe(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "NULL".into(), |value| value.to_string())
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// The values of a row, in the order of [`COLUMNS`].
fn values(job: &ForeignJob) -> String {
    [
        maybe(job.id.as_ref()),
        text(&job.agent),
        text(&job.repo),
        maybe(job.task.as_ref()),
        text(&job.status),
        job.attempts.to_string(),
        job.max_attempts.to_string(),
        maybe(job.run.as_ref()),
        maybe(job.pid),
        time(job.started_at),
    ]
    .join(", ")
}

const COLUMNS: &str = "id, agent, repo, task_id, status, attempts, max_attempts, run_id, pid, started_at";

impl Foreign for Plain {
    fn insert_task(&self, id: Option<&TaskId>, stage: &str) -> Result<TaskId, StoreError> {
        let values = format!("({}, 'shop', {})", maybe(id), text(stage));
        self.insert(&format!("INSERT INTO tasks (id, repo, stage) VALUES {values}")).map(TaskId::from)
    }

    fn set_stage(&self, task: &TaskId, stage: &str) -> Result<(), StoreError> {
        self.change(&format!("UPDATE tasks SET stage = {} WHERE id = {task}", text(stage)))
    }

    fn delete_task(&self, task: &TaskId) -> Result<(), StoreError> {
        self.change(&format!("DELETE FROM tasks WHERE id = {task}"))
    }

    fn insert_job(&self, job: &ForeignJob) -> Result<JobId, StoreError> {
        self.insert(&format!("INSERT INTO jobs ({COLUMNS}) VALUES ({})", values(job))).map(JobId::from)
    }

    fn replace_job(&self, job: &ForeignJob) -> Result<JobId, StoreError> {
        self.insert(&format!("REPLACE INTO jobs ({COLUMNS}) VALUES ({})", values(job))).map(JobId::from)
    }

    fn update_job(&self, job: &JobId, columns: &[JobColumn]) -> Result<(), StoreError> {
        let set: Vec<_> = columns
            .iter()
            .map(|column| match column {
                JobColumn::Status(word) => format!("status = {}", text(word)),
                JobColumn::Run(run) => format!("run_id = {}", maybe(run.as_ref())),
                JobColumn::Pid(pid) => format!("pid = {}", maybe(*pid)),
                JobColumn::StartedAt(when) => format!("started_at = {}", time(*when)),
                JobColumn::Attempts(n) => format!("attempts = {n}"),
            })
            .collect();
        self.change(&format!("UPDATE jobs SET {} WHERE id = {job}", set.join(", ")))
    }

    fn delete_job(&self, job: &JobId) -> Result<(), StoreError> {
        self.change(&format!("DELETE FROM jobs WHERE id = {job}"))
    }

    fn insert_run(&self, exit_code: Option<i32>, finished_at: When) -> Result<RunId, StoreError> {
        let values = format!("('developer', {}, {})", maybe(exit_code), time(finished_at));
        self.insert(&format!("INSERT INTO agent_runs (agent, exit_code, finished_at) VALUES {values}"))
            .map(RunId::from)
    }

    fn update_run(&self, run: &RunId, columns: &[RunColumn]) -> Result<(), StoreError> {
        let set: Vec<_> = columns
            .iter()
            .map(|column| match column {
                RunColumn::ExitCode(code) => format!("exit_code = {}", maybe(*code)),
                RunColumn::FinishedAt(when) => format!("finished_at = {}", time(*when)),
            })
            .collect();
        self.change(&format!("UPDATE agent_runs SET {} WHERE id = {run}", set.join(", ")))
    }

    fn spoil_job(&self, job: &JobId) -> Result<(), StoreError> {
        self.change(&format!("UPDATE jobs SET max_attempts = 'many' WHERE id = {job}"))
    }

    fn refuse_updates(&self, job: &JobId) -> Result<(), StoreError> {
        self.run(&format!(
            "CREATE TRIGGER owner_refuses_{job} BEFORE UPDATE ON jobs WHEN NEW.id = {job} \
             BEGIN SELECT RAISE(ABORT, 'the owner says no'); END"
        ))
    }

    fn last_error(&self, job: &JobId) -> Result<Option<String>, StoreError> {
        self.value(&format!("SELECT reaper_last_error AS value FROM jobs WHERE id = {job}"))
    }

    fn exit_code(&self, run: &RunId) -> Result<Option<i32>, StoreError> {
        let code =
            self.value(&format!("SELECT CAST(exit_code AS TEXT) AS value FROM agent_runs WHERE id = {run}"))?;
        Ok(code.map(|code| code.parse().unwrap()))
    }

    fn dump(&self) -> Result<String, StoreError> {
        let mut dump = String::new();
        for table in
            ["tasks", "jobs", "agent_runs", "reaper_events", "reaper_outbox", "reaper_settings", "reaper_advances"]
        {
            // Every column by its name, as SQLite itself quotes it.
            let columns = self.value(&format!(
                "SELECT group_concat('quote(\"' || name || '\")', ' || '','' || ') AS value FROM pragma_table_info('{table}')"
            ))?;
            let rows = self.value(&format!(
                "SELECT group_concat(line, char(10)) AS value FROM (SELECT {} AS line FROM {table} ORDER BY 1)",
                columns.unwrap()
            ))?;
            dump.push_str(&format!("{table}\n{}\n", rows.unwrap_or_default()));
        }
        Ok(dump)
    }
}

reaper_store::contract_tests!(fresh);
