//! The SQLite store passes the suite.
#![cfg(all(feature = "contract", feature = "sqlite"))]

mod common;

use common::Database;
use reaper_store::{Store, contract::Subject, foreign::Foreign};

impl Subject for Database {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn foreign(&self) -> &dyn Foreign {
        &self.program
    }
}

fn fresh() -> Database {
    Database::created()
}

reaper_store::contract_tests!(fresh);
