//! The store passes the suite.

use reaper_store::{Store, contract::Subject, foreign::Foreign};

use crate::database::Database;

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
