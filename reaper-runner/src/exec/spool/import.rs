//! The import of spooled exits.
//!
//! Who imports one compares its attempt with the job's row first; what belongs to another host, or does not parse, is kept.
//! So is what cannot be read now, and what the database refuses or cannot take now, and none of it hinders another.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use reaper_core::{Attempt, JobSnapshot, Liveness};
use reaper_gate::Probe;
use reaper_store::{
    Store, StoreError,
    attempts::{LeftOut, Recorded, Tried},
};

use super::{Spool, SpoolError, SpooledExit, named_attempt, read, remove};
use crate::moved_on::is_recorded;

/// What was imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Attempts whose exits are recorded now; each file is gone.
    pub recorded: Vec<Attempt>,
    /// Those of them that the kernel has killed for want of memory.
    pub out_of_memory: Vec<Attempt>,
    /// Files that were set aside, under a name that is not looked at again, each with the reason.
    pub set_aside: Vec<(PathBuf, String)>,
    /// Files that stay where they are, to be tried again.
    pub left: Vec<LeftExit>,
    /// Attempts whose files, by their names, wait for a later import: enough has been done in this one.
    pub unread: BTreeSet<Attempt>,
    /// Why the folder cannot be read, where it cannot.
    pub unreadable: Option<String>,
}

impl Imported {
    /// Whether an exit of this attempt waits to be recorded: until then nobody must act as if none were known.
    #[must_use]
    pub fn awaits(&self, attempt: &Attempt) -> bool {
        self.unread.contains(attempt) || self.left.iter().any(|left| left.is_of(attempt) && left.why.passes())
    }

    /// Whether a file cannot be read that is named as one with an exit of this attempt. Nobody knows whether that passes:
    /// who waits for it has to have a bound.
    #[must_use]
    pub fn cannot_read(&self, attempt: &Attempt) -> bool {
        self.left.iter().any(|left| left.is_of(attempt) && matches!(left.why, WhyLeft::Unreadable(_)))
    }
}

/// A spooled exit that was left where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftExit {
    /// Its file.
    pub path: PathBuf,
    /// Its attempt; of one that was not read the name may tell it.
    pub attempt: Option<Attempt>,
    /// Why it was left.
    pub why: WhyLeft,
}

impl LeftExit {
    fn is_of(&self, attempt: &Attempt) -> bool {
        self.attempt.as_ref() == Some(attempt)
    }
}

/// Why a spooled exit was left where it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WhyLeft {
    /// Its monitor lives, and has not had the time to read what only the file tells.
    #[error("its monitor is about to take it")]
    ToMonitor,
    /// The database has not recorded it.
    #[error(transparent)]
    LeftOut(LeftOut),
    /// The operating system does not let it be read, for now or for ever.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Its job's row does not parse, so that nobody can tell whose it is.
    #[error("its job's row does not parse: {0}")]
    BadRow(String),
}

impl WhyLeft {
    /// Whether it goes by without anybody's doing.
    const fn passes(&self) -> bool {
        match self {
            Self::ToMonitor | Self::LeftOut(LeftOut::Held) => true,
            Self::LeftOut(LeftOut::Refused(_)) | Self::Unreadable(_) | Self::BadRow(_) => false,
        }
    }
}

impl Spool {
    /// Records what waits, under its fence, for the attempts of the probe's host. A young one whose monitor lives is left
    /// to it; one that the database refuses, or holds for another program, hinders none behind it.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] where the database does not answer; what is not recorded stays.
    pub fn import(&self, store: &dyn Store, probe: &dyn Probe) -> Result<Imported, StoreError> {
        self.import_at_most(AT_ONCE, store, probe)
    }

    /// Goes on until so many files are gone. Those that stay are passed over, however many they are.
    fn import_at_most(
        &self,
        at_most: usize,
        store: &dyn Store,
        probe: &dyn Probe,
    ) -> Result<Imported, StoreError> {
        let mut imported = Imported::default();
        let waiting = self.waiting().unwrap_or_else(|error| {
            imported.unreadable = Some(error.to_string());
            Vec::new()
        });
        let mut gone = 0_usize;
        for path in waiting {
            if gone < at_most {
                gone = gone.saturating_add(usize::from(import_one(path, store, probe, &mut imported)?));
            } else {
                imported.unread.extend(named_attempt(&path));
            }
        }
        Ok(imported)
    }
}

