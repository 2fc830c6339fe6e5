//! Waits.

use proptest::prelude::*;

use super::*;
use crate::sample::secs;

#[test]
fn waits_double_up_to_the_longest() {
    let backoff = Backoff::default();
    assert_eq!((backoff.base, backoff.max), (secs(10), secs(600)));
    let longest =
        [0, 1, 2, 3, 4, 5, 6, 7, 31, 32, u32::MAX].map(|n| backoff.delay(n, u64::MAX).as_secs_f64().round());
    assert_eq!(longest, [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0, 600.0, 600.0, 600.0, 600.0]);
    let shortest = [0, 1, 6].map(|n| backoff.delay(n, 0));
    assert_eq!(shortest, [secs(5), secs(10), secs(300)]);
    assert_eq!(backoff.delay(0, 1 << 63), Duration::from_millis(7500), "the middle of the range");
}

#[test]
fn no_figure_is_too_large() {
    let endless = Backoff { base: Duration::MAX, max: Duration::MAX };
    assert!(endless.delay(u32::MAX, u64::MAX) >= Duration::MAX / 2);
    let none = Backoff { base: Duration::ZERO, max: Duration::ZERO };
    assert_eq!(none.delay(9, u64::MAX), Duration::ZERO);
}

proptest! {
    #[test]
    fn a_wait_is_between_half_and_the_whole(base in 0_u64..1000, max in 0_u64..100_000, n: u32, seed: u64) {
        let backoff = Backoff { base: secs(base), max: secs(max) };
        let factor = 2_u64.saturating_pow(n.min(31));
        let whole = secs(base.saturating_mul(factor).min(max));
        let wait = backoff.delay(n, seed);
        prop_assert!(whole / 2 <= wait && wait <= whole, "{wait:?} of {whole:?}");
        prop_assert_eq!(wait, backoff.delay(n, seed));
        prop_assert!(backoff.delay(n, seed / 2) <= wait, "a larger seed waits longer");
    }
}
