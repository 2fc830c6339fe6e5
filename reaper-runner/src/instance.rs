//! The instance that a reaper runs as: where it runs is registered once, and read with what it has left before.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

use reaper_core::{PassKind, instance::Incarnations};
use reaper_store::StoreError;

use crate::{Parts, Settings, engine::Engine, look::Memory};

/// What is known of the instances, where this reaper runs as one. Writes nothing.
pub(crate) fn known(parts: &Parts, settings: &Settings) -> Result<Incarnations, StoreError> {
    match settings.instance {
        Some(_) => Ok(Incarnations::new(parts.probe.place(), parts.store.incarnations()?)),
        None => Ok(Incarnations::default()),
    }
}

/// Registers where the instance of these settings runs, if it has one and is in a container, and reads what is known of
/// all of them.
pub(crate) fn incarnations(parts: &Parts, settings: &Settings) -> Result<Incarnations, StoreError> {
    match (&settings.instance, parts.probe.place()) {
        (None, _) => {}
        (Some(instance), Some(place)) => parts.store.register(instance, &place)?,
        (Some(instance), None) => {
            tracing::warn!(
                instance,
                "not in a PID namespace of its own: an instance is a container's, and is not registered"
            );
        }
    }
    known(parts, settings)
}

/// Holds the name of an instance beside a SQLite file, so that no second program runs under it on that file. It is let go
/// when this is dropped, and by the kernel when the program ends.
#[derive(Debug)]
pub(crate) struct Held {
    _file: File,
}

/// Why the name is not held.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HoldError {
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
    pub(crate) fn beside(database: &Path, instance: &str) -> Result<Self, HoldError> {
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

impl Engine {
    /// Reads the instances in a tick, having registered its own in the first. Answers with what is wrong, if another
    /// program runs as the same instance: what it settles, this one may still be at work on.
    pub(crate) fn incarnate(&self, kind: PassKind, memory: &mut Memory) -> Result<Option<String>, StoreError> {
        let Some(instance) = self.settings.instance.as_ref().filter(|_| kind == PassKind::Tick) else {
            return Ok(None);
        };
        let read = if memory.is_registered { known } else { incarnations };
        memory.incarnations = read(&self.parts, &self.settings)?;
        memory.is_registered = true;
        let problem = || {
            format!(
                "another program was started as the instance {instance:?} after this one: one at a time may run under a \
                 name; this one settles nothing any more until it is started again"
            )
        };
        Ok(memory.incarnations.own().map(|_| problem()))
    }
}
