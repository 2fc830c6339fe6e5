//! The section `[beat]`.

use std::time::Duration;

use reaper_core::beat::BeatTiming;
use serde::{Deserialize, Serialize};

use super::span::{duration, maybe_duration};

/// The beats of attempts: a counter on the job's row.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct BeatConfig {
    /// The time between two beats.
    #[serde(with = "duration")]
    pub interval: Duration,
    /// For how long an executor that cannot be seen may be silent; at least three beats. Without one no silence is a
    /// death.
    #[serde(with = "maybe_duration")]
    pub ttl: Option<Duration>,
}

impl Default for BeatConfig {
    fn default() -> Self {
        Self { interval: Duration::from_secs(30), ttl: None }
    }
}

impl BeatConfig {
    /// How silence is judged, where it is.
    pub(super) fn timing(self) -> Option<BeatTiming> {
        self.ttl.map(|ttl| BeatTiming { interval: self.interval, ttl })
    }

    /// What of it cannot be meant.
    pub(super) fn problem(self) -> Option<(&'static str, String)> {
        if self.interval.is_zero() {
            return Some(("beat.interval", "0 leaves no time between beats: use at least 1s".to_owned()));
        }
        let error = self.timing()?.validate().err()?;
        Some(("beat", format!("{error}: raise `ttl` or lower `interval`")))
    }
}
