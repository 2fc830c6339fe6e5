//! Lease files of a merge gate: one JSON file per repository while it merges.

mod content;
mod dir;
#[cfg(not(unix))]
#[path = "elsewhere.rs"]
mod folder;
#[cfg(unix)]
mod folder;

use std::{fmt::Debug, path::PathBuf, time::Duration};

use reaper_core::{Sighting, Timestamp};

pub use self::dir::{LEASE_SUFFIX, LeaseDir};

/// What is said of a lease file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// Its holder is not known to be dead, and its time is not up.
    Held,
    /// Its holder is dead, or its time is up; for this reason.
    Stale(String),
    /// It cannot be judged, for this reason; it is left alone.
    Unreadable(String),
}

/// A lease file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseFile {
    /// Where it is.
    pub path: PathBuf,
    /// What is said of it.
    pub state: LeaseState,
    /// What was seen of its holder.
    pub holder: Option<Sighting>,
    /// When it was acquired.
    pub acquired_at: Option<Timestamp>,
}

/// What a reclaim did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// The files that were removed.
    pub removed: Vec<PathBuf>,
    /// What went wrong with others, each with its path.
    pub problems: Vec<String>,
}

/// Lists and reclaims lease files.
///
/// # Obligations
///
/// Nothing here fails or panics: what goes wrong with one file is said and hinders no other. A lease that was renewed
/// or re-taken while it was looked at is not removed, nor is anything that is not a plain file in the folder.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Leases: Debug + Send + Sync {
    /// What is there, in the order of the names.
    fn list(&self, now: Timestamp) -> Vec<LeaseFile>;

    /// Removes what is stale. Without an instant no lease's time is up, whatever it says: only the death of its holder makes
    /// it stale. That is for whoever has seen the clock jump.
    fn reclaim(&self, now: Option<Timestamp>) -> Reclaimed;

    /// How long a lease is good for: a holder that lives renews it within this time.
    fn ttl(&self) -> Duration;
}
