//! A reaper's stops: on the pool, and told of where they cannot work.

use std::sync::Arc;

use reaper_core::{Alert, Attempt, Effect, effect::claim_key, plan::Planned};
use reaper_gate::liveness::Stopped;

use crate::engine::Engine;

impl Engine {
    /// Stops the executors whose stop this reaper has announced. Blocks for the grace at most twice over.
    pub(crate) fn stop(self: &Arc<Self>, jobs: Vec<Planned>, stopped: impl Fn() + Clone + Send + 'static) {
        for planned in jobs {
            let Some(executor) = planned.job.executor.clone() else {
                continue;
            };
            let (engine, stopped) = (Arc::clone(self), stopped.clone());
            self.pool.submit(move || {
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
