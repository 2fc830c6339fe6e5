//! The reaper: one pass at a time, or a loop until it is stopped.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use reaper_core::{Backoff, Breaker, Mode, PassKind, Plan};
use reaper_store::StoreError;

use crate::{
    Counters, Parts, PassReport, Settings,
    engine::{After, Engine},
    node::OwnNode,
    report::Failure,
    watching::Watcher,
};

/// Finds orphaned jobs and settles each exactly once.
///
/// [`run_once`](Self::run_once) makes one tick and waits for all that belongs to it; [`start`](Self::start) makes
/// ticks in a thread of its own until [`stop`](Self::stop). A pass never panics out and never stops the loop: a
/// job that fails inside is isolated and tried again, a pass that fails entirely is recorded and the next one
/// comes.
#[derive(Debug)]
pub struct Reaper {
    engine: Arc<Engine>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    wake: Sender<Wake>,
    ended: Receiver<()>,
    thread: JoinHandle<()>,
}

/// What ends the loop's sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wake {
    /// There is something new to decide on.
    Look,
    /// It is to end.
    Stop,
}

/// Why a reaper did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// It runs already.
    #[error("this reaper is running already")]
    Running,
    /// The system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

/// The loop did not end in time. It ends after the pass that it is in.
#[derive(Debug, thiserror::Error)]
#[error("the reaper is still in a pass after {waited_ms} ms")]
pub struct StillRunning {
    /// How long was waited, in milliseconds.
    pub waited_ms: u128,
}

impl Reaper {
    /// Composes a reaper. Nothing runs yet.
    #[must_use]
    pub fn new(parts: Parts, settings: Settings) -> Self {
        Self { engine: Arc::new(Engine::new(parts, settings)), running: Mutex::new(None) }
    }

    /// One tick: looks, claims, asks the gates, stops what must be stopped, delivers; and waits for all of it.
    pub fn run_once(&self) -> PassReport {
        self.pass_once(PassKind::Tick)
    }

    /// As [`run_once`](Self::run_once), but as something has woken the reaper: what is due by time is looked at and what
    /// was seen dead in the latest tick, and no row of dead observations grows.
    pub fn wake_once(&self) -> PassReport {
        self.pass_once(PassKind::Wake)
    }

    fn pass_once(&self, kind: PassKind) -> PassReport {
        let engine = &self.engine;
        let (mut report, mut after) = engine.pass(kind);
        let rest = finish_pass(engine, &mut report, &mut after);
        if let Err(error) = rest {
            tracing::error!(%error, "the pass was not finished");
            report.error = Some(error.to_string());
        }
        if kind == PassKind::Tick && (engine.leases_due() || report.mode == Mode::Off) {
            report.leases_removed = engine.reclaim_leases();
        }
        engine.conclude(&report);
        report
    }

    /// What the latest of so many ticks of a reaper that begins now would do. Writes nothing and asks no gate.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] where the database does not answer.
    pub fn plan(&self, ticks: u32) -> Result<(Plan, Breaker, Vec<Failure>), StoreError> {
        self.engine.plan(ticks)
    }

    /// Starts the loop in a thread of its own.
    ///
    /// # Errors
    ///
    /// A [`StartError`] where it runs already, or the system gives no thread.
    pub fn start(&self) -> Result<(), StartError> {
        self.start_with(|_| ())
    }

