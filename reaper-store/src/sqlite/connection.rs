//! Connections: opened, set, guarded, and dropped after an error.

use std::{
    fmt,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};

use super::{Options, fault::Fault, migrate};
use crate::StoreError;

/// What a SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Opens a connection as every part of Reaper has it: the busy timeout first, foreign keys on, full synchronisation.
///
/// # Errors
///
/// [`StoreError::Unreachable`] where the file is not there or cannot be opened.
pub fn connect(path: &Path, options: &Options) -> Result<SqliteConnection, StoreError> {
    let mode = if options.read_only { "ro" } else { "rw" };
    let fail = |problem: String| StoreError::Unreachable { database: path.display().to_string(), problem };
    let text = path.to_str().ok_or_else(|| fail("its path is not UTF-8".into()))?;
    let quoted: String = text.chars().map(percent).collect();
    let mut connection = SqliteConnection::establish(&format!("file:{quoted}?mode={mode}"))
        .map_err(|error| fail(error.to_string()))?;
    let timeout = options.busy_timeout.as_millis().min(1_000_000_000);
    connection
        .batch_execute(&format!(
            "PRAGMA busy_timeout = {timeout}; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;"
        ))
        .map_err(|error| Fault::from(error).name(path, waited_ms(options)))?;
    Ok(connection)
}

/// A character as it stands in a file URI.
fn percent(c: char) -> String {
    if matches!(c, '%' | '?' | '#') { format!("%{:02X}", u32::from(c)) } else { c.to_string() }
}

fn waited_ms(options: &Options) -> u64 {
    u64::try_from(options.busy_timeout.as_millis()).unwrap_or(u64::MAX)
}

/// Makes an empty database in WAL mode where there is no file.
pub(super) fn create_if_missing(path: &Path, options: &Options) -> Result<(), StoreError> {
    if path.exists() {
        return Ok(());
    }
    let fail = |problem: String| StoreError::Unreachable { database: path.display().to_string(), problem };
    File::create_new(path).map_err(|error| fail(error.to_string()))?;
    let mut connection = connect(path, options)?;
    connection
        .batch_execute("PRAGMA journal_mode = WAL")
        .map_err(|error| Fault::from(error).name(path, waited_ms(options)))
}

/// Which file: so that one that was put in its place is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileIdentity(u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> std::io::Result<FileIdentity> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).map(|metadata| FileIdentity(metadata.dev(), metadata.ino()))
}

/// Elsewhere a file that is open cannot be replaced.
#[cfg(not(unix))]
fn identity(path: &Path) -> std::io::Result<FileIdentity> {
    fs::metadata(path).map(|_| FileIdentity(0, 0))
}

/// The connections of a store: one that writes, one that reads, each made when it is needed.
pub(super) struct Connections {
    path: PathBuf,
    pub(super) options: Options,
    file: FileIdentity,
    writer: Mutex<Option<SqliteConnection>>,
    reader: Mutex<Option<SqliteConnection>>,
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("path", &self.path)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Connections {
    pub(super) fn open(path: &Path, options: Options) -> Result<Self, StoreError> {
        let database = || path.display().to_string();
        let fail = |problem: String| StoreError::Unreachable { database: database(), problem };
        let metadata = fs::metadata(path).map_err(|error| {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            fail(if missing {
                "there is no such file; `reaper migrate` makes one".into()
            } else {
                error.to_string()
            })
        })?;
        if !metadata.is_file() {
            return Err(fail("it is no file".into()));
        }
        let mut head = Vec::new();
        File::open(path)
            .and_then(|file| file.take(16).read_to_end(&mut head))
            .map_err(|error| fail(error.to_string()))?;
        if !head.is_empty() && head != MAGIC {
            return Err(StoreError::NotADatabase(database()));
        }
        let file = identity(path).map_err(|error| fail(error.to_string()))?;
        Ok(Self { path: path.to_owned(), options, file, writer: Mutex::default(), reader: Mutex::default() })
    }

    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Reads, on a database that is prepared.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.with(&self.reader, true, work)
    }

    /// Writes, in one immediate transaction, on a database that is prepared.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.with(&self.writer, true, |connection| immediate(connection, work))
    }

    /// Works on a database whether it is prepared or not.
    pub(super) fn unprepared<T>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.with(&self.writer, false, work)
    }

    /// Writes, in one immediate transaction, whether the database is prepared or not.
    pub(super) fn immediate_unprepared<T>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.unprepared(|connection| immediate(connection, work))
    }

    /// Takes the connection out while it is used. It is put back only if all went well: after an error or a panic it
    /// is not known what it still holds.
    fn with<T>(
        &self,
        slot: &Mutex<Option<SqliteConnection>>,
        prepared: bool,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let mut slot: MutexGuard<'_, _> = slot.lock().unwrap_or_else(PoisonError::into_inner);
        self.same_file()?;
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => self.fresh(prepared)?,
        };
        let done = work(&mut connection).map_err(|fault| fault.name(&self.path, waited_ms(&self.options)))?;
        if prepared {
            *slot = Some(connection);
        }
        Ok(done)
    }

    fn fresh(&self, prepared: bool) -> Result<SqliteConnection, StoreError> {
        let mut connection = connect(&self.path, &self.options)?;
        if prepared {
            migrate::require_known(&mut connection, &self.name())
                .map_err(|fault| fault.name(&self.path, waited_ms(&self.options)))?;
        }
        Ok(connection)
    }

    /// A file that was put in the place of ours is not written to: it is another database.
    fn same_file(&self) -> Result<(), StoreError> {
        match identity(&self.path) {
            Ok(file) if file == self.file => Ok(()),
            found => {
                let problem = match found {
                    Ok(_) => {
                        "the file was replaced by another one while it was in use: start again to use it".into()
                    }
                    Err(error) => format!("the file is gone: {error}"),
                };
                Err(StoreError::Unreachable { database: self.name(), problem })
            }
        }
    }
}

/// One immediate transaction. Where both the work and its rollback fail (a full disk does that), the work's error is
/// the one that is told.
fn immediate<T>(
    connection: &mut SqliteConnection,
    work: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut cause = None;
    let done = connection.immediate_transaction(|connection| {
        work(connection).map_err(|fault| {
            cause = Some(fault);
            // Rolls back, and is replaced by the cause.
            Fault::Database(diesel::result::Error::RollbackTransaction)
        })
    });
    done.map_err(|fault| cause.unwrap_or(fault))
}
