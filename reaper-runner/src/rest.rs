//! When a pass may end before it begins: nothing was written since one that found nothing, and nothing has come due.
//!
//! **Invariant:** a reaper rests if and only if, in its latest tick, it loaded no row, remembered no suspect and opened
//! no breaker; no gate's verdict is awaited or kept; the store's token is the one from before that tick's load; and neither
//! the earliest row nor the earliest effect that time alone brings up has come. A store that cannot tell any of this is
//! asked in every pass. A loop with a watch has nobody whose death is known and who is not settled, nobody who cannot be
//! watched, and has loaded all of its host's attempts since anything was written, unless that is not due yet.
//!
//! How long it rests is told by the monotonic clock, as ages are. A jump of the database's clock is noticed in the pass
//! that ends the rest, at most [`LONGEST`] later; no age counts it, so that nothing is missed by that but the effects
//! that a jump forward brings up sooner.

use std::time::Duration;

use chrono::TimeDelta;
use reaper_core::{Clock, Mode, PassKind, Policy, Timestamp};
use reaper_store::{Store, StoreError, facts::Upcoming};

use crate::{
    PassReport,
    engine::{Engine, locked},
    look::Memory,
    watching::Watching,
};

/// A rest is no longer than this.
pub(crate) const LONGEST: Duration = Duration::from_secs(60);

/// What the latest tick left, where it found nothing.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    /// The store's token from before the load.
    pub(crate) version: u64,
    /// The clock of that tick.
    pub(crate) clock: Clock,
    /// The monotonic clock beside it.
    pub(crate) began: Duration,
    /// The mode that it ran in.
    pub(crate) mode: Mode,
    /// When a decision of that tick was to be looked at again.
    pub(crate) review_at: Option<Timestamp>,
    /// Until when nothing comes due, by the monotonic clock. Looked up only in the pass after.
    pub(crate) until: Option<Duration>,
}

impl Rest {
    /// Whether the rest goes on: `version` is the store's token now, `monotonic` the clock.
    pub(crate) fn goes_on(
        &mut self,
        version: Option<u64>,
        monotonic: Duration,
        store: &dyn Store,
        policy: &Policy,
    ) -> Result<bool, StoreError> {
        if version != Some(self.version) {
            return Ok(false);
        }
        if let Some(until) = self.until {
            return Ok(monotonic < until);
        }
        let exits_until = self.clock.latest_with(policy.shortest_grace());
        let started_until = self.clock.latest_with(policy.shortest_running());
        let Some(Upcoming { exit, start, effect }) = store.upcoming(exits_until, started_until)? else {
            return Ok(false);
        };
        // The limits of a load move on with the clock: a row comes up when they have reached it.
        let waits = [
            exit.map(|at| at.signed_duration_since(exits_until)),
            start.map(|at| at.signed_duration_since(started_until)),
            effect.map(|at| at.signed_duration_since(self.clock.now)),
            self.review_at.map(|at| at.signed_duration_since(self.clock.now)),
        ];
        let wait = waits.into_iter().flatten().map(|wait| wait.to_std().unwrap_or(Duration::ZERO)).min();
        let until = self.began.saturating_add(wait.unwrap_or(LONGEST).min(LONGEST));
        self.until = Some(until);
        Ok(monotonic < until)
    }

    /// The database's clock, as far as the monotonic one tells.
    pub(crate) fn now(&self, monotonic: Duration) -> Timestamp {
        let since = TimeDelta::from_std(monotonic.saturating_sub(self.began)).unwrap_or(TimeDelta::MAX);
        self.clock.now.checked_add_signed(since).unwrap_or(self.clock.now)
    }

    /// When the rest ends, by the database's clock.
    pub(crate) fn ends_at(&self) -> Option<Timestamp> {
        self.until.map(|until| self.now(until))
    }
}

impl Engine {
    /// Whether there is nothing to do in this pass, because nothing has happened since one that found nothing.
    pub(crate) fn rests(
        &self,
        kind: PassKind,
        memory: &mut Memory,
        report: &mut PassReport,
    ) -> Result<bool, StoreError> {
        let monotonic = self.parts.time.monotonic();
        let quiet = self.is_quiet(memory);
        let Some(rest) = &mut memory.rest else {
            return Ok(false);
        };
        let must_reconcile =
            |watching: &Watching| watching.must_reconcile(rest.version, monotonic, &self.settings);
        if memory.watching.as_ref().is_some_and(must_reconcile) {
            return Ok(false);
        }
        let store = self.parts.store.as_ref();
        if !quiet || !rest.goes_on(store.version()?, monotonic, store, &self.settings.policy)? {
            return Ok(false);
        }
        report.at = rest.now(monotonic);
        report.mode = rest.mode;
        report.review_at = rest.ends_at();
        if kind == PassKind::Tick {
            memory.ticks = memory.ticks.saturating_add(1);
        }
        Ok(true)
    }

    /// Whether nothing that was seen is to be looked at again, whatever the database holds.
    pub(crate) fn is_quiet(&self, memory: &Memory) -> bool {
        memory.observations.suspects().is_empty()
            && locked(&self.verdicts).is_empty()
            && memory.watching.as_ref().is_none_or(Watching::is_quiet)
    }
}
