//! Delivers what the outbox holds.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use reaper_core::{Alert, Backoff, Effect};
use reaper_gate::{Advance, Notify, advance::Advanced, notify::NotifyError};
use reaper_store::{
    Store, StoreError,
    outbox::{Delivered, Delivery, Which},
};
use serde::{Deserialize, Serialize};

use crate::look::panic_text;

/// What was delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliveries {
    /// Effects that took effect, each as its key and how.
    pub done: Vec<(String, String)>,
    /// Effects that failed and are tried again, each as its key and why.
    pub again: Vec<(String, String)>,
    /// Effects that were given up, each as its key and why.
    pub dead: Vec<(String, String)>,
}

impl Deliveries {
    fn add(&mut self, key: String, delivered: Delivered) {
        match delivered {
            Delivered::Done { note } => self.done.push((key, note)),
            Delivered::Again { problem, .. } => self.again.push((key, problem)),
            Delivered::Dead { problem } => self.dead.push((key, problem)),
        }
    }
}

/// Delivers effects: leases a few, carries them out, records what became of them.
///
/// A courier that dies in between has delivered nothing twice: an advance is a compare-and-set, and an alert
/// carries its key along.
#[derive(Clone, Debug)]
pub struct Courier {
    /// Where the effects are.
    pub store: Arc<dyn Store>,
    /// Moves tasks.
    pub advance: Arc<dyn Advance>,
    /// Tells people.
    pub notify: Arc<dyn Notify>,
    /// How long an effect is leased.
    pub lease: Duration,
    /// How often an effect is tried.
    pub tries: u32,
}

/// How many effects are leased at a time.
const BATCH: usize = 16;

/// How long a failed delivery waits.
const RETRY: Backoff = Backoff { base: Duration::from_secs(5), max: Duration::from_secs(600) };

impl Courier {
    /// Delivers what is due, at most `limit` effects. A delivery that fails never stops the ones behind it.
    ///
    /// Of all that is due, advances come first, also those that become due meanwhile: an alert is a call to somebody's
    /// server and may take as long as its time limit. Where one was not accepted, the others wait for the next drain, with
    /// all their tries.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] where the database did not answer; what was leased comes free by itself.
    pub fn drain(&self, which: &Which, limit: usize) -> Result<Deliveries, StoreError> {
        let mut report = Deliveries::default();
        let mut left = limit;
        let mut can_tell = true;
        while left > 0 {
            let batch = self.lease(which, left.min(BATCH), can_tell)?;
            if batch.is_empty() {
                break;
            }
            left = left.saturating_sub(batch.len());
            for delivery in batch {
                let delivered = self.deliver(&delivery);
                if let Delivered::Dead { problem } = &delivered {
                    self.tell_dead(&delivery, problem)?;
                }
                let is_alert = matches!(delivery.effect, Effect::Alert(_));
                can_tell &= !(is_alert && matches!(delivered, Delivered::Again { .. }));
                if self.store.record(&delivery, &delivered)? {
                    report.add(delivery.key, delivered);
                }
            }
        }
        Ok(report)
    }

    /// The next ones: of all that is due a few advances, and where there are none one alert, if alerts are told still.
    fn lease(&self, which: &Which, limit: usize, can_tell: bool) -> Result<Vec<Delivery>, StoreError> {
        if *which != Which::Due {
            return self.store.lease(which, limit, self.lease);
        }
        let advances = self.store.lease(&Which::Advances, limit, self.lease)?;
        if advances.is_empty() && can_tell { self.store.lease(which, 1, self.lease) } else { Ok(advances) }
    }

    fn deliver(&self, delivery: &Delivery) -> Delivered {
        let tried = catch_unwind(AssertUnwindSafe(|| match &delivery.effect {
            Effect::Advance(order) => {
                let advanced = self.advance.advance(order);
                advanced
                    .map(|advanced| note_of(&advanced))
                    .map_err(|error| self.again(delivery, error.to_string(), Duration::ZERO))
            }
            Effect::Alert(alert) => match self.notify.notify(&delivery.key, alert) {
                Ok(()) => Ok("sent".into()),
                Err(NotifyError::Refused(problem)) => Err(Delivered::Dead { problem }),
                Err(NotifyError::Later { wait, problem }) => Err(self.again(delivery, problem, wait)),
                Err(error) => Err(self.again(delivery, error.to_string(), Duration::ZERO)),
            },
        }));
        match tried {
            Ok(Ok(note)) => Delivered::Done { note },
            Ok(Err(delivered)) => delivered,
            Err(panic) => self.again(delivery, panic_text(panic.as_ref()), Duration::ZERO),
        }
    }

    /// Another try, no sooner than the receiver wants; or none, where all are spent.
    fn again(&self, delivery: &Delivery, problem: String, at_least: Duration) -> Delivered {
        if delivery.tries >= self.tries {
            return Delivered::Dead { problem };
        }
        let wait = RETRY.delay(delivery.tries.saturating_sub(1), fastrand::u64(..)).max(at_least);
        Delivered::Again { problem, wait }
    }

    /// Tells somebody that an effect was given up, unless it was itself an alert: then the log must do.
    fn tell_dead(&self, delivery: &Delivery, problem: &str) -> Result<(), StoreError> {
        tracing::error!(key = delivery.key, problem, tries = delivery.tries, "an effect was given up");
        if let Effect::Advance(order) = &delivery.effect {
            let alert = Alert {
                kind: "delivery_dead".into(),
                job: None,
                text: format!(
                    "the advance of task {} to {} was given up after {} tries: {problem}",
                    order.task, order.to, delivery.tries
                ),
            };
            // Known already: it was told before a crash, which is as good.
            self.store.post(&format!("dead:{}", delivery.key), &Effect::Alert(alert)).map(|_| ())?;
        }
        Ok(())
    }
}

fn note_of(advanced: &Advanced) -> String {
    match advanced {
        Advanced::Advanced { next: Some(job) } => format!("advanced; next job {job}"),
        Advanced::Advanced { next: None } => "advanced".into(),
        Advanced::AlreadyDone => "was advanced before".into(),
        Advanced::Superseded { stage: Some(stage) } => {
            format!("superseded: the task was moved by other hands and stands in {stage:?}")
        }
        Advanced::Superseded { stage: None } => "superseded: the task is gone".into(),
    }
}
