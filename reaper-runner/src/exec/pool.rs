//! A pool of workers: so many jobs at a time, for ever.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use reaper_core::Backoff;
use reaper_gate::liveness::LocalProbe;
use reaper_store::attempts::Wants;

use super::{
    Execution, Orders, Program, Worker, WorkerError,
    orders::Course,
    running::{RAN_NOTHING, code_of, identified},
};

impl Worker {
    /// Runs `at_once` jobs at a time until the orders are to drain or to stop, and those that run have ended. `told` is
    /// called with each that has. Where there is nothing to take, or the database is down, each worker waits longer and
    /// longer, with jitter, up to the longest idle wait.
    ///
    /// # Errors
    ///
    /// [`WorkerError::Supervisor`] where supervisors cannot be started any more, or cannot watch a command, tried again and
    /// again: no more jobs were taken, and those that ran have ended.
    pub fn run_pool(
        &self,
        wants: &Wants,
        at_once: usize,
        orders: &Orders,
        told: impl Fn(&Execution) + Sync,
    ) -> Result<(), WorkerError> {
        let failed = Mutex::new(None);
        thread::scope(|scope| {
            for number in 1..=at_once.max(1) {
                let (told, failed) = (&told, &failed);
                let work = move || {
                    if let Err(error) = self.work(wants, orders, told) {
                        // What ails this worker ails the others.
                        orders.drain();
                        *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    }
                };
                let thread = thread::Builder::new().name(format!("reaper-exec-{number}"));
                if let Err(error) = thread.spawn_scoped(scope, work) {
                    tracing::error!(%error, number, "no thread for a worker: there are fewer");
                }
            }
        });
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn work(
        &self,
        wants: &Wants,
        orders: &Orders,
        told: &(impl Fn(&Execution) + Sync),
    ) -> Result<(), WorkerError> {
        let backoff = Backoff { base: SHORTEST.min(self.settings.idle), max: self.settings.idle };
        let mut idle: u32 = 0;
        while orders.course() == Course::Work {
            let mut trouble = None;
            match self.run_one_with(wants, orders, None, &mut trouble) {
                Ok(Some(execution)) => {
                    told(&execution);
                    if let Some(why) = trouble {
                        self.until_one_starts(why, orders, &backoff)?;
                    }
                    idle = 0;
                    continue;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "could not take a job"),
            }
            orders.pause(backoff.delay(idle, fastrand::u64(..)));
            idle = idle.saturating_add(1);
        }
        Ok(())
    }

    /// Waits until supervisors can be started again. That is tried without a job: each that is taken for it would have
    /// spent an attempt.
    fn until_one_starts(&self, mut why: String, orders: &Orders, backoff: &Backoff) -> Result<(), WorkerError> {
        for tries in 0..STARTS {
            orders.pause(backoff.delay(tries, fastrand::u64(..)));
            if orders.course() != Course::Work {
                return Ok(());
            }
            match Self::try_supervisor(&self.probe, &self.settings.hold) {
                Ok(()) => return Ok(()),
                Err(again) => why = again,
            }
            tracing::warn!(why, "supervisors cannot be started: tried again");
        }
        Err(WorkerError::Supervisor(why))
    }
}

impl Worker {
    /// Whether supervisors can be started, given cgroups where the probe knows of any, and watch a command: tries with one
    /// that has nothing to do.
    ///
    /// # Errors
    ///
    /// Why not.
    pub(super) fn try_supervisor(probe: &LocalProbe, hold: &Program) -> Result<(), String> {
        let shown = hold.program.to_string_lossy();
        let mut start = Command::new(&hold.program);
        start.args(&hold.arguments).args(["--", "true"]).stdin(Stdio::piped()).stderr(Stdio::null());
        let mut child = start.spawn().map_err(|error| format!("{shown}: {error}"))?;
        let identified = identified(probe, &child);
        if let (Ok(_), Some(orders)) = (&identified, &mut child.stdin) {
            // One that is gone by now tells it by its end.
            orders.write_all(b"go\n").ok();
        }
        drop(child.stdin.take());
        let ended = child.wait().ok().and_then(code_of);
        let identity = identified?;
        if let Some(cgroups) = probe.cgroups() {
            cgroups.remove(&identity);
        }
        // Whether there is a command of that name does not matter.
        let ran_nothing = ended == Some(RAN_NOTHING.wrapping_neg());
        if ran_nothing { Err(format!("{shown} cannot watch a command")) } else { Ok(()) }
    }
}

/// So often a worker tries to start a supervisor before its pool ends.
const STARTS: u32 = 8;

/// The first wait where there is nothing to take.
const SHORTEST: Duration = Duration::from_millis(100);
