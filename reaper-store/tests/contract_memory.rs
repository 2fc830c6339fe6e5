//! The store in memory passes the suite.
#![cfg(feature = "contract")]

use reaper_store::{MemoryStore, Store, contract::Subject, foreign::Foreign};

#[derive(Debug)]
struct Memory(MemoryStore);

impl Subject for Memory {
    fn store(&self) -> &dyn Store {
        &self.0
    }

    fn foreign(&self) -> &dyn Foreign {
        &self.0
    }
}

fn fresh() -> Memory {
    Memory(MemoryStore::new("2026-05-04T10:00:00Z".parse().expect("a time")))
}

reaper_store::contract_tests!(fresh);
