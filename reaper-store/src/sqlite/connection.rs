//! How a connection is made, and which file it is to.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _, result::ConnectionError};

use super::{fault::Named, pool::Pool};
use crate::{StoreError, database::Fault};

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
pub(super) struct FileId(Option<(u64, u64)>);

impl FileId {
    pub(super) fn of(path: &Path) -> Result<Self, StoreError> {
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

/// The file that a connection is to, under the path by which it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFile {
    pub(super) path: PathBuf,
    pub(super) id: FileId,
}

impl OpenFile {
    /// Makes sure that its path still names it. Whoever keeps the connection asks before each use, and again before each
    /// COMMIT: SQLite itself goes on with a file that was replaced, and what is written there is lost.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unreachable`] where the path names another file by now, or none.
    pub fn check(&self) -> Result<(), StoreError> {
        if FileId::of(&self.path)? == self.id {
            return Ok(());
        }
        Err(StoreError::Unreachable {
            database: self.path.display().to_string(),
            problem: "the file was replaced while it was written to; nothing was changed".into(),
        })
    }
}

/// Makes a connection to an existing SQLite database as the store's own are made: the busy timeout first, then
/// foreign keys on and `synchronous = FULL`. Says which file it is to.
///
/// For code beside the store that writes to the same database, such as an advance in SQL. Never creates a file.
///
/// # Errors
///
/// A [`StoreError`] where there is no such file, or it is no database.
pub fn connect(path: &Path, busy_timeout: Duration) -> Result<(SqliteConnection, OpenFile), StoreError> {
    let pool = Pool::new(path, Access::Write, busy_timeout)?;
    let (mut connection, file) = pool.fresh(Access::Write)?;
    check_format(&mut connection).map_err(|fault| pool.named().error(fault))?;
    Ok((connection, file))
}

/// Makes SQLite read the file, which opening it does not.
pub(super) fn check_format(connection: &mut SqliteConnection) -> Result<(), Fault> {
    Ok(connection.batch_execute("SELECT count(*) FROM sqlite_master")?)
}

pub(super) fn establish(
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
        // What a statement would have to undo is kept aside, page by page. For ten thousand claims that is a temporary
        // file written to ten thousand times over; in memory it is thrown away after each.
        "PRAGMA temp_store = MEMORY",
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
