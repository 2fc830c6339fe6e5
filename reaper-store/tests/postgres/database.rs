//! A database of its own for each test, and a program beside the store that knows nothing of Reaper: plain SQL through
//! a connection of its own.

use std::sync::{Mutex, MutexGuard};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _,
    connection::SimpleConnection as _,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};
use reaper_core::{JobSnapshot, job::BadRow};
use reaper_store::{
    Facts as _, Schema as _, StoreError,
    contract::postgres::Database as Own,
    postgres::{Options, PostgresStore, connect},
};

/// The tables of a program that has its jobs from before Reaper.
pub(crate) const SEED: &str = include_str!("seed.sql");

/// So many seconds ago, as the program writes it.
pub(crate) fn ago(secs: u32) -> String {
    format!("(now() - interval '{secs} seconds')")
}

/// A database with a store and a program on it.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) store: PostgresStore,
    pub(crate) program: Program,
    own: Own,
}

impl Database {
    fn on(own: Own) -> Self {
        Self { store: own.open(Options::default()), program: Program::on(own.url()), own }
    }

    /// One that Reaper has created.
    pub(crate) fn created() -> Self {
        Self::on(Own::migrated())
    }

    /// One that another program has created and filled, and that Reaper has adopted.
    pub(crate) fn adopted(rows: &str) -> Self {
        let database = Self::seeded(rows);
        database.store.migrate().unwrap();
        database
    }

    /// One that another program has created and filled, and nobody has prepared.
    pub(crate) fn seeded(rows: &str) -> Self {
        let database = Self::on(Own::empty());
        database.program.run(&format!("{SEED} {rows}"));
        database
    }

    /// One that holds these tables and rows.
    pub(crate) fn with(schema: &str) -> Self {
        let database = Self::on(Own::empty());
        database.program.run(schema);
        database
    }

    pub(crate) fn url(&self) -> &str {
        self.own.url()
    }

    pub(crate) fn name(&self) -> &str {
        self.own.name()
    }

    /// Another store on it.
    pub(crate) fn open(&self, options: Options) -> PostgresStore {
        self.own.open(options)
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
pub(crate) struct Program(Mutex<PgConnection>);

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
    pub(crate) fn on(url: &str) -> Self {
        Self(Mutex::new(connect(url, Options::default()).unwrap()))
    }

    pub(crate) fn connection(&self) -> MutexGuard<'_, PgConnection> {
        self.0.lock().unwrap()
    }

    /// Runs statements that must work.
    pub(crate) fn run(&self, sql: &str) {
        self.try_run(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    pub(crate) fn try_run(&self, sql: &str) -> Result<(), StoreError> {
        self.connection().batch_execute(sql).map_err(|error| StoreError::Database(error.to_string()))
    }

    /// The integer that a query gives under the name `x`.
    pub(crate) fn number(&self, sql: &str) -> Option<i64> {
        let rows =
            sql_query(format!("SELECT x::bigint AS n FROM ({sql}) AS q")).load::<Number>(&mut *self.connection());
        let mut rows = rows.unwrap_or_else(|error| panic!("{error}: {sql}"));
        assert_eq!(rows.len(), 1, "{sql}");
        rows.remove(0).n
    }

    /// The texts that a query gives under the name `x`.
    pub(crate) fn texts(&self, sql: &str) -> Vec<Option<String>> {
        let rows =
            sql_query(format!("SELECT x::text AS n FROM ({sql}) AS q")).load::<Words>(&mut *self.connection());
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
        self.dump_of("c.relname <> 'reaper_migrations'", "true")
    }

    /// The rows of some tables (a condition on `pg_class c`), in some columns (a condition on `pg_attribute a`).
    pub(crate) fn dump_of(&self, tables: &str, columns: &str) -> String {
        let tables = self.texts(&format!(
            "SELECT c.relname || '|' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS x
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
             WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
                AND {tables} AND {columns} GROUP BY c.relname ORDER BY c.relname"
        ));
        let mut dump = String::new();
        for table in tables.into_iter().flatten() {
            let (table, columns) = table.split_once('|').unwrap();
            let rows = self.texts(&format!(
                "SELECT to_jsonb(r)::text AS x FROM (SELECT {columns} FROM {table}) AS r ORDER BY 1"
            ));
            for row in rows.into_iter().flatten() {
                dump.push_str(&format!("{table}: {row}\n"));
            }
        }
        dump
    }
}
