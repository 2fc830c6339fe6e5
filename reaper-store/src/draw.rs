//! Numbers that nobody else draws: ids of events, tokens of deliveries.

use std::{
    cell::RefCell,
    hash::{BuildHasher as _, RandomState},
};

/// 63 random bits, never 0, from the operating system's randomness.
///
/// A generator that seeds itself by the clock will not do: two processes that start in the same instant would draw the same
/// numbers, one after another.
pub(crate) fn draw() -> i64 {
    thread_local! {
        static DICE: RefCell<fastrand::Rng> = RefCell::new(fastrand::Rng::with_seed(seed()));
    }
    DICE.with_borrow_mut(|dice| dice.i64(1..=i64::MAX))
}

/// The standard library keys each of its hashers anew, beginning with bits that it asks the system for.
fn seed() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, thread};

    use super::*;

    #[test]
    fn threads_that_begin_together_draw_different_numbers() {
        let threads: Vec<_> = (0..16).map(|_| thread::spawn(|| [(); 100].map(|()| draw()))).collect();
        let drawn: Vec<i64> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert!(drawn.iter().all(|number| *number > 0));
        assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), drawn.len());
    }

    #[test]
    fn no_two_seeds_are_the_same() {
        let seeds: BTreeSet<u64> = (0..1000).map(|_| seed()).collect();
        assert_eq!(seeds.len(), 1000);
    }
}
