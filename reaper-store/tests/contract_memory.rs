//! The store in memory passes the suite.
#![cfg(feature = "contract")]

use chrono::TimeDelta;
use reaper_core::Timestamp;
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
    Memory(MemoryStore::new(Timestamp::UNIX_EPOCH + TimeDelta::days(20_000)))
}

reaper_store::contract_tests!(fresh);
