//! Connections: how one is made, kept, and thrown away.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use diesel::{
    Connection as _, SqliteConnection,
    connection::SimpleConnection as _,
    result::{ConnectionError, Error},
};

use super::fault::{Fault, Named};
use crate::StoreError;

/// What a store may do with its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
    /// As `Write`, and the file is made where there is none.
    Create,
}

impl Access {
    const fn mode(self) -> &'static str {
        match self {
            Self::Read => "ro",
            Self::Write => "rw",
            Self::Create => "rwc",
        }
    }
}

/// Which file a path names: another one after the file was replaced. Nothing where the platform does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId(Option<(u64, u64)>);

impl FileId {
    fn of(path: &Path) -> Result<Self, StoreError> {
        let metadata = std::fs::metadata(path).map_err(|error| StoreError::Unreachable {
            database: path.display().to_string(),
            problem: error.to_string(),
        })?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            Ok(Self(Some((metadata.dev(), metadata.ino()))))
        }
        #[cfg(not(unix))]
        {
            drop(metadata);
            Ok(Self(None))
        }
    }
}

/// A connection and the file that it is to.
struct Link {
    connection: SqliteConnection,
    file: FileId,
    verified: Option<i64>,
}

impl Link {
    fn session(&mut self) -> Session<'_> {
        Session { connection: &mut self.connection, verified: &mut self.verified }
    }
}

/// A connection for the time of a call.
pub(super) struct Session<'c> {
    pub(super) connection: &'c mut SqliteConnection,
    /// The number of the schema that was looked through last and holds all that it must.
    pub(super) verified: &'c mut Option<i64>,
}

/// Where a write failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Before or in BEGIN, or inside the transaction, which was rolled back: nothing was changed.
    Before,
    /// In COMMIT.
    Commit,
}

/// A write that failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: StoreError,
    pub(super) phase: Phase,
}

/// A few connections to one file. A caller takes one for the time of a call; more callers at once make more.
///
/// One that saw a panic or an error of BEGIN, COMMIT or ROLLBACK is dropped. So are all when the path names another
/// file than it did: a database that was replaced is opened anew, and nothing is written to the one that it was.
pub(super) struct Pool {
    path: PathBuf,
    access: Access,
    busy_timeout: Duration,
    named: Named,
    idle: Mutex<Vec<Link>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("path", &self.path)
            .field("access", &self.access)
            .field("busy_timeout", &self.busy_timeout)
            .finish_non_exhaustive()
    }
}

/// As many connections are kept.
const KEPT: usize = 4;

impl Pool {
    pub(super) fn new(path: &Path, access: Access, busy_timeout: Duration) -> Result<Self, StoreError> {
        // A program that changes its folder later goes on using the same file.
        let path = std::path::absolute(path).map_err(|error| StoreError::Unreachable {
            database: path.display().to_string(),
            problem: error.to_string(),
        })?;
        let named = Named { database: path.display().to_string(), waited_ms: millis(busy_timeout) };
        Ok(Self { path, access, busy_timeout, named, idle: Mutex::new(Vec::new()) })
    }

