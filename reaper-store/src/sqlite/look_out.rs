//! Whether anything was written: a connection that never writes, and is asked for its data version.
//!
//! The version is a connection's own: it leaves out what that connection writes itself, and stands still while it has a
//! transaction open. So this connection does nothing else. A checkpoint that truncates the log raises the version too,
//! which costs a pass and is no harm.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use diesel::SqliteConnection;

use super::{
    connection::{Access, FileId},
    pool::Pool,
    sql,
    statement::Statement,
};
use crate::StoreError;

#[derive(Default)]
pub(super) struct LookOut(Mutex<Watched>);

#[derive(Default)]
struct Watched {
    link: Option<(SqliteConnection, FileId)>,
    /// Counts the connections: two of them have versions that mean nothing to each other.
    opened: u32,
}

impl fmt::Debug for LookOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookOut").finish_non_exhaustive()
    }
}

impl LookOut {
    /// The connection's count and its version. A file that was replaced has a connection of its own.
    pub(super) fn version(&self, pool: &Pool) -> Result<u64, StoreError> {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let file = FileId::of(pool.path())?;
        if watched.link.as_ref().is_none_or(|(_, opened)| *opened != file) {
            watched.link = None;
            watched.link = Some((pool.fresh(Access::Read)?, file));
            watched.opened = watched.opened.wrapping_add(1);
        }
        let read = match &mut watched.link {
            Some((connection, _)) => Statement::new(sql::DATA_VERSION, []).first_row(connection),
            None => Ok(None),
        };
        match read.map(|row| row.and_then(|mut row| row.next_int())) {
            Ok(Some(version)) => {
                let version = u64::from(u32::try_from(version).unwrap_or_default());
                Ok(u64::from(watched.opened) << u32::BITS | version)
            }
            Ok(None) => {
                Err(StoreError::Corrupt { what: "data version", problem: "SQLite does not tell it".into() })
            }
            Err(error) => {
                watched.link = None;
                Err(pool.named().error(error.into()))
            }
        }
    }
}
