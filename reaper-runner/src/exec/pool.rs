//! A pool of workers: so many jobs at a time, for ever.

use std::{thread, time::Duration};

use reaper_core::Backoff;
use reaper_store::attempts::Wants;

use super::{Execution, Orders, Worker, orders::Course};

impl Worker {
    /// Runs `at_once` jobs at a time until the orders are to drain or to stop, and those that run have ended. `told` is
    /// called with each that has. Where there is nothing to take, or the database is down, each worker waits longer and
    /// longer, with jitter, up to the longest idle wait.
    pub fn run_pool(&self, wants: &Wants, at_once: usize, orders: &Orders, told: impl Fn(&Execution) + Sync) {
        thread::scope(|scope| {
            for number in 1..=at_once.max(1) {
                let told = &told;
                let work = move || self.work(wants, orders, told);
                let thread = thread::Builder::new().name(format!("reaper-exec-{number}"));
                if let Err(error) = thread.spawn_scoped(scope, work) {
                    tracing::error!(%error, number, "no thread for a worker: there are fewer");
                }
            }
        });
    }

    fn work(&self, wants: &Wants, orders: &Orders, told: &(impl Fn(&Execution) + Sync)) {
        let backoff = Backoff { base: SHORTEST.min(self.settings.idle), max: self.settings.idle };
        let mut idle: u32 = 0;
        while orders.course() == Course::Work {
            match self.run_one_with(wants, orders, None) {
                Ok(Some(execution)) => {
                    told(&execution);
                    idle = 0;
                    continue;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "could not take a job"),
            }
            orders.pause(backoff.delay(idle, fastrand::u64(..)));
            idle = idle.saturating_add(1);
        }
    }
}

/// The first wait where there is nothing to take.
const SHORTEST: Duration = Duration::from_millis(100);
