//! Exits on the disk: one small file each, written before the database is told, so that a database that is down and a
//! monitor that was killed lose none.
//!
//! A file is written under another name, synced, renamed, and its folder synced: it is there whole or not at all. Who
//! imports one compares its attempt with the job's row first; what belongs to another host, or does not parse, is kept.
//! So is what the database refuses or cannot take now, and none of it hinders another.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use reaper_core::{Attempt, JobSnapshot, Liveness, ProcessIdentity, RunId, Timestamp};
use reaper_gate::Probe;
use reaper_store::{
    Store, StoreError,
    attempts::{LeftOut, Recorded, Tried},
};
use serde::{Deserialize, Serialize};

use crate::moved_on::is_recorded;

/// Why a supervisor stopped its command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoppedFor {
    /// It took longer than it may.
    Limit,
    /// Its node's beat could not be confirmed in time.
    Node,
    /// It was bound to its monitor, which is gone.
    Monitor,
}

/// An exit as it is spooled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpooledExit {
    /// The attempt.
    pub attempt: Attempt,
    /// The run that records it.
    pub run: RunId,
    /// The executor: its host says whose file it is. Its boot is recorded and not compared, because what ended before a
    /// reboot has ended after it too.
    pub executor: ProcessIdentity,
    /// The exit code, or `-n` where signal `n` ended the command.
    pub code: i32,
    /// Why the command was stopped, if it was.
    pub stopped_for: Option<StoppedFor>,
    /// Whether the kernel has killed it for want of memory, as far as its counters say.
    #[serde(default)]
    pub out_of_memory: bool,
    /// When it was seen, by this machine's clock; for people.
    pub at: Timestamp,
    /// The end of what the command printed.
    pub tail: String,
}

/// Why a spooled exit cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// What it holds is no spooled exit.
    #[error("is no spooled exit: {0}")]
    Content(String),
}

/// The folder of spooled exits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spool {
    folder: PathBuf,
}

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
    /// Why the folder cannot be read, where it cannot.
    pub unreadable: Option<String>,
}

impl Imported {
    /// Whether an exit of this attempt waits to be recorded: until then nobody must act as if none were known.
    #[must_use]
    pub fn awaits(&self, attempt: &Attempt) -> bool {
        self.left.iter().any(|left| left.attempt == *attempt && left.why.passes())
    }
}

/// A spooled exit that was left where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftExit {
    /// Its file.
    pub path: PathBuf,
    /// Its attempt.
    pub attempt: Attempt,
    /// Why it was left.
    pub why: WhyLeft,
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
    /// Its job's row does not parse, so that nobody can tell whose it is.
    #[error("its job's row does not parse: {0}")]
    BadRow(String),
}

impl WhyLeft {
    /// Whether it goes by without anybody's doing.
    const fn passes(&self) -> bool {
        match self {
            Self::ToMonitor | Self::LeftOut(LeftOut::Held) => true,
            Self::LeftOut(LeftOut::Refused(_)) | Self::BadRow(_) => false,
        }
    }
}

impl Spool {
    /// The spool in this folder, which is made when the first exit is written.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the exit of an attempt is written. Ids that are no numbers do not show in it: they may hold anything.
    #[must_use]
    pub fn file_of(&self, attempt: &Attempt) -> PathBuf {
        let name = match (attempt.job.as_int(), attempt.fence.as_int()) {
            (Some(job), Some(fence)) => format!("{job}-{fence}{ENDING}"),
            _ => format!("x{:016x}{ENDING}", fastrand::u64(..)),
        };
        self.folder.join(name)
    }

