//! The breaker as it is kept: stored when it changes, and told of when it opens.

use reaper_core::{Alert, Breaker, Effect, Mode};
use reaper_store::StoreError;

use crate::{PassReport, engine::Engine};

impl Engine {
    /// Stores a breaker that changed, and tells somebody of each kind that opened.
    pub(crate) fn keep_breaker(
        &self,
        mut breaker: Breaker,
        before: &Breaker,
        report: &mut PassReport,
    ) -> Result<(), StoreError> {
        if report.mode == Mode::Enforce && breaker != *before {
            // A person may have released it while this pass looked: that word is kept.
            for (kind, stored) in self.parts.store.breaker()?.open {
                if let Some(open) = breaker.open.get_mut(&kind) {
                    open.released |= stored.released;
                }
            }
            self.parts.store.set_breaker(&breaker)?;
            for (kind, open) in breaker.open.iter().filter(|(kind, _)| !before.open.contains_key(kind)) {
                tracing::warn!(%kind, dead = open.tally.dead, followed = open.tally.followed, "the breaker opened");
                let text = format!(
                    "{} of {} jobs look dead by {} at once: nothing is settled on that evidence for {} s, unless \
                     `reaper breaker release` says that it is real",
                    open.tally.dead,
                    open.tally.followed,
                    kind.as_str().replace('_', " "),
                    self.settings.policy.breaker.hold.as_secs(),
                );
                let alert = Alert { kind: "breaker_open".into(), job: None, text };
                let key = format!("breaker:{kind}:{}", open.since.timestamp_millis());
                self.parts.store.post(&key, &Effect::Alert(alert)).map(|_| ())?;
            }
        }
        report.breaker = breaker;
        Ok(())
    }
}
