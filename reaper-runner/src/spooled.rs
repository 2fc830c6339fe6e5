//! A reaper's import of spooled exits.

use reaper_core::{Attempt, Mode};
use reaper_store::StoreError;

use crate::engine::Engine;

impl Engine {
    /// Whether no exit of this host waits to be recorded.
    pub(crate) fn spool_is_empty(&self) -> bool {
        self.settings.spool.as_ref().is_none_or(crate::exec::Spool::is_empty)
    }

    /// Records the exits that supervisors of this host have spooled. They show on the jobs' rows, so only where those may
    /// be written. Answers with the attempts of which only the spool knew that they were killed for want of memory.
    pub(crate) fn import_exits(&self) -> Result<Vec<Attempt>, StoreError> {
        match &self.settings.spool {
            Some(spool)
                if !spool.is_empty() && self.settings.mode.min(self.parts.store.mode()?) == Mode::Enforce =>
            {
                let imported = spool.import(self.parts.store.as_ref(), self.parts.probe.host())?;
                Ok(imported.out_of_memory)
            }
            Some(_) | None => Ok(Vec::new()),
        }
    }
}
