//! The instance that a reaper runs as: where it runs is registered once, and read with what it has left before.

use reaper_core::{PassKind, instance::Incarnations};
use reaper_gate::Probe;
use reaper_store::{Store, StoreError};

use crate::{Settings, engine::Engine, look::Memory};

/// What is known of the instances, where this reaper runs as one. Writes nothing.
pub(crate) fn known(
    store: &dyn Store,
    probe: &dyn Probe,
    settings: &Settings,
) -> Result<Incarnations, StoreError> {
    match settings.instance {
        Some(_) => Ok(Incarnations::new(probe.place(), store.incarnations()?)),
        None => Ok(Incarnations::default()),
    }
}

/// Registers where the instance of these settings runs, if it has one and is in a container.
pub(crate) fn register(store: &dyn Store, probe: &dyn Probe, settings: &Settings) -> Result<(), StoreError> {
    match (&settings.instance, probe.place()) {
        (None, _) => {}
        (Some(instance), Some(place)) => store.register(instance, &place)?,
        (Some(instance), None) => {
            tracing::warn!(
                instance,
                "not in a PID namespace of its own: an instance is a container's, and is not registered"
            );
        }
    }
    Ok(())
}

impl Engine {
    /// Notes the latest start of a process that this pass has seen alive at the place where it is registered. Only what
    /// started since the note before costs a write.
    pub(crate) fn note_start(&self, start: Option<u64>, memory: &mut Memory) -> Result<(), StoreError> {
        if let (Some(start), Some(place)) = (start, self.parts.probe.place()) {
            self.parts.store.note_start(&place, start)?;
            memory.incarnations.noted(start);
        }
        Ok(())
    }

    /// Reads the instances in a tick, having registered its own in the first. Answers with what is wrong, if another
    /// program runs as the same instance: what it settles, this one may still be at work on.
    pub(crate) fn incarnate(&self, kind: PassKind, memory: &mut Memory) -> Result<Option<String>, StoreError> {
        let Some(instance) = self.settings.instance.as_ref().filter(|_| kind == PassKind::Tick) else {
            return Ok(None);
        };
        let (store, probe) = (self.parts.store.as_ref(), self.parts.probe.as_ref());
        if !memory.is_registered {
            register(store, probe, &self.settings)?;
            // Once: whoever comes later under the name must not lose it again to this one.
            memory.is_registered = true;
        }
        memory.incarnations = known(store, probe, &self.settings)?;
        let problem = || {
            format!(
                "another program was started as the instance {instance:?} after this one: one at a time may run under a \
                 name; this one settles nothing any more until it is started again"
            )
        };
        Ok(memory.incarnations.own().map(|_| problem()))
    }
}
