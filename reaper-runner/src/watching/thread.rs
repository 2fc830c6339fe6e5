//! The thread that waits for deaths.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use reaper_core::{Attempt, Certainty, Liveness};
use reaper_gate::{
    Watch,
    liveness::watch::{Death, Role},
};

use super::Watching;
use crate::engine::{Engine, locked};

/// Whom the thread was told of, until a pass takes them.
#[derive(Debug, Default)]
pub(super) struct Told {
    died: Mutex<BTreeSet<Attempt>>,
    is_broken: AtomicBool,
    is_over: AtomicBool,
}

impl Told {
    pub(super) fn take(&self) -> BTreeSet<Attempt> {
        std::mem::take(&mut *locked(&self.died))
    }

    pub(super) fn has_any(&self) -> bool {
        !locked(&self.died).is_empty()
    }

    /// Whether nobody waits for deaths: then everything is probed in turn.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Acquire)
    }
}

/// A loop's watch, until it is dropped.
#[derive(Debug)]
pub(crate) struct Watcher {
    engine: Arc<Engine>,
    watch: Arc<dyn Watch>,
    told: Arc<Told>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Begins to watch, where the reaper has something to watch by. `died` is called when a death may be settled at once.
    pub(crate) fn start(engine: &Arc<Engine>, died: impl Fn() + Send + 'static) -> Option<Self> {
        let watch = Arc::clone(engine.parts.watch.as_ref()?);
        let told = Arc::<Told>::default();
        let (watched, tells) = (Arc::clone(&watch), Arc::clone(&told));
        let run = move || wait(watched.as_ref(), &tells, &died);
        let thread = thread::Builder::new().name("reaper-watch".into()).spawn(run);
        let thread = thread
            .inspect_err(
                |error| tracing::error!(%error, "no thread for the watch: all processes are probed in turn"),
            )
            .ok()?;
        engine.watch(Some(Watching::new(Arc::clone(&watch), Arc::clone(&told), engine.parts.probe.host())));
        Some(Self { engine: Arc::clone(engine), watch, told, thread: Some(thread) })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.told.is_over.store(true, Ordering::Release);
        self.watch.wake();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread of the watch had panicked");
        }
        self.engine.watch(None);
    }
}

fn wait(watch: &dyn Watch, told: &Told, died: &impl Fn()) {
    while !told.is_over.load(Ordering::Acquire) {
        match watch.wait(None) {
            Ok(deaths) => {
                let is_urgent = deaths.iter().any(|death| is_urgent(watch, death));
                locked(&told.died).extend(deaths.into_iter().map(|death| death.attempt));
                if is_urgent {
                    died();
                }
            }
            Err(error) => {
                tracing::error!(%error, "the watch does not work: all processes are probed in turn");
                told.is_broken.store(true, Ordering::Release);
                return;
            }
        }
    }
}

/// Whether a pass may settle something now that it could not before. An executor whose monitor lives is that one's to
/// settle, and a death that can be mistaken is believed by ticks alone: both are looked at in the next tick.
fn is_urgent(watch: &dyn Watch, death: &Death) -> bool {
    let monitor_lives = || {
        let monitor = watch.sighting(&death.attempt, Role::Monitor);
        monitor.is_some_and(|monitor| matches!(monitor.liveness, Liveness::Alive(_)))
    };
    match death.role {
        _ if death.sighting.liveness == Liveness::Dead(Certainty::Unverified) => false,
        Role::Monitor => true,
        Role::Executor => !monitor_lives(),
    }
}