    /// Makes the folder, readable by its owner alone.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn make(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.folder)
    }

    /// Whether no file waits to be imported. A folder that is not there holds none; one that cannot be read may.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting(1).is_ok_and(|waiting| waiting.is_empty())
    }

    fn waiting(&self, at_most: usize) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
        let mut waiting: Vec<_> = paths.filter(|path| is_named(path)).take(at_most).collect();
        waiting.sort();
        Ok(waiting)
    }

    /// Records what waits, under its fence, for the attempts of the probe's host. A young one whose monitor lives is left
    /// to it; one that the database refuses, or holds for another program, hinders none behind it.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] where the database does not answer; what is not recorded stays.
    pub fn import(&self, store: &dyn Store, probe: &dyn Probe) -> Result<Imported, StoreError> {
        let mut imported = Imported::default();
        let waiting = self.waiting(AT_ONCE).unwrap_or_else(|error| {
            imported.unreadable = Some(error.to_string());
            Vec::new()
        });
        for path in waiting {
            let spooled = match read(&path) {
                Ok(spooled) => spooled,
                // Another reaper has imported it.
                Err(SpoolError::Io(error)) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    set_aside(&path, "bad", error.to_string(), &mut imported);
                    continue;
                }
            };
            if spooled.executor.host != probe.host() {
                continue;
            }
            let why = match whose(&spooled, store)? {
                Whose::Current(row) if is_young(&path) && is_monitored(&row, probe) => WhyLeft::ToMonitor,
                Whose::Current(_) | Whose::Settled => match store.try_record_exit(&spooled.run, spooled.code)? {
                    Tried::Recorded(Recorded::New | Recorded::Known) => {
                        tracing::info!(attempt = %spooled.attempt, code = spooled.code, "recorded a spooled exit");
                        remove(&path);
                        imported.out_of_memory.extend(spooled.out_of_memory.then(|| spooled.attempt.clone()));
                        imported.recorded.push(spooled.attempt);
                        continue;
                    }
                    Tried::Recorded(Recorded::NoSuchRun) => {
                        let why = format!("the run of attempt {} is gone", spooled.attempt);
                        set_aside(&path, "unknown", why, &mut imported);
                        continue;
                    }
                    Tried::LeftOut(why) => WhyLeft::LeftOut(why),
                },
                Whose::CannotTell(why) => WhyLeft::BadRow(why),
                Whose::Unknown => {
                    let why = format!("nothing is known here of attempt {}", spooled.attempt);
                    set_aside(&path, "unknown", why, &mut imported);
                    continue;
                }
            };
            imported.left.push(LeftExit { path, attempt: spooled.attempt, why });
        }
        Ok(imported)
    }
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

/// Writes an exit: whole or not at all, and on the disk when this returns. The folder must be there.
///
/// # Errors
///
/// What the operating system says; nothing is left behind then, as far as it lets one clean up.
pub fn write(path: &Path, exit: &SpooledExit) -> io::Result<()> {
    let json = serde_json::to_vec(exit)?;
    let draft = path.with_extension(format!("{:08x}.draft", fastrand::u32(..)));
    let written = write_synced(&draft, &json).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // It may not have been made.
        fs::remove_file(&draft).ok();
    }
    written?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        Some(_) | None => Ok(()),
    }
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Reads a spooled exit.
///
/// # Errors
///
/// A [`SpoolError`] that says what is wrong with it.
pub fn read(path: &Path) -> Result<SpooledExit, SpoolError> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(SpoolError::Content("it is no plain file".into()));
    }
    let mut content = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut content)?;
    serde_json::from_slice(&content).map_err(|error| SpoolError::Content(error.to_string()))
}

/// Removes a file whose exit is recorded.
pub(crate) fn remove(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => {}
        // Somebody else has recorded it too.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(path = %path.display(), %error, "a recorded exit stays in the spool"),
    }
}

/// Keeps a file under a name that is not looked at again, and says so.
fn set_aside(path: &Path, ending: &str, why: String, imported: &mut Imported) {
    let mut kept = path.as_os_str().to_owned();
    kept.push(".");
    kept.push(ending);
    match fs::rename(path, &kept) {
        Ok(()) => tracing::error!(path = %kept.display(), why, "a spooled exit was set aside"),
        Err(error) => tracing::error!(path = %path.display(), why, %error, "a spooled exit cannot be used"),
    }
    imported.set_aside.push((PathBuf::from(kept), why));
}

fn is_named(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(ENDING))
}

/// How the name of a whole file ends.
const ENDING: &str = ".exit.json";

/// How many files are imported at once.
const AT_ONCE: usize = 1000;

/// For so long a monitor that lives is left to read a file, which it does as soon as its supervisor has ended.
const YOUNG: Duration = Duration::from_secs(10);

/// How many of a job's latest events are looked through for an attempt.
const EVENTS: usize = 100;

/// The longest file that is read, in bytes. A tail is a few KiB, every byte of which may be escaped.
const LONGEST: u64 = 1 << 18;

#[cfg(test)]
mod tests;