    /// As [`start`](Self::start); `passed` is called with the report of each pass.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_with(&self, passed: impl Fn(&PassReport) + Send + 'static) -> Result<(), StartError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.as_ref().is_some_and(|running| !running.thread.is_finished()) {
            return Err(StartError::Running);
        }
        let (wake, woken) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let (engine, own_wake) = (Arc::clone(&self.engine), wake.clone());
        let thread = thread::Builder::new().name("reaper".into()).spawn(move || {
            run_loop(&engine, &own_wake, &woken, &passed);
            // The reaper that waits for this may be gone.
            end.send(()).ok();
        })?;
        *running = Some(Running { wake, ended, thread });
        Ok(())
    }

    /// Whether the loop runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().is_some_and(|running| !running.thread.is_finished())
    }

    /// Makes the loop look now rather than at its next tick.
    pub fn wake(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*running {
            // A loop that has ended needs no waking.
            running.wake.send(Wake::Look).ok();
        }
    }

    /// Ends the loop after the pass that it is in, and waits for that at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`StillRunning`] where the pass took longer; it ends all the same, and `stop` can be called again.
    pub fn stop(&self, timeout: Duration) -> Result<(), StillRunning> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(loop_) = running.as_ref() else {
            return Ok(());
        };
        // A loop that has ended already has dropped its receiver.
        loop_.wake.send(Wake::Stop).ok();
        if loop_.ended.recv_timeout(timeout) == Err(RecvTimeoutError::Timeout) {
            return Err(StillRunning { waited_ms: timeout.as_millis() });
        }
        if let Some(ended) = running.take()
            && ended.thread.join().is_err()
        {
            tracing::error!("the loop had panicked");
        }
        Ok(())
    }

    /// Removes stale lease files where that is switched on, and says how many. Never fails.
    #[must_use]
    pub fn reclaim_all_stale_leases(&self) -> usize {
        self.engine.reclaim_leases().len()
    }

    /// What this reaper has done since it was made.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.engine.counters()
    }
}

impl Drop for Reaper {
    /// Tells the loop to end; does not wait for it.
    fn drop(&mut self) {
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running {
            running.wake.send(Wake::Stop).ok();
        }
    }
}

/// Waits for the gates, the stops and the deliveries of one tick.
fn finish_pass(engine: &Arc<Engine>, report: &mut PassReport, after: &mut After) -> Result<(), StoreError> {
    if report.error.is_some() {
        return Ok(());
    }
    engine.ask_and_settle(report, after)?;
    let (stopped, all_stopped) = mpsc::channel::<()>();
    engine.stop(core::mem::take(&mut after.stop), move || {
        stopped.send(()).ok();
    });
    for () in all_stopped {}
    if report.mode != Mode::Off && (after.effects_due || !after.deliver.is_empty()) {
        report.deliveries = engine.deliver(report.mode, core::mem::take(&mut after.deliver))?;
    }
    Ok(())
}

/// Where a pass fails, the next one waits longer and longer, but no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A wake that time brings about comes no sooner than this, so that no clock can make the loop spin.
const SHORTEST_SLEEP: Duration = Duration::from_millis(10);

