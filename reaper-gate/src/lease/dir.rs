//! A folder of lease files.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use reaper_core::Timestamp;

use super::{
    LeaseFile, LeaseState, Leases, Reclaimed,
    content::{Circumstances, Judged, Lease},
    folder::{Folder, Moment, Removal, Seen},
};
use crate::Probe;

/// The names of lease files end so, unless it is said otherwise.
pub const LEASE_SUFFIX: &str = ".lease.json";

/// The lease files of one folder.
///
/// A lease file is a plain file whose name ends in [`LEASE_SUFFIX`] (or another ending, [`Self::suffix`]) and does not
/// begin with a dot; folders below are not entered, symbolic links not followed. It holds one JSON object of at most
/// 64 KiB. These fields are read, all of them optional, others ignored:
///
/// | field | is |
/// |---|---|
/// | `pid` | the holder's process id |
/// | `host` | the holder's host, as [`Probe::host`] or the system's node name has it |
/// | `holder` | the text of a [`reaper_core::ProcessIdentity`], which is then used instead of the two |
/// | `acquired_at` | RFC 3339, seconds since 1970, or `YYYY-MM-DD HH:MM:SS` in UTC |
/// | `renewed_at` | the same; the later of the two counts |
///
/// A lease is stale if and only if its holder is dead or its time is up. A holder is dead if the probe says so of its
/// identity, or of its pid where the host is this one or none; of another host's lease only the time decides. A
/// holder whose session lives on is not dead.
///
/// # Races
///
/// What is removed is the very file that was judged, with the content that was judged: it is compared once more, moved
/// to a private name (`.NAME.reaper-INODE`), compared again, and only then removed. If it is another one by then, it is
/// moved back, unless its name was taken again meanwhile; then it stays where it is and is reported. If the
/// program is killed in between, the next reclaim moves the file back first.
///
/// So a lease that was renewed or re-taken while it was looked at is not lost, with two exceptions. Between the second
/// comparison and the removal, a few microseconds, a holder that renews by writing into a file which it opened before
/// is not noticed; one that renews by renaming a new file over the old name always is. And a lease that was renewed or
/// re-taken between the first comparison and the move is away from its name until it is moved back: who looks just then
/// sees none. A holder that lives and renews well before its time is up is not judged stale at all, so neither can
/// happen to it.
///
/// On platforms other than Unix nothing is listed and reclaimed, and a problem says so.
#[derive(Clone, Debug)]
pub struct LeaseDir {
    folder: PathBuf,
    suffix: String,
    ttl: Duration,
    hosts: BTreeSet<String>,
    probe: Arc<dyn Probe>,
}

