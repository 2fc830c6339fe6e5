//! What a `Database` does for a test, and what its `Program` does with plain SQL.

use diesel::{
    QueryableByName, RunQueryDsl as _,
    connection::SimpleConnection as _,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};
use reaper_core::{JobSnapshot, job::BadRow};
use reaper_store::{Facts as _, Schema as _, StoreError};

use crate::database::{Database, Program};

impl Database {
    /// One that another program has created and filled, and that Reaper has adopted.
    pub(crate) fn adopted(rows: &str) -> Self {
        let database = Self::seeded(rows);
        database.store.migrate().unwrap();
        database
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
    /// Runs statements that must work.
    pub(crate) fn run(&self, sql: &str) {
        self.try_run(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    pub(crate) fn try_run(&self, sql: &str) -> Result<(), StoreError> {
        self.connection().batch_execute(sql).map_err(|error| StoreError::Database(error.to_string()))
    }

    /// Runs a statement that must work, and tells how many rows it has changed.
    pub(crate) fn changed(&self, sql: &str) -> usize {
        self.try_changed(sql).unwrap_or_else(|error| panic!("{error}: {sql}"))
    }

    pub(crate) fn try_changed(&self, sql: &str) -> Result<usize, StoreError> {
        let changed = sql_query(sql).execute(&mut *self.connection());
        changed.map_err(|error| StoreError::Database(error.to_string()))
    }

    /// The integer that a query gives under the name `x`.
    pub(crate) fn number(&self, sql: &str) -> Option<i64> {
        let query = format!("SELECT CAST(x AS bigint) AS n FROM ({sql}) AS q");
        let rows = sql_query(query).load::<Number>(&mut *self.connection());
        let mut rows = rows.unwrap_or_else(|error| panic!("{error}: {sql}"));
        assert_eq!(rows.len(), 1, "{sql}");
        rows.remove(0).n
    }

    /// The texts that a query gives under the name `x`.
    pub(crate) fn texts(&self, sql: &str) -> Vec<Option<String>> {
        let query = format!("SELECT CAST(x AS text) AS n FROM ({sql}) AS q");
        let rows = sql_query(query).load::<Words>(&mut *self.connection());
        rows.unwrap_or_else(|error| panic!("{error}: {sql}")).into_iter().map(|row| row.n).collect()
    }

    /// The text that a query gives under the name `x`.
    pub(crate) fn text(&self, sql: &str) -> Option<String> {
        let mut texts = self.texts(sql);
        assert_eq!(texts.len(), 1, "{sql}");
        texts.remove(0)
    }
}
