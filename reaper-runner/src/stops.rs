//! A reaper's stops: on the pool, one at a time for an attempt, and told of where they cannot work.

use std::sync::Arc;

use reaper_core::{Alert, Attempt, Effect, effect::claim_key, plan::Planned};
use reaper_gate::liveness::Stopped;

use crate::engine::{Engine, locked};

/// An attempt's stop, from when it is queued until it has ended, however it ends.
struct Turn {
    engine: Arc<Engine>,
    attempt: Attempt,
}

impl Turn {
    /// `None` while another stop of the attempt waits or is under way: nobody is asked to end twice at once.
    fn of(engine: &Arc<Engine>, attempt: &Attempt) -> Option<Self> {
        let is_first = locked(&engine.stopping).insert(attempt.clone());
        is_first.then(|| Self { engine: Arc::clone(engine), attempt: attempt.clone() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        locked(&self.engine.stopping).remove(&self.attempt);
    }
}

impl Engine {
    /// Whether a stop of this attempt waits for a thread or is under way. It need not be announced again.
    pub(crate) fn is_stopping(&self, attempt: &Attempt) -> bool {
        locked(&self.stopping).contains(attempt)
    }

    /// Stops the executors whose stop this reaper has announced. Blocks for the grace at most twice over.
    pub(crate) fn stop(self: &Arc<Self>, jobs: Vec<Planned>, stopped: impl Fn() + Clone + Send + 'static) {
        for planned in jobs {
            let Some(executor) = planned.job.executor.clone() else {
                continue;
            };
            let Some(turn) = Turn::of(self, &planned.job.attempt) else {
                continue;
            };
            let stopped = stopped.clone();
            self.pool.submit(move || {
                let engine = &turn.engine;
                let grace = engine.settings.policy.terminate_grace;
                let how = engine.parts.stop.stop(&planned.job.attempt, &executor, grace);
                tracing::info!(job = %planned.job.attempt.job, ?how, "stopped the executor");
                let why = match how {
                    Stopped::WasGone | Stopped::Asked | Stopped::Killed => None,
                    Stopped::NotVerified => Some("nothing that is left of it can be told to be its own"),
                    Stopped::StillThere => {
                        Some("some of it is still there after it was killed, or may not be signalled")
                    }
                };
                if let Some(why) = why {
                    engine.tell_of_stop(&planned.job.attempt, why);
                }
                // Before anybody looks again.
                drop(turn);
                stopped();
            });
        }
    }

    /// Tells somebody that a stop does not work, once for an attempt: it is announced and tried again all the same.
    fn tell_of_stop(&self, attempt: &Attempt, why: &str) {
        let text = format!(
            "the executor of job {} is to be stopped and cannot be: {why}. The job stays as it is until a person has ended \
             what is left; `reaper explain {}` says what that is",
            attempt.job, attempt.job
        );
        let alert = Effect::Alert(Alert { kind: "stop_failed".into(), job: Some(attempt.job.clone()), text });
        let key = format!("{}:stop", claim_key(attempt, &alert));
        if let Err(error) = self.parts.store.post(&key, &alert) {
            // The stop is tried again, and so is this.
            tracing::warn!(job = %attempt.job, %error, "nobody could be told that the executor is not stopped");
        }
    }
}
