//! A SQLite file in a folder of its own, and a program beside the store that knows nothing of Reaper: plain SQL
//! through a connection of its own.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};

use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection,
    connection::SimpleConnection as _,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};
use reaper_core::{JobSnapshot, job::BadRow};
use reaper_store::{
    Facts as _, Schema as _, StoreError,
    sqlite::{Options, SqliteStore},
};
use tempfile::TempDir;

/// The tables of a program that has its jobs from before Reaper.
pub(crate) const SEED: &str = include_str!("seed.sql");

/// So many seconds ago, as the program writes it.
pub(crate) fn ago(secs: u32) -> String {
    format!("datetime('now', '-{secs} seconds')")
}

/// A prepared database.
#[derive(Debug)]
pub(crate) struct Database {
    folder: TempDir,
    pub(crate) store: SqliteStore,
    pub(crate) program: Program,
}

impl Database {
    /// One that Reaper has created.
    pub(crate) fn created() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let store = SqliteStore::create_or_open(&path, Options::default()).unwrap();
        store.migrate().unwrap();
        Self { store, program: Program::on(&path), folder }
    }

    /// One that another program has created and filled, and that Reaper has adopted.
    pub(crate) fn adopted(rows: &str) -> Self {
        let database = Self::seeded(rows);
        database.store.migrate().unwrap();
        database
    }

    /// One that another program has created and filled, and nobody has prepared.
    pub(crate) fn seeded(rows: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let program = Program::on(&path);
        program.run(SEED);
        program.run(rows);
        let store = SqliteStore::open(&path, Options::default()).unwrap();
        Self { store, program, folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("jobs.db")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Another store on the same file.
    pub(crate) fn open(&self, options: Options) -> SqliteStore {
        SqliteStore::open(&self.path(), options).unwrap()
    }

    pub(crate) fn job(&self, id: i64) -> JobSnapshot {
        self.store.job(&id.into()).unwrap().expect("the job is there").unwrap_or_else(|bad| panic!("{bad}"))
    }

    pub(crate) fn bad(&self, id: i64) -> BadRow {
        match self.store.job(&id.into()).unwrap().expect("the job is there") {
            Ok(row) => panic!("the row parses: {row:?}"),
            Err(bad) => bad,
        }
    }
}

/// A program without Reaper.
pub(crate) struct Program(Mutex<SqliteConnection>);

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
    pub(crate) fn on(path: &Path) -> Self {
        let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        // As in an SQLite that is built without options: foreign keys are not enforced.
        connection.batch_execute("PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = OFF").unwrap();
        Self(Mutex::new(connection))
    }

    pub(crate) fn connection(&self) -> MutexGuard<'_, SqliteConnection> {
        self.0.lock().unwrap()
    }

    /// Runs statements that must work.
    pub(crate) fn run(&self, sql: &str) {
        self.try_run(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    pub(crate) fn try_run(&self, sql: &str) -> Result<(), StoreError> {
        self.connection().batch_execute(sql).map_err(|error| StoreError::Database(error.to_string()))
    }

    /// The integers that a query of one column gives.
    pub(crate) fn numbers(&self, sql: &str) -> Vec<Option<i64>> {
        let query = format!("SELECT n FROM (SELECT x AS n FROM ({sql}))");
        let rows = sql_query(query).load::<Number>(&mut *self.connection());
        rows.unwrap_or_else(|error| panic!("{error}: {sql}")).into_iter().map(|row| row.n).collect()
    }

    /// The integer that a query gives under the name `x`.
    pub(crate) fn number(&self, sql: &str) -> Option<i64> {
        let numbers = self.numbers(sql);
        assert_eq!(numbers.len(), 1, "{sql}");
        numbers[0]
    }

    /// The texts that a query gives under the name `x`.
    pub(crate) fn texts(&self, sql: &str) -> Vec<Option<String>> {
        let query = format!("SELECT CAST(x AS TEXT) AS n FROM ({sql})");
        let rows = sql_query(query).load::<Words>(&mut *self.connection());
        rows.unwrap_or_else(|error| panic!("{error}: {sql}")).into_iter().map(|row| row.n).collect()
    }

    /// The text that a query gives under the name `x`.
    pub(crate) fn text(&self, sql: &str) -> Option<String> {
        let mut texts = self.texts(sql);
        assert_eq!(texts.len(), 1, "{sql}");
        texts.remove(0)
    }

    /// Every row and column of every table, as one text.
    pub(crate) fn dump_all(&self) -> String {
        self.dump_of("name NOT LIKE 'sqlite_%' AND name <> 'reaper_migrations'", "true")
    }

    /// The rows of some tables (a condition on `sqlite_master`), in some columns (a condition on their `name`).
    pub(crate) fn dump_of(&self, tables: &str, columns: &str) -> String {
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
}
