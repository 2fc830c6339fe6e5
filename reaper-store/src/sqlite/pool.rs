//! The connections of a store: how they are kept, used for a call, and thrown away.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use diesel::{
    SqliteConnection,
    result::{DatabaseErrorKind, Error},
};

use super::{
    connection::{Access, FileId, OpenFile, establish, millis},
    fault::Named,
};
use crate::{
    StoreError,
    database::{Failed, Fault, Phase},
};

/// A connection and the file that it is to.
struct Link {
    connection: SqliteConnection,
    file: OpenFile,
    verified: Option<Verified>,
    /// Another number for each connection, and after each write of it.
    era: u32,
}

impl Link {
    fn session(&mut self) -> Session<'_> {
        Session { connection: &mut self.connection, verified: &mut self.verified, era: self.era }
    }
}

/// A number that no connection of this process has had.
fn new_era() -> u32 {
    static LATEST: AtomicU32 = AtomicU32::new(0);
    LATEST.fetch_add(1, Ordering::Relaxed)
}

/// What a connection had seen of the database when it was looked through and held all that it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verified {
    /// The number of the schema.
    pub(super) schema: i64,
    /// The version of the data, on this connection.
    pub(super) data: i64,
}

/// A connection for the time of a call.
pub(super) struct Session<'c> {
    pub(super) connection: &'c mut SqliteConnection,
    /// When it was looked through last.
    pub(super) verified: &'c mut Option<Verified>,
    era: u32,
}

impl Session<'_> {
    /// A token for what this connection sees where SQLite says that its data has this version: it is the same only if
    /// neither another connection nor this one has written.
    pub(super) fn version(&self, data: i64) -> u64 {
        let data = u32::try_from(data & i64::from(u32::MAX)).unwrap_or_default();
        u64::from(self.era) << u32::BITS | u64::from(data)
    }
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
        let before = Failed::before;
        if self.access == Access::Read {
            return Err(before(StoreError::ReadOnly(self.named.database.clone())));
        }
        let mut link = self.link(self.access_to_existing()).map_err(before)?;
        let file = link.file.clone();
        let era = std::mem::replace(&mut link.era, new_era());
        let Link { connection, verified, .. } = &mut link;
        // The error that ended the transaction, kept aside: after a full disk SQLite has rolled back by itself, and
        // diesel's own ROLLBACK then hides the cause behind "cannot rollback".
        let mut inner = None;
        let mut committing = false;
        let written = connection.immediate_transaction(|connection| {
            let written = write(Session { connection, verified, era }).and_then(|value| {
                file.check()?;
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
                Err(before(cause(&file, self.named.error(fault))))
            }
            (Err(error), None) if committing => {
                let phase = if is_answer(&error) { Phase::Refused } else { Phase::Commit };
                if phase == Phase::Refused {
                    // Rolled back, and nothing is wrong with the connection.
                    self.keep(link);
                }
                Err(Failed { error: self.named.error(error.into()), phase })
            }
            (Err(error), None) => Err(before(cause(&file, self.named.error(error.into())))),
        }
    }

    /// A connection of its own, not kept afterwards.
    pub(super) fn fresh(&self, access: Access) -> Result<(SqliteConnection, OpenFile), StoreError> {
        let Link { connection, file, .. } = self.open(access)?;
        Ok((connection, file))
    }

    fn access_to_existing(&self) -> Access {
        if self.access == Access::Read { Access::Read } else { Access::Write }
    }

    fn link(&self, access: Access) -> Result<Link, StoreError> {
        let file = FileId::of(&self.path)?;
        let kept = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|link| link.file.id == file);
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
                let file = OpenFile { path: self.path.clone(), id: file };
                return Ok(Link { connection, file, verified: None, era: new_era() });
            }
        }
        Err(StoreError::Unreachable {
            database: self.named.database.clone(),
            problem: "the file is being replaced again and again".into(),
        })
    }
}

/// What is behind an error of a write that was not to be committed yet. SQLite calls a file that it finds moved away read-only.
fn cause(file: &OpenFile, error: StoreError) -> StoreError {
    if matches!(error, StoreError::ReadOnly(_)) { file.check().err().unwrap_or(error) } else { error }
}

/// Whether a COMMIT has failed for what was written: the only constraints that SQLite defers are foreign keys.
const fn is_answer(error: &Error) -> bool {
    matches!(error, Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _))
}
