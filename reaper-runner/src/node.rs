//! The loop's own node: its beats, and what follows when it was declared dead.
//!
//! The beats have a thread of their own, so that a long pass is not taken for a lost host. When a beat is told that the
//! node was declared dead, others may have settled its attempts: the loop stops the executors whose attempts have moved
//! on before it does anything else, and takes the declaration back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use reaper_core::{Alert, Effect, Mode, NodeId};
use reaper_store::{
    StoreError,
    nodes::{Beaten, NodeBeat},
};

use crate::{
    engine::Engine,
    moved_on::{Standing, standing},
};

/// A node that beats until it is dropped, and is retired then.
#[derive(Debug)]
pub(crate) struct OwnNode {
    engine: Arc<Engine>,
    id: NodeId,
    declared_dead: Arc<AtomicBool>,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl OwnNode {
    /// Begins to beat, where nodes are followed and this host's boot is known. `declared` is called when a beat is told
    /// that the node was declared dead.
    pub(crate) fn start(engine: &Arc<Engine>, declared: impl Fn() + Send + 'static) -> Option<Self> {
        let timing = engine.settings.node.clone()?;
        let Some(id) = engine.parts.probe.node() else {
            tracing::warn!("this host's boots cannot be told apart: it does not beat");
            return None;
        };
        let declared_dead = Arc::new(AtomicBool::new(false));
        let (end, ended) = mpsc::channel::<()>();
        let beater = Beater {
            engine: Arc::clone(engine),
            beat: NodeBeat { id: id.clone(), ttl: timing.ttl, reaper: engine.settings.name.clone() },
            interval: timing.interval,
            declared_dead: Arc::clone(&declared_dead),
        };
        // The first beat is told before the first pass settles anything.
        beater.beat(&declared);
        let run = move || {
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(beater.interval) {
                beater.beat(&declared);
            }
        };
        let thread = thread::Builder::new().name("reaper-node".into()).spawn(run);
        let thread = thread.inspect_err(|error| tracing::error!(%error, "no thread for the node's beats")).ok();
        Some(Self { engine: Arc::clone(engine), id, declared_dead, end: Some(end), thread })
    }

    /// If the node was declared dead: stops its executors whose attempts have moved on, then takes the declaration
    /// back. Before every pass.
    pub(crate) fn come_back(&self) {
        if !self.declared_dead.load(Ordering::Acquire) {
            return;
        }
        match self.try_come_back() {
            Ok(stopped) => {
                self.declared_dead.store(false, Ordering::Release);
                tracing::warn!(node = %self.id, stopped, "this node was declared dead, and lives");
            }
            Err(error) => tracing::error!(%error, "this node was declared dead and could not come back yet"),
        }
    }

    fn try_come_back(&self) -> Result<usize, StoreError> {
        let (engine, mut stopped) = (&self.engine, 0_usize);
        for (attempt, executor) in engine.parts.stop.executors() {
            if let Standing::MovedOn(_) = standing(engine.parts.store.as_ref(), &attempt)? {
                let how = engine.parts.stop.stop(&attempt, &executor, engine.settings.policy.terminate_grace);
                tracing::warn!(%attempt, ?how, "stopped an executor whose attempt has moved on");
                stopped = stopped.saturating_add(1);
            }
        }
        engine.parts.store.revive_node(&self.id)?;
        Ok(stopped)
    }
}

impl Drop for OwnNode {
    /// A reaper that is stopped says so: its silence is no loss.
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread of the node's beats had panicked");
        }
        if let Err(error) = self.engine.parts.store.retire_node(&self.id) {
            tracing::warn!(%error, "the node could not be retired: its silence will be taken for a loss");
        }
    }
}

struct Beater {
    engine: Arc<Engine>,
    beat: NodeBeat,
    /// The time between two beats.
    interval: Duration,
    declared_dead: Arc<AtomicBool>,
}

impl Beater {
    fn beat(&self, declared: &impl Fn()) {
        match self.engine.parts.store.beat_node(&self.beat) {
            Ok(Beaten::Up) => {}
            Ok(Beaten::DeclaredDead) => {
                self.declared_dead.store(true, Ordering::Release);
                declared();
            }
            Err(error) => tracing::warn!(%error, "the node could not beat"),
        }
    }
}

impl Engine {
    /// Tells somebody of each other boot of this host that beats: two machines share its name.
    pub(crate) fn tell_of_doubles(&self, doubles: &[NodeId], mode: Mode) -> Result<(), StoreError> {
        for double in doubles {
            tracing::error!(node = %double, "another boot of this very host beats: two machines share its name");
            if mode == Mode::Enforce {
                let text = format!(
                    "two machines call themselves {}: {double} beats beside this one. Nothing of it is settled here. Give \
                     each its own `host` in reaper.toml, or its own machine id",
                    double.host
                );
                let alert = Alert { kind: "host_shared".into(), job: None, text };
                self.parts.store.post(&format!("host_shared:{double}"), &Effect::Alert(alert)).map(|_| ())?;
            }
        }
        Ok(())
    }
}
