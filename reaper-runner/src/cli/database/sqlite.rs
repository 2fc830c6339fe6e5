//! A SQLite file as the program opens it.

use std::{path::Path, sync::Arc, time::Duration};

use reaper_gate::{Advance, advance::SqliteAdvance};
use reaper_store::sqlite::{Options, SqliteStore, connect};

use super::{Access, Adapter};
use crate::{
    cli::{Exit, Failure},
    config::Config,
};

pub(super) fn open(path: &Path, config: &Config, access: Access) -> Result<Arc<dyn Adapter>, Failure> {
    let options = Options { busy_timeout: config.busy_timeout, ..Options::default() };
    if access == Access::Create {
        return Ok(Arc::new(SqliteStore::create_or_open(path, options)?));
    }
    // Where the folder cannot be searched, opening the file says so.
    if matches!(path.try_exists(), Ok(false)) {
        let message =
            format!("cannot open {}: there is no such file; `reaper migrate` creates a database", path.display());
        return Err(Failure::new(Exit::Failed, message));
    }
    Ok(Arc::new(SqliteStore::open(path, Options { read_only: access == Access::Read, ..options })?))
}

/// The advance on a SQLite file, which it opens anew where it was replaced.
pub(crate) fn advance(path: &Path, busy_timeout: Duration) -> Arc<dyn Advance> {
    let path = path.to_owned();
    Arc::new(SqliteAdvance::new(Box::new(move || {
        let (connection, file) = connect(&path, busy_timeout).map_err(|error| error.to_string())?;
        Ok((connection, Box::new(move || file.check().map_err(|error| error.to_string()))))
    })))
}
