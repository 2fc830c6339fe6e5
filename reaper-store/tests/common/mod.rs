//! A SQLite file in a folder of its own, and a program beside the store that knows nothing of Reaper: plain SQL
//! through a connection of its own.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::allow_attributes, reason = "what is used differs from file to file, so nothing can be expected")]

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection,
    connection::SimpleConnection as _,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};
use reaper_core::{JobId, JobSnapshot, RunId, TaskId, job::BadRow};
use reaper_store::{
    Facts as _, Schema as _, StoreError,
    foreign::{Foreign, ForeignJob, JobColumn, RunColumn, When},
    sqlite::{Options, SqliteStore},
};
use tempfile::TempDir;

/// The tables of a program that has its jobs from before Reaper.
pub const SEED: &str = include_str!("../seed.sql");

/// A prepared database.
#[derive(Debug)]
pub struct Database {
    folder: TempDir,
    pub store: SqliteStore,
    pub program: Program,
}

impl Database {
    /// One that Reaper has created.
    pub fn created() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let store = SqliteStore::create_or_open(&path, Options::default()).unwrap();
        store.migrate().unwrap();
        Self { store, program: Program::on(&path), folder }
    }

    /// One that another program has created and filled, and that Reaper has adopted.
    pub fn adopted(rows: &str) -> Self {
        let database = Self::seeded(rows);
        database.store.migrate().unwrap();
        database
    }

    /// One that another program has created and filled, and nobody has prepared.
    pub fn seeded(rows: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let program = Program::on(&path);
        program.run(SEED);
        program.run(rows);
        let store = SqliteStore::open(&path, Options::default()).unwrap();
        Self { store, program, folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("jobs.db")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Another store on the same file.
    pub fn open(&self, options: Options) -> SqliteStore {
        SqliteStore::open(&self.path(), options).unwrap()
    }

    pub fn job(&self, id: i64) -> JobSnapshot {
        self.store.job(&id.into()).unwrap().expect("the job is there").unwrap_or_else(|bad| panic!("{bad}"))
    }

    pub fn bad(&self, id: i64) -> BadRow {
        match self.store.job(&id.into()).unwrap().expect("the job is there") {
            Ok(row) => panic!("the row parses: {row:?}"),
            Err(bad) => bad,
        }
    }
}

/// A program without Reaper.
pub struct Program(Mutex<SqliteConnection>);

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Program")
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Nullable<BigInt>)]
    n: Option<i64>,
}

#[derive(QueryableByName)]
struct Words {
    #[diesel(sql_type = Nullable<Text>)]
    n: Option<String>,
}

impl Program {
    pub fn on(path: &Path) -> Self {
        let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        connection.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
        Self(Mutex::new(connection))
    }