impl LeaseDir {
    /// The leases in `folder`, each good for `ttl` from when it was acquired or last renewed. The folder need not exist.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, ttl: Duration, probe: Arc<dyn Probe>) -> Self {
        let hosts = [Some(probe.host().to_owned()), super::folder::node_name()].into_iter().flatten().collect();
        Self { folder: folder.into(), suffix: LEASE_SUFFIX.to_owned(), ttl, hosts, probe }
    }

    /// Takes files whose names end so for leases.
    #[must_use]
    pub fn suffix(mut self, suffix: impl Into<String>) -> Self {
        self.suffix = suffix.into();
        self
    }

    /// Adds a name that this host has in leases.
    #[must_use]
    pub fn also_named(mut self, host: impl Into<String>) -> Self {
        self.hosts.insert(host.into());
        self
    }

    fn reclaim_watched(&self, now: Option<Timestamp>, watch: &dyn Fn(Moment)) -> Reclaimed {
        let mut reclaimed = Reclaimed::default();
        let folder = match Folder::open(&self.folder) {
            Ok(Some(folder)) => folder,
            Ok(None) => return reclaimed,
            Err(why) => {
                reclaimed.problems.push(said(&self.folder, &why));
                return reclaimed;
            }
        };
        let names = folder.names().and_then(|names| {
            let moved = names.iter().filter_map(|private| Some((private, self.moved_from(private)?)));
            for (private, name) in moved {
                if let Err(why) = folder.put_back(private, name) {
                    reclaimed.problems.push(said(&self.folder.join(private), &why));
                }
            }
            folder.names()
        });
        match names {
            Ok(names) => names.iter().filter(|name| self.is_lease(name)).for_each(|name| {
                self.reclaim_one(&folder, name, now, watch, &mut reclaimed);
            }),
            Err(why) => reclaimed.problems.push(said(&self.folder, &why)),
        }
        reclaimed
    }

    fn reclaim_one(
        &self,
        folder: &Folder,
        name: &OsStr,
        now: Option<Timestamp>,
        watch: &dyn Fn(Moment),
        reclaimed: &mut Reclaimed,
    ) {
        let path = self.folder.join(name);
        let (judged, seen) = match self.look(folder, name, now) {
            Ok(Some(looked)) => looked,
            Ok(None) => return,
            Err(why) => return reclaimed.problems.push(said(&path, &why)),
        };
        match judged.state {
            LeaseState::Held => {}
            LeaseState::Unreadable(why) => reclaimed.problems.push(said(&path, &why)),
            LeaseState::Stale(_) => match folder.remove(name, &seen, watch) {
                Ok(Removal::Removed) => reclaimed.removed.push(path),
                // Its holder, or somebody who has it now, was faster.
                Ok(Removal::Changed | Removal::Gone) => {}
                Err(why) => reclaimed.problems.push(said(&path, &why)),
            },
        }
    }

    /// Reads and judges a lease. `None` if it is gone.
    fn look(
        &self,
        folder: &Folder,
        name: &OsStr,
        now: Option<Timestamp>,
    ) -> Result<Option<(Judged, Seen)>, String> {
        let Some(seen) = folder.look(name)? else { return Ok(None) };
        let around = Circumstances { probe: &*self.probe, hosts: &self.hosts, ttl: self.ttl, now };
        let judged = Lease::parse(seen.content())?.judge(&around);
        Ok(Some((judged, seen)))
    }

    fn is_lease(&self, name: &OsStr) -> bool {
        let name = name.as_encoded_bytes();
        !name.starts_with(b".") && name.ends_with(self.suffix.as_bytes())
    }

    /// The lease's name, of a file that a reclaim has moved to a private one.
    fn moved_from<'a>(&self, private: &'a OsStr) -> Option<&'a OsStr> {
        Folder::moved_from(private).filter(|name| self.is_lease(name))
    }
}

impl Leases for LeaseDir {
    fn list(&self, now: Timestamp) -> Vec<LeaseFile> {
        let unreadable = |path: &Path, why| LeaseFile {
            path: path.to_owned(),
            state: LeaseState::Unreadable(why),
            holder: None,
            acquired_at: None,
        };
        let opened = Folder::open(&self.folder).and_then(|folder| match folder {
            Some(folder) => folder.names().map(|names| Some((folder, names))),
            None => Ok(None),
        });
        let (folder, names) = match opened {
            Ok(Some(found)) => found,
            Ok(None) => return Vec::new(),
            Err(why) => return vec![unreadable(&self.folder, why)],
        };
        let one = |name: &OsStr| {
            let path = self.folder.join(name);
            if self.moved_from(name).is_some() {
                let why = "an interrupted reclaim has left it; the next one moves it back";
                return Some(unreadable(&path, why.to_owned()));
            }
            if !self.is_lease(name) {
                return None;
            }
            match self.look(&folder, name, Some(now)) {
                Ok(Some((Judged { state, holder, acquired_at }, _))) => {
                    Some(LeaseFile { path, state, holder, acquired_at })
                }
                Ok(None) => None,
                Err(why) => Some(unreadable(&path, why)),
            }
        };
        names.iter().filter_map(|name| one(name)).collect()
    }

    fn reclaim(&self, now: Option<Timestamp>) -> Reclaimed {
        self.reclaim_watched(now, &|_| ())
    }

    fn ttl(&self) -> Duration {
        self.ttl
    }
}

fn said(path: &Path, why: &str) -> String {
    format!("{}: {why}", path.display())
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
