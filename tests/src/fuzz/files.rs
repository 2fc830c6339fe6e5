//! What is read from files: the configuration, leases, spooled exits.

use std::{fs, path::Path, sync::Arc, time::Duration};

use reaper_core::Timestamp;
use reaper_gate::{
    Leases as _,
    lease::{LeaseDir, LeaseState},
};
use reaper_runner::{
    config::{Flags, load_without_environment},
    exec::spool::{self, Spool},
};
use reaper_store::memory::MemoryStore;
use tempfile::TempDir;

use crate::fakes::FakeProbe;

/// A folder of this input's own, in memory where there is such a place.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A configuration file; and as a key of the command line, where there is an equals sign in it.
pub(super) fn config(bytes: &[u8]) {
    let folder = folder();
    let file = folder.path().join("reaper.toml");
    fs::write(&file, bytes).unwrap();
    load(&Flags { file: Some(file), ..Flags::default() });
    let text = String::from_utf8_lossy(bytes);
    if let Some((key, value)) = text.split_once('=') {
        load(&Flags { set: vec![(key.trim().to_owned(), value.trim().to_owned())], ..Flags::default() });
    }
}

/// A configuration that loads means something; one that does not is said.
fn load(flags: &Flags) {
    match load_without_environment(flags) {
        Ok(config) => assert!(config.settings("somebody".into()).is_ok(), "it was checked: {config:?}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A lease of a holder who lives: it is removed if and only if it was told to be stale.
pub(super) fn lease(bytes: &[u8]) {
    let folder = folder();
    let file = folder.path().join("shop.lease.json");
    fs::write(&file, bytes).unwrap();
    let leases = LeaseDir::new(folder.path(), Duration::from_secs(600), Arc::new(FakeProbe::alive()));
    let now = Timestamp::from_timestamp_millis(1_800_000_000_000).unwrap();
    let listed = leases.list(now);
    assert_eq!(listed.len(), 1, "{listed:?}");
    let is_stale = listed.iter().any(|lease| matches!(lease.state, LeaseState::Stale(_)));
    let reclaimed = leases.reclaim(Some(now));
    assert_eq!(!reclaimed.removed.is_empty(), is_stale, "{listed:?}: {reclaimed:?}");
    assert_eq!(file.exists(), !is_stale, "{listed:?}: {reclaimed:?}");
    if !is_stale {
        assert!(fs::read(&file).unwrap() == bytes, "what is kept is kept as it is");
    }
}

/// A spooled exit: what is read is what would be written, and of what is not this database's nothing is recorded.
pub(super) fn spool(bytes: &[u8]) {
    let folder = folder();
    let file = folder.path().join("1-2.exit.json");
    fs::write(&file, bytes).unwrap();
    if let Ok(exit) = spool::read(&file) {
        let again = folder.path().join("again");
        spool::write(&again, &exit).unwrap();
        assert_eq!(spool::read(&again).unwrap(), exit);
    }
    let store = MemoryStore::new(Timestamp::UNIX_EPOCH);
    let imported = Spool::new(folder.path()).import(&store, &FakeProbe::alive()).unwrap();
    assert!(imported.recorded.is_empty(), "{imported:?}");
    assert!(file.exists() == imported.set_aside.is_empty(), "{imported:?}");
    assert!(imported.set_aside.iter().all(|(path, _)| is_kept(path, bytes)), "{imported:?}");
}

/// Whether a file is there with these bytes.
fn is_kept(path: &Path, bytes: &[u8]) -> bool {
    fs::read(path).is_ok_and(|kept| kept == bytes)
}