    /// Runs statements that must work.
    pub fn run(&self, sql: &str) {
        self.try_run(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    pub fn try_run(&self, sql: &str) -> Result<(), StoreError> {
        self.0.lock().unwrap().batch_execute(sql).map_err(|error| StoreError::Database(error.to_string()))
    }

    /// The integers that a query of one column gives.
    pub fn numbers(&self, sql: &str) -> Vec<Option<i64>> {
        let query = format!("SELECT n FROM (SELECT x AS n FROM ({sql}))");
        let rows = sql_query(query).load::<Number>(&mut *self.0.lock().unwrap());
        rows.unwrap_or_else(|error| panic!("{error}: {sql}")).into_iter().map(|row| row.n).collect()
    }

    /// The integer that a query gives under the name `x`.
    pub fn number(&self, sql: &str) -> Option<i64> {
        let numbers = self.numbers(sql);
        assert_eq!(numbers.len(), 1, "{sql}");
        numbers[0]
    }

    /// The texts that a query gives under the name `x`.
    pub fn texts(&self, sql: &str) -> Vec<Option<String>> {
        let query = format!("SELECT CAST(x AS TEXT) AS n FROM ({sql})");
        let rows = sql_query(query).load::<Words>(&mut *self.0.lock().unwrap());
        rows.unwrap_or_else(|error| panic!("{error}: {sql}")).into_iter().map(|row| row.n).collect()
    }

    /// The text that a query gives under the name `x`.
    pub fn text(&self, sql: &str) -> Option<String> {
        let mut texts = self.texts(sql);
        assert_eq!(texts.len(), 1, "{sql}");
        texts.remove(0)
    }

    /// Every row and column of every table, as one text.
    pub fn dump(&self) -> String {
        self.dump_of("name NOT LIKE 'sqlite_%' AND name <> 'reaper_migrations'", "true")
    }

    /// The rows of some tables (a condition on `sqlite_master`), in some columns (a condition on their `name`).
    pub fn dump_of(&self, tables: &str, columns: &str) -> String {
        let mut dump = String::new();
        let tables = self.texts(&format!(
            "SELECT name AS x FROM sqlite_master WHERE type = 'table' AND {tables} ORDER BY name"
        ));
        for table in tables.into_iter().flatten() {
            let columns = self.texts(&format!(
                "SELECT name AS x FROM pragma_table_info('{table}') WHERE {columns} ORDER BY cid"
            ));
            let quoted: Vec<_> =
                columns.into_iter().flatten().map(|name| format!("'{name}=' || quote(\"{name}\")")).collect();
            let rows =
                self.texts(&format!("SELECT {} AS x FROM \"{table}\" ORDER BY rowid", quoted.join(" || ' ' || ")));
            for row in rows.into_iter().flatten() {
                dump.push_str(&format!("{table}: {row}\n"));
            }
        }
        dump
    }

    fn changed(&self, sql: &str) -> Result<(), StoreError> {
        let mut connection = self.0.lock().unwrap();
        let changed = sql_query(sql).execute(&mut *connection);
        match changed.map_err(|error| StoreError::Database(error.to_string()))? {
            1 => Ok(()),
            n => Err(StoreError::Database(format!("{n} rows were changed: {sql}"))),
        }
    }

    fn inserted(&self, sql: &str) -> Result<i64, StoreError> {
        self.changed(sql)?;
        Ok(self.number("SELECT last_insert_rowid() AS x").unwrap())
    }

    fn put_job(&self, verb: &str, job: &ForeignJob) -> Result<JobId, StoreError> {
        let id = job.id.as_ref().map_or("NULL".into(), ToString::to_string);
        let task = job.task.as_ref().map_or("NULL".into(), ToString::to_string);
        let run = job.run.as_ref().map_or("NULL".into(), ToString::to_string);
        let pid = job.pid.map_or("NULL".into(), |pid| pid.to_string());
        let ForeignJob { agent, repo, status, attempts, max_attempts, .. } = job;
        let id = self.inserted(&format!(
            "{verb} INTO jobs (id, agent, repo, task_id, status, attempts, max_attempts, run_id, pid, started_at)
             VALUES ({id}, '{agent}', '{repo}', {task}, '{status}', {attempts}, {max_attempts}, {run}, {pid}, {})",
            time(job.started_at)
        ))?;
        Ok(id.into())
    }
}

/// A time as an expression of the program's.
fn time(when: When) -> String {
    let shifted = |sign, by: Duration| format!("datetime('now', '{sign}{} seconds')", by.as_secs());
    match when {
        When::Null => "NULL".into(),
        When::Ago(age) => shifted('-', age),
        When::Ahead(by) => shifted('+', by),
        When::Unreadable => "'a while ago'".into(),
    }
}

impl Foreign for Program {
    fn insert_task(&self, id: Option<&TaskId>, stage: &str) -> Result<TaskId, StoreError> {
        let id = id.map_or("NULL".into(), ToString::to_string);
        let sql = format!("INSERT INTO tasks (id, repo, stage) VALUES ({id}, 'shop', '{stage}')");
        Ok(self.inserted(&sql)?.into())
    }

    fn set_stage(&self, task: &TaskId, stage: &str) -> Result<(), StoreError> {
        self.changed(&format!("UPDATE tasks SET stage = '{stage}' WHERE id = {task}"))
    }

    fn delete_task(&self, task: &TaskId) -> Result<(), StoreError> {
        self.changed(&format!("DELETE FROM tasks WHERE id = {task}"))
    }

    fn insert_job(&self, job: &ForeignJob) -> Result<JobId, StoreError> {
        self.put_job("INSERT", job)
    }

    fn replace_job(&self, job: &ForeignJob) -> Result<JobId, StoreError> {
        self.put_job("REPLACE", job)
    }

    fn update_job(&self, job: &JobId, columns: &[JobColumn]) -> Result<(), StoreError> {
        let set: Vec<_> = columns
            .iter()
            .map(|column| match column {
                JobColumn::Status(word) => format!("status = '{word}'"),
                JobColumn::Run(run) => {
                    format!("run_id = {}", run.as_ref().map_or("NULL".into(), ToString::to_string))
                }
                JobColumn::Pid(pid) => format!("pid = {}", pid.map_or("NULL".into(), |pid| pid.to_string())),
                JobColumn::StartedAt(when) => format!("started_at = {}", time(*when)),
                JobColumn::Attempts(n) => format!("attempts = {n}"),
            })
            .collect();
        self.changed(&format!("UPDATE jobs SET {} WHERE id = {job}", set.join(", ")))
    }

    fn delete_job(&self, job: &JobId) -> Result<(), StoreError> {
        self.changed(&format!("DELETE FROM jobs WHERE id = {job}"))
    }

    fn insert_run(&self, exit_code: Option<i32>, finished_at: When) -> Result<RunId, StoreError> {
        let code = exit_code.map_or("NULL".into(), |code| code.to_string());
        let sql =
            format!("INSERT INTO agent_runs (exit_code, finished_at) VALUES ({code}, {})", time(finished_at));
        Ok(self.inserted(&sql)?.into())
    }

    fn update_run(&self, run: &RunId, columns: &[RunColumn]) -> Result<(), StoreError> {
        let set: Vec<_> = columns
            .iter()
            .map(|column| match column {
                RunColumn::ExitCode(code) => {
                    format!("exit_code = {}", code.map_or("NULL".into(), |code| code.to_string()))
                }
                RunColumn::FinishedAt(when) => format!("finished_at = {}", time(*when)),
            })
            .collect();
        self.changed(&format!("UPDATE agent_runs SET {} WHERE id = {run}", set.join(", ")))
    }

    fn spoil_job(&self, job: &JobId) -> Result<(), StoreError> {
        self.changed(&format!("UPDATE jobs SET max_attempts = 'many' WHERE id = {job}"))
    }

    fn refuse_updates(&self, job: &JobId) -> Result<(), StoreError> {
        self.try_run(&format!(
            "CREATE TRIGGER owner_{job} BEFORE UPDATE ON jobs WHEN OLD.id = {job}
             BEGIN SELECT RAISE(ABORT, 'the owner says no'); END"
        ))
    }

    fn last_error(&self, job: &JobId) -> Result<Option<String>, StoreError> {
        Ok(self.text(&format!("SELECT reaper_last_error AS x FROM jobs WHERE id = {job}")))
    }

    fn exit_code(&self, run: &RunId) -> Result<Option<i32>, StoreError> {
        let code = self.number(&format!("SELECT exit_code AS x FROM agent_runs WHERE id = {run}"));
        Ok(code.map(|code| i32::try_from(code).unwrap()))
    }

    fn dump(&self) -> Result<String, StoreError> {
        Ok(Program::dump(self))
    }
}
