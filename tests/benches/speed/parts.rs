//! A reaper around a store: the rest of the world is made up, so that what is measured is the database's part.

use std::sync::Arc;

use reaper_core::{Certainty, Finding, Liveness, ProcessIdentity, Sighting};
use reaper_gate::Probe;
use reaper_runner::{Parts, Settings};
use reaper_store::{Store, sqlite::SqliteStore};
use reaper_tests::fakes;

/// The host that probes.
pub const HERE: &str = "here";

/// The pid of every orphan's executor and monitor.
pub const DEAD: u32 = 66;

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

/// A reaper's parts on a store.
pub fn parts(store: &Arc<SqliteStore>) -> Parts {
    let mut fakes = fakes::Fakes::with_gate(fakes::FakeGate::green());
    fakes.probe = Arc::new(ByPid);
    let store: Arc<dyn Store> = Arc::<SqliteStore>::clone(store);
    fakes.parts(&store)
}

/// Its settings: as a program has them, with so many claims a pass.
pub fn settings(budget: usize) -> Settings {
    Settings { budget, name: "bench".into(), ..fakes::settings() }
}
