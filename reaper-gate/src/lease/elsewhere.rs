//! Platforms without descriptors of folders: what was judged could not be told from what is removed.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

/// No folder is ever opened here.
#[derive(Debug)]
pub(super) enum Folder {}

/// No file is ever seen here.
#[derive(Debug)]
pub(super) enum Seen {}

/// How a removal ended.
#[expect(dead_code, reason = "nothing is removed here")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// It is removed.
    Removed,
    /// It is not what was seen any more.
    Changed,
    /// It went away by other hands.
    Gone,
}

/// The steps of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {}

impl Folder {
    /// Says that it cannot be done.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, String> {
        if path.exists() { Err("lease files are not supported on this platform".to_owned()) } else { Ok(None) }
    }

    /// As on Unix.
    pub(super) fn names(&self) -> Result<Vec<OsString>, String> {
        match *self {}
    }

    /// As on Unix.
    pub(super) fn look(&self, _: &OsStr) -> Result<Option<Seen>, String> {
        match *self {}
    }

    /// As on Unix.
    pub(super) fn remove(&self, _: &OsStr, _: &Seen, _: &dyn Fn(Moment)) -> Result<Removal, String> {
        match *self {}
    }

    /// As on Unix.
    pub(super) fn put_back(&self, _: &OsStr, _: &OsStr) -> Result<(), String> {
        match *self {}
    }

    /// As on Unix.
    pub(super) fn moved_from(_: &OsStr) -> Option<&OsStr> {
        None
    }
}

impl Seen {
    /// As on Unix.
    pub(super) fn content(&self) -> &[u8] {
        match *self {}
    }
}

/// The name that the system gives this host.
pub(super) fn node_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}