/// Imports a file, and says whether it is gone.
fn import_one(
    path: PathBuf,
    store: &dyn Store,
    probe: &dyn Probe,
    imported: &mut Imported,
) -> Result<bool, StoreError> {
    let spooled = match read(&path) {
        Ok(spooled) => spooled,
        // Another reaper has imported it.
        Err(SpoolError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(SpoolError::Io(error)) => {
            let (attempt, why) = (named_attempt(&path), WhyLeft::Unreadable(error.to_string()));
            imported.left.push(LeftExit { path, attempt, why });
            return Ok(false);
        }
        Err(error @ SpoolError::Content(_)) => return Ok(set_aside(&path, "bad", error.to_string(), imported)),
    };
    if spooled.executor.host != probe.host() {
        return Ok(false);
    }
    let attempt = spooled.attempt.clone();
    let why = match whose(&spooled, store)? {
        Whose::Current(row) if is_young(&path) && is_monitored(&row, probe) => WhyLeft::ToMonitor,
        Whose::Current(_) | Whose::Settled => match store.try_record_exit(&spooled.run, spooled.code)? {
            Tried::Recorded(Recorded::New | Recorded::Known) => {
                tracing::info!(%attempt, code = spooled.code, "recorded a spooled exit");
                imported.out_of_memory.extend(spooled.out_of_memory.then(|| attempt.clone()));
                imported.recorded.push(attempt);
                return Ok(remove(&path));
            }
            Tried::Recorded(Recorded::NoSuchRun) => {
                let why = format!("the run of attempt {attempt} is gone");
                return Ok(set_aside(&path, "unknown", why, imported));
            }
            Tried::LeftOut(why) => WhyLeft::LeftOut(why),
        },
        Whose::CannotTell(why) => WhyLeft::BadRow(why),
        Whose::Unknown => {
            let why = format!("nothing is known here of attempt {attempt}");
            return Ok(set_aside(&path, "unknown", why, imported));
        }
    };
    imported.left.push(LeftExit { path, attempt: Some(attempt), why });
    Ok(false)
}

/// Whose attempt a spooled exit is of.
enum Whose {
    /// This database's: its job is still under its fence and names the run.
    Current(Box<JobSnapshot>),
    /// This database's: an event says how it was settled.
    Settled,
    /// The row would tell, and does not parse.
    CannotTell(String),
    /// Another's, as far as this database knows. A run is told by a small number that both may use.
    Unknown,
}

fn whose(spooled: &SpooledExit, store: &dyn Store) -> Result<Whose, StoreError> {
    let Attempt { job, fence } = &spooled.attempt;
    let is_current = |row: &JobSnapshot| row.attempt.fence == *fence && row.run.as_ref() == Some(&spooled.run);
    let bad = match store.job(job)? {
        Some(Ok(row)) if is_current(&row) => return Ok(Whose::Current(Box::new(row))),
        Some(Err(bad)) => Some(bad.to_string()),
        Some(Ok(_)) | None => None,
    };
    Ok(match (is_recorded(store, &spooled.attempt, EVENTS)?, bad) {
        (true, _) => Whose::Settled,
        (false, Some(bad)) => Whose::CannotTell(bad),
        (false, None) => Whose::Unknown,
    })
}

/// Whether a file was written a moment ago. Of one from the future nobody can tell, and it is not waited for.
fn is_young(path: &Path) -> bool {
    let written = fs::metadata(path).and_then(|metadata| metadata.modified());
    written.is_ok_and(|written| written.elapsed().is_ok_and(|age| age < YOUNG))
}

/// Whether the monitor of a row certainly lives.
fn is_monitored(row: &JobSnapshot, probe: &dyn Probe) -> bool {
    let monitor = row.monitor.as_ref().filter(|monitor| monitor.host == probe.host());
    monitor.is_some_and(|monitor| matches!(probe.probe(monitor).liveness, Liveness::Alive(_)))
}

/// Keeps a file under a name that is not looked at again, and says so. Whether it has that name now.
fn set_aside(path: &Path, ending: &str, why: String, imported: &mut Imported) -> bool {
    let mut kept = path.as_os_str().to_owned();
    kept.push(".");
    kept.push(ending);
    let renamed = fs::rename(path, &kept);
    match &renamed {
        Ok(()) => tracing::error!(path = %kept.display(), why, "a spooled exit was set aside"),
        Err(error) => tracing::error!(path = %path.display(), why, %error, "a spooled exit cannot be used"),
    }
    imported.set_aside.push((PathBuf::from(kept), why));
    renamed.is_ok()
}

/// How many files are imported at once: a pass takes its time, however many there are.
const AT_ONCE: usize = 1000;

/// For so long a monitor that lives is left to read a file, which it does as soon as its supervisor has ended.
const YOUNG: Duration = Duration::from_secs(10);

/// How many of a job's latest events are looked through for an attempt.
const EVENTS: usize = 100;

#[cfg(test)]
mod tests;