    pub(super) const fn access(&self) -> Access {
        self.access
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn named(&self) -> &Named {
        &self.named
    }

    /// Reads. Each statement sees one state of the database; two may see two.
    pub(super) fn read<T>(&self, read: impl FnOnce(Session<'_>) -> Result<T, Fault>) -> Result<T, StoreError> {
        let mut link = self.link(self.access_to_existing())?;
        match read(link.session()) {
            Ok(value) => {
                self.keep(link);
                Ok(value)
            }
            Err(fault) => Err(self.named.error(fault)),
        }
    }

    /// Writes in one immediate transaction: all of it is kept, or nothing.
    pub(super) fn write<T>(&self, write: impl FnOnce(Session<'_>) -> Result<T, Fault>) -> Result<T, Failed> {
        let before = |error| Failed { error, phase: Phase::Before };
        if self.access == Access::Read {
            return Err(before(StoreError::ReadOnly(self.named.database.clone())));
        }
        let mut link = self.link(self.access_to_existing()).map_err(before)?;
        let Link { connection, file, verified } = &mut link;
        // The error that ended the transaction, kept aside: after a full disk SQLite has rolled back by itself, and
        // diesel's own ROLLBACK then hides the cause behind "cannot rollback".
        let mut inner = None;
        let mut committing = false;
        let written = connection.immediate_transaction(|connection| {
            let written = write(Session { connection, verified }).and_then(|value| {
                self.check_file(*file)?;
                Ok(value)
            });
            match written {
                Ok(value) => {
                    committing = true;
                    Ok(value)
                }
                Err(fault) => {
                    inner = Some(fault);
                    Err(Error::RollbackTransaction)
                }
            }
        });
        match (written, inner) {
            (Ok(value), _) => {
                self.keep(link);
                Ok(value)
            }
            (Err(error), Some(fault)) => {
                if error == Error::RollbackTransaction {
                    self.keep(link);
                }
                Err(before(self.named.error(fault)))
            }
            (Err(error), None) => {
                let phase = if committing { Phase::Commit } else { Phase::Before };
                Err(Failed { error: self.named.error(error.into()), phase })
            }
        }
    }

    /// A connection of its own, not kept afterwards.
    pub(super) fn fresh(&self, access: Access) -> Result<SqliteConnection, StoreError> {
        Ok(self.open(access)?.connection)
    }

    fn access_to_existing(&self) -> Access {
        if self.access == Access::Read { Access::Read } else { Access::Write }
    }

    fn link(&self, access: Access) -> Result<Link, StoreError> {
        let file = FileId::of(&self.path)?;
        let kept = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|link| link.file == file);
            idle.pop()
        };
        match kept {
            Some(link) => Ok(link),
            None => self.open(access),
        }
    }

    fn keep(&self, link: Link) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(link);
        }
    }

    /// Drops the connections that are kept.
    pub(super) fn forget(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many are kept.
    #[cfg(test)]
    pub(super) fn idle(&self) -> usize {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn open(&self, access: Access) -> Result<Link, StoreError> {
        // A file that is replaced meanwhile may be another than the one that was opened: then once more.
        for _ in 0..3 {
            let before = FileId::of(&self.path).ok();
            let connection = establish(&self.path, access, self.busy_timeout, &self.named)?;
            let file = FileId::of(&self.path)?;
            if before.is_none_or(|before| before == file) {
                return Ok(Link { connection, file, verified: None });
            }
        }
        Err(StoreError::Unreachable {
            database: self.named.database.clone(),
            problem: "the file is being replaced again and again".into(),
        })
    }

    fn check_file(&self, file: FileId) -> Result<(), StoreError> {
        if FileId::of(&self.path)? == file {
            return Ok(());
        }
        Err(StoreError::Unreachable {
            database: self.named.database.clone(),
            problem: "the file was replaced while it was written to; nothing was changed".into(),
        })
    }
}

/// Makes a connection to an existing SQLite database as the store's own are made: the busy timeout first, then
/// foreign keys on and `synchronous = FULL`.
///
/// For code beside the store that writes to the same database, such as an advance in SQL. Never creates a file.
///
/// # Errors
///
/// A [`StoreError`] where there is no such file, or it is no database.
pub fn connect(path: &Path, busy_timeout: Duration) -> Result<SqliteConnection, StoreError> {
    let pool = Pool::new(path, Access::Write, busy_timeout)?;
    let mut connection = pool.fresh(Access::Write)?;
    check_format(&mut connection).map_err(|fault| pool.named.error(fault))?;
    Ok(connection)
}

/// Makes SQLite read the file, which opening it does not.
pub(super) fn check_format(connection: &mut SqliteConnection) -> Result<(), Fault> {
    Ok(connection.batch_execute("SELECT count(*) FROM sqlite_master")?)
}

fn establish(
    path: &Path,
    access: Access,
    busy_timeout: Duration,
    named: &Named,
) -> Result<SqliteConnection, StoreError> {
    let unreachable = |problem: String| StoreError::Unreachable { database: named.database.clone(), problem };
    let metadata = std::fs::metadata(path);
    match &metadata {
        Ok(metadata) if metadata.is_dir() => return Err(unreachable("it is a folder".into())),
        Err(error) if access != Access::Create => return Err(unreachable(error.to_string())),
        Ok(_) | Err(_) => {}
    }
    let mut connection = SqliteConnection::establish(&uri(path, access)).map_err(|error| {
        // Diesel's own words add nothing to SQLite's.
        unreachable(if let ConnectionError::BadConnection(problem) = error { problem } else { error.to_string() })
    })?;
    // The timeout first: every statement after it may find the database locked.
    let timeout = millis(busy_timeout).min(u64::from(i32::MAX.unsigned_abs()));
    for pragma in [
        format!("PRAGMA busy_timeout = {timeout}").as_str(),
        "PRAGMA foreign_keys = ON",
        "PRAGMA synchronous = FULL",
        if access == Access::Read { "PRAGMA query_only = ON" } else { "PRAGMA query_only = OFF" },
    ] {
        connection.batch_execute(pragma).map_err(|error| named.error(error.into()))?;
    }
    Ok(connection)
}

/// The path as SQLite's URI: the only form in which an existing file can be asked for.
fn uri(path: &Path, access: Access) -> String {
    use std::fmt::Write as _;
    let mut uri = String::from(if cfg!(windows) { "file:/" } else { "file:" });
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte));
            }
            #[cfg(windows)]
            b'\\' => uri.push('/'),
            // Writing to a string cannot fail.
            byte => drop(write!(uri, "%{byte:02X}")),
        }
    }
    uri.push_str("?mode=");
    uri.push_str(access.mode());
    uri
}

/// A duration in milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
