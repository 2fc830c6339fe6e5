//! How long a requeued job waits: growing, jittered, bounded.

use core::time::Duration;

#[cfg(test)]
mod tests;

/// Exponential backoff with full jitter in its upper half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Backoff {
    /// The wait before the first retry, before jitter.
    pub base: Duration,
    /// The wait that is never exceeded.
    pub max: Duration,
}

impl Default for Backoff {
    /// 10 s, doubling, up to 10 min.
    fn default() -> Self {
        Self { base: Duration::from_secs(10), max: Duration::from_secs(600) }
    }
}

impl Backoff {
    /// The wait before retry number `n` (0 is the first): between half of `base * 2^n`, at most `max`, and the
    /// whole of it, by where `seed` falls in its range. Equal arguments give equal waits.
    #[must_use]
    pub fn delay(&self, n: u32, seed: u64) -> Duration {
        let factor = 1_u32.checked_shl(n.min(31)).unwrap_or(u32::MAX);
        let whole = self.base.saturating_mul(factor).min(self.max);
        let half = whole.checked_div(2).unwrap_or_default();
        let spread = whole.saturating_sub(half).as_nanos();
        // The product of a u64 and at most 2^94 ns does not fit 128 bits for absurd settings: saturate.
        let part = spread.saturating_mul(u128::from(seed)) >> 64;
        half.saturating_add(Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))).min(self.max)
    }
}