fn run_loop(engine: &Arc<Engine>, wake: &Sender<Wake>, woken: &Receiver<Wake>, passed: &impl Fn(&PassReport)) {
    let (interval, time) = (engine.settings.interval, Arc::clone(&engine.parts.time));
    let pause = Backoff { base: interval, max: interval.max(LONGEST_PAUSE) };
    let deliveries = Couriers::start(engine);
    let look_again = wake.clone();
    let node = OwnNode::start(engine, move || {
        // The loop may have ended.
        look_again.send(Wake::Look).ok();
    });
    let look_again = wake.clone();
    let _watcher = Watcher::start(engine, move || {
        look_again.send(Wake::Look).ok();
    });
    engine.reclaim_leases();
    let mut failures = 0_u32;
    let mut next_tick = time.monotonic();
    loop {
        let now = time.monotonic();
        let kind = if now >= next_tick { PassKind::Tick } else { PassKind::Wake };
        if kind == PassKind::Tick && now.saturating_sub(next_tick) > interval.max(Duration::from_secs(1)) {
            // Ticks that did not run break every row of dead observations.
            engine.missed_ticks();
        }
        if let Some(node) = &node {
            node.come_back();
        }
        let (mut report, after) = engine.pass(kind);
        let more = after.more;
        if let Some(clock) = &after.clock {
            let look_again = wake.clone();
            let (patient, at) = (Arc::clone(engine), clock.clone());
            engine.ask_gates(after.ask, &mut report, move |mut planned, verdict| {
                planned.seen.verdict = Some(verdict);
                if let Some(reaper_core::Verdict::Undecided(_)) = &planned.seen.verdict
                    && let Err(error) = patient.undecided(&planned, &at)
                {
                    tracing::warn!(%error, "an undecided gate could not be told about");
                }
                // The loop may have ended.
                look_again.send(Wake::Look).ok();
            });
        }
        let look_again = wake.clone();
        engine.stop(after.stop, move || {
            look_again.send(Wake::Look).ok();
        });
        if after.effects_due || !after.deliver.is_empty() {
            deliveries.send(report.mode, after.deliver);
        }
        if kind == PassKind::Tick && (engine.leases_due() || report.mode == Mode::Off) {
            report.leases_removed = engine.reclaim_leases();
        }
        if kind == PassKind::Tick {
            report.watch = engine.watch_tally();
        }
        engine.conclude(&report);
        passed(&report);

        let now = time.monotonic();
        failures = if report.error.is_some() { failures.saturating_add(1) } else { 0 };
        if failures > 0 {
            next_tick = now.saturating_add(pause.delay(failures, fastrand::u64(..)));
        } else if kind == PassKind::Tick {
            next_tick = next_tick.saturating_add(interval).max(now);
        }
        if !sleep(woken, sleep_for(&report, more, next_tick.saturating_sub(now))) {
            return;
        }
    }
}

/// How long the loop may sleep after a pass: until the next tick, until time alone could change an answer, or not
/// at all where the budget left something over or more has died.
fn sleep_for(report: &PassReport, more: bool, until_tick: Duration) -> Duration {
    if report.error.is_some() {
        return until_tick;
    }
    if more {
        return Duration::ZERO;
    }
    if report.counts.deferred > 0 && report.mode == Mode::Enforce && report.won().next().is_some() {
        return Duration::ZERO;
    }
    let until_review = report.review_at.and_then(|at| {
        let wait = at.signed_duration_since(report.at).to_std().ok()?;
        Some(wait.saturating_sub(report.took).max(SHORTEST_SLEEP))
    });
    until_review.map_or(until_tick, |wait| wait.min(until_tick))
}

/// Sleeps until it is time or something wakes. `false`: the loop is to end.
fn sleep(woken: &Receiver<Wake>, wait: Duration) -> bool {
    match woken.recv_timeout(wait) {
        Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
        Ok(Wake::Look) | Err(RecvTimeoutError::Timeout) => {}
    }
    // What came meanwhile is answered by the one pass that follows.
    !woken.try_iter().any(|wake| wake == Wake::Stop)
}

/// The loop's delivery worker: one thread, so that a slow delivery never makes a pass wait.
struct Couriers {
    orders: Sender<(Mode, Vec<String>)>,
}

impl Couriers {
    fn start(engine: &Arc<Engine>) -> Self {
        let (orders, received) = mpsc::channel::<(Mode, Vec<String>)>();
        let engine = Arc::clone(engine);
        let run = move || {
            while let Ok((mut mode, mut keys)) = received.recv() {
                for (later, more) in received.try_iter() {
                    mode = later;
                    keys.extend(more);
                }
                if let Err(error) = engine.deliver(mode, keys) {
                    tracing::warn!(%error, "the outbox could not be drained");
                }
            }
        };
        if let Err(error) = thread::Builder::new().name("reaper-courier".into()).spawn(run) {
            tracing::error!(%error, "no thread for deliveries: another reaper has to make them");
        }
        Self { orders }
    }

    fn send(&self, mode: Mode, keys: Vec<String>) {
        // The thread could not be started, which was said.
        self.orders.send((mode, keys)).ok();
    }
}
