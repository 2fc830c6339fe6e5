//! The breaker as it is kept: stored when it changes, and told of when it opens.

use reaper_core::{Alert, Breaker, Clock, Effect, Mode};
use reaper_store::StoreError;

use crate::{PassReport, engine::Engine};

impl Engine {
    /// Tells somebody of each kind that opened, and stores a breaker that changed. In this order: what is stored is known, and
    /// is told by no later pass.
    pub(crate) fn keep_breaker(
        &self,
        mut breaker: Breaker,
        before: &Breaker,
        clock: &Clock,
        report: &mut PassReport,
    ) -> Result<(), StoreError> {
        if report.mode == Mode::Enforce && breaker != *before {
            let (store, host) = (self.parts.store.as_ref(), self.parts.probe.host());
            let mut breakers = store.breaker()?;
            // A person may have released it while this pass looked: that word is kept.
            for (kind, stored) in breakers.of(host).open {
                if let Some(open) = breaker.open.get_mut(&kind) {
                    open.released |= stored.released;
                }
            }
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
                store.post(&key, &Effect::Alert(alert)).map(|_| ())?;
            }
            breakers.put(host, breaker.clone(), clock);
            store.set_breaker(&breakers)?;
        }
        report.breaker = breaker;
        Ok(())
    }
}
