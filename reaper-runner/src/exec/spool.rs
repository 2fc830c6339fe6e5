//! Exits on the disk: one small file each, written before the database is told, so that a database that is down and a
//! monitor that was killed lose none.
//!
//! A file is written under another name, synced, renamed, and its folder synced: it is there whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use reaper_core::{Attempt, ProcessIdentity, RunId, Timestamp};
use serde::{Deserialize, Serialize};

mod import;

pub use import::{Imported, LeftExit, WhyLeft};

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

/// The folder of spooled exits. It is one database's alone: what a database does not know is set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spool {
    folder: PathBuf,
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
        self.names().is_ok_and(|mut names| names.next().is_none())
    }

    /// What waits to be imported, in the order of names.
    fn waiting(&self) -> io::Result<Vec<PathBuf>> {
        let mut waiting: Vec<_> = self.names()?.collect();
        waiting.sort();
        Ok(waiting)
    }

    fn names(&self) -> io::Result<impl Iterator<Item = PathBuf>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => Some(entries),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let paths = entries.into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
        Ok(paths.filter(|path| is_named(path)))
    }
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

/// Removes a file whose exit is recorded, and says whether it is gone.
pub(crate) fn remove(path: &Path) -> bool {
    match fs::remove_file(path) {
        Ok(()) => true,
        // Somebody else has recorded it too.
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a recorded exit stays in the spool");
            false
        }
    }
}

/// The attempt that a file is named after. What is in the file tells for certain.
fn named_attempt(path: &Path) -> Option<Attempt> {
    let name = path.file_name()?.to_str()?.strip_suffix(ENDING)?;
    // Each of the two numbers may have a sign.
    let (at, _) = name.match_indices('-').find(|(at, _)| *at > 0)?;
    let (job, fence) = (name.get(..at)?, name.get(at.saturating_add(1)..)?);
    let number = |text: &str| text.parse::<i64>().ok();
    Some(Attempt { job: number(job)?.into(), fence: number(fence)?.into() })
}

fn is_named(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(ENDING))
}

/// How the name of a whole file ends.
const ENDING: &str = ".exit.json";

/// The longest file that is read, in bytes. A tail is a few KiB, every byte of which may be escaped.
const LONGEST: u64 = 1 << 18;

#[cfg(test)]
mod tests;
