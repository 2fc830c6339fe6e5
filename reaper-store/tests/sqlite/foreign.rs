//! The suite's foreign program, as far as SQLite has its own words for it.

use reaper_store::{StoreError, foreign::When};

use crate::database::{Program, ago, ahead};

/// What can be written in the place of a number of attempts, and is none.
pub(crate) const NO_COUNT: &str = "'many'";

/// A time as an expression of the program's.
pub(crate) fn time(when: When) -> String {
    match when {
        When::Null => "NULL".into(),
        When::Ago(age) => ago(age.as_secs()),
        When::Ahead(by) => ahead(by.as_secs()),
        When::Unreadable => "'a while ago'".into(),
    }
}

impl Program {
    /// Inserts a row and tells its id.
    pub(crate) fn inserted(&self, into: &str) -> Result<i64, StoreError> {
        self.try_changed(&format!("INSERT INTO {into}"))?;
        Ok(self.number("SELECT last_insert_rowid() AS x").unwrap())
    }
}
