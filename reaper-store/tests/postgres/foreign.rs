//! The suite's foreign program, as far as PostgreSQL has its own words for it.

use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types::BigInt};
use reaper_store::{StoreError, foreign::When};

use crate::database::{Program, ago, ahead};

/// What can be written in the place of a number of attempts, and is none.
pub(crate) const NO_COUNT: &str = "-1";

/// A time as an expression of the program's. Its columns hold nothing that is none.
pub(crate) fn time(when: When) -> String {
    match when {
        When::Null | When::Unreadable => "NULL".into(),
        When::Ago(age) => ago(age.as_secs()),
        When::Ahead(by) => ahead(by.as_secs()),
    }
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

impl Program {
    /// Inserts a row and tells its id.
    pub(crate) fn inserted(&self, into: &str) -> Result<i64, StoreError> {
        let inserted = sql_query(format!("INSERT INTO {into} RETURNING id::bigint"));
        let id = inserted.get_result::<Id>(&mut *self.connection());
        Ok(id.map_err(|error| StoreError::Database(error.to_string()))?.id)
    }
}
