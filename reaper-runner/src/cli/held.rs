//! The name of an instance, held beside a SQLite file.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

/// Holds the name of an instance beside a SQLite file, so that no second program runs under it on that file. It is let go
/// when this is dropped, and by the kernel when the program ends.
#[derive(Debug)]
pub(super) struct Held {
    _file: File,
}

/// Why the name is not held.
#[derive(Debug, thiserror::Error)]
pub(super) enum HoldError {
    /// Another program has it.
    #[error("another program runs as the instance {0:?} on this database")]
    Taken(String),
    /// The file could not be opened or locked.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl Held {
    /// Takes the name of an instance, if nobody has it.
    pub(super) fn beside(database: &Path, instance: &str) -> Result<Self, HoldError> {
        let mut path = database.as_os_str().to_owned();
        path.push(format!("-instance-{instance}.lock"));
        let failed = |source| HoldError::File { path: Path::new(&path).display().to_string(), source };
        let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(HoldError::Taken(instance.to_owned())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}
