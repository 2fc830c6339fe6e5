//! A reaper around a store: the rest of the world is made up, so that what is measured is the database's part.

use std::sync::Arc;

use reaper_core::{Certainty, Finding, Liveness, ProcessIdentity, Sighting};
use reaper_gate::Probe;
use reaper_runner::{Parts, Settings};
use reaper_store::{Store, postgres, postgres::PostgresStore, sqlite, sqlite::SqliteStore};
use reaper_tests::fakes;

/// The host that probes.
pub const HERE: &str = "here";

/// The pid of every orphan's executor and monitor.
pub const DEAD: u32 = 66;

/// How many rows of which kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rows {
    /// Jobs that run.
    pub running: u64,
    /// How many of those have lost executor and monitor, spread evenly.
    pub orphans: u64,
    /// Jobs that are done.
    pub finished: u64,
    /// Events of the past.
    pub events: u64,
}

/// Says of a process by its pid alone whether it lives.
#[derive(Debug)]
pub struct ByPid;

impl Probe for ByPid {
    fn host(&self) -> &str {
        HERE
    }

    fn probe(&self, identity: &ProcessIdentity) -> Sighting {
        if identity.pid == DEAD {
            Sighting::new(Liveness::Dead(Certainty::Verified), Finding::Ended)
        } else {
            Sighting::new(Liveness::Alive(Certainty::Verified), Finding::Running)
        }
    }

    fn probe_pid(&self, _: u32) -> Sighting {
        Sighting::NOTHING_RECORDED
    }
}

/// The store on a database: a URL or a file.
pub fn open(database: &str) -> Arc<dyn Store> {
    if database.starts_with("postgres") {
        Arc::new(PostgresStore::open(database, postgres::Options::default()).unwrap())
    } else {
        Arc::new(SqliteStore::open(database.as_ref(), sqlite::Options::default()).unwrap())
    }
}

/// A reaper's parts on a store.
pub fn parts(store: &Arc<dyn Store>) -> Parts {
    let mut fakes = fakes::Fakes::with_gate(fakes::FakeGate::green());
    fakes.probe = Arc::new(ByPid);
    fakes.parts(store)
}

/// Its settings: as a program has them, with so many claims a pass.
pub fn settings(budget: usize) -> Settings {
    // Bare pids are not believed, as is PostgreSQL's default.
    Settings { budget, name: "bench".into(), bare_pids: false, ..fakes::settings() }
}
