//! More files than are imported at once, on the store in memory.

use chrono::DateTime;
use reaper_core::{Bond, ProcessIdentity};
use reaper_gate::liveness::MockProbe;
use reaper_store::{
    Attempts as _,
    attempts::{Launcher, NewJob, Wants},
    memory::MemoryStore,
};
use tempfile::TempDir;

use super::*;
use crate::exec::spool;

/// A spool, and a database of the host `here`.
struct Ground {
    folder: TempDir,
    store: MemoryStore,
    probe: MockProbe,
}

impl Ground {
    fn new() -> Self {
        let mut probe = MockProbe::new();
        probe.expect_host().return_const("here".to_owned());
        Self { folder: tempfile::tempdir().unwrap(), store: MemoryStore::new(DateTime::UNIX_EPOCH), probe }
    }

    fn spool(&self) -> Spool {
        Spool::new(self.folder.path())
    }

    /// Takes so many jobs and spools their exits, of executors of this host.
    fn spooled(&self, count: usize, host: &str) -> Vec<Attempt> {
        (0..count).map(|_| self.spooled_one(host)).collect()
    }

    fn spooled_one(&self, host: &str) -> Attempt {
        let job = NewJob {
            agent: "developer".into(),
            repo: "shop".into(),
            task: None,
            max_attempts: 3,
            source_key: None,
            payload: None,
        };
        self.store.enqueue(&job).unwrap();
        // A monitor of another host is not looked at.
        let monitor: ProcessIdentity = "elsewhere/b/1/2/3/4".parse().unwrap();
        let launcher = Launcher { monitor, bond: Bond::Free };
        let taken = self.store.take(&Wants::Any, &launcher).unwrap().unwrap();
        let attempt = taken.job.attempt;
        let exit = SpooledExit {
            attempt: attempt.clone(),
            run: taken.job.run.unwrap(),
            executor: format!("{host}/b/1/2/3/4").parse().unwrap(),
            code: 0,
            stopped_for: None,
            out_of_memory: false,
            at: DateTime::UNIX_EPOCH,
            tail: String::new(),
        };
        spool::write(&self.spool().file_of(&attempt), &exit).unwrap();
        attempt
    }

    fn import(&self, at_most: usize) -> Imported {
        self.spool().import_at_most(at_most, &self.store, &self.probe).unwrap()
    }
}

#[test]
fn files_that_stay_hinder_none_behind_them() {
    let ground = Ground::new();
    let _theirs = ground.spooled(20, "there");
    let ours = ground.spooled(3, "here");
    let imported = ground.import(3);
    assert_eq!(imported.recorded, ours, "{imported:?}");
}

#[test]
fn what_is_not_imported_at_once_is_awaited_until_it_is() {
    let ground = Ground::new();
    let ours = ground.spooled(7, "here");
    let mut recorded = Vec::new();
    for round in 1..=4 {
        let imported = ground.import(2);
        assert_eq!(imported.recorded.len(), if round == 4 { 1 } else { 2 });
        recorded.extend(imported.recorded.iter().cloned());
        for attempt in &ours {
            assert_eq!(imported.awaits(attempt), !recorded.contains(attempt), "round {round}: {imported:?}");
        }
    }
    assert!(ground.spool().is_empty());
}
