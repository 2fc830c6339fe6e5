//! The vessel against the words of its description.

use alloc::vec::Vec;

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::{sample::secs, strategy::base};

fn at(millis: u64) -> Timestamp {
    base() + TimeDelta::milliseconds(i64::try_from(millis).unwrap())
}

/// Intensities whose share is whole milliseconds.
fn intensities() -> impl Strategy<Value = Intensity> {
    (1_u32..30, 1_u64..60_000)
        .prop_map(|(crashes, share)| Intensity { crashes, period: Duration::from_millis(share) * crashes })
}

/// Instants in their order, from gaps around the share.
fn instants(intensity: Intensity, most: usize) -> impl Strategy<Value = Vec<Timestamp>> {
    let share = u64::try_from(intensity.share().as_millis()).unwrap();
    let gap = prop_oneof![3 => Just(0), 3 => 0..=share * 2, 1 => 0..=share * 40];
    prop::collection::vec(gap, 0..most).prop_map(|gaps| {
        let mut now = 0;
        gaps.into_iter()
            .map(|gap| {
                now += gap;
                at(now)
            })
            .collect()
    })
}

fn cases() -> impl Strategy<Value = (Intensity, Vec<Timestamp>)> {
    intensities().prop_flat_map(|intensity| (Just(intensity), instants(intensity, 150)))
}

#[test]
fn the_default_is_twenty_in_ten_minutes() {
    let intensity = Intensity::default();
    assert_eq!((intensity.crashes, intensity.period, intensity.share()), (20, secs(600), secs(30)));
    assert_eq!((intensity.longest(), intensity.memory()), (secs(3600), secs(4200)));
    assert_eq!(intensity.remembered(), 141);
    assert_eq!(alloc::format!("{intensity}"), "20 in 10 min");
}

#[test]
fn a_burst_is_put_off_one_after_the_other() {
    let mut crashes = CrashLoop::new(Intensity { crashes: 3, period: secs(30) });
    let waits: Vec<_> = (0..30).map(|_| crashes.crash(at(0), u64::MAX)).collect();
    let begins: Vec<_> = waits.iter().map(|crash| crash.begins.is_some()).collect();
    assert_eq!(begins.iter().position(|begins| *begins), Some(3), "the fourth of three");
    assert_eq!(begins.iter().filter(|begins| **begins).count(), 1);
    assert_eq!(waits[3].begins, Some(at(0)));
    let whole = |crash: &Crash| crash.wait.as_secs_f64().round();
    assert_eq!(waits[..6].iter().map(whole).collect::<Vec<_>>(), [0.0, 0.0, 0.0, 10.0, 20.0, 30.0]);
    assert_eq!(
        waits[19..].iter().map(whole).collect::<Vec<_>>(),
        [170.0; 1].into_iter().chain([180.0; 10]).collect::<Vec<_>>()
    );
    assert_eq!(crashes.crash(at(0), 0).wait, secs(90), "the longest waits are spread");
}

#[test]
fn one_that_comes_back_and_dies_goes_to_the_end() {
    let mut crashes = CrashLoop::after(Intensity { crashes: 2, period: secs(20) }, [at(0); 6]);
    assert_eq!(crashes.crash(at(10_000), 0), Crash { wait: secs(40), begins: None });
    assert!(crashes.is_on());
    // Nobody dies for as long as all that was poured in: it is over, and the next is the first of an episode to come.
    assert_eq!(crashes.crash(at(70_000), 0), Crash { wait: Duration::ZERO, begins: None });
    assert!(!crashes.is_on());
    assert_eq!(crashes.crash(at(70_000), 0).begins, None);
    assert_eq!(crashes.crash(at(70_000), 0), Crash { wait: secs(10), begins: Some(at(70_000)) });
}

/// One of long ago is none of it, and the one that broke through is not the first.
#[test]
fn an_episode_is_known_since_the_vessel_was_empty() {
    let mut crashes = CrashLoop::after(Intensity { crashes: 2, period: secs(20) }, [at(0)]);
    assert_eq!(crashes.crash(at(60_000), 0).begins, None);
    assert_eq!(crashes.crash(at(61_000), 0).begins, None);
    assert_eq!(crashes.crash(at(62_000), 0), Crash { wait: secs(8), begins: Some(at(60_000)) });
}

#[test]
fn no_figure_is_too_large() {
    for intensity in [
        Intensity { crashes: u32::MAX, period: Duration::MAX },
        Intensity { crashes: 1, period: Duration::MAX },
        Intensity { crashes: u32::MAX, period: Duration::from_nanos(1) },
        Intensity { crashes: 0, period: Duration::MAX },
    ] {
        let mut crashes =
            CrashLoop::after(intensity, [Timestamp::MIN_UTC, Timestamp::MAX_UTC, Timestamp::MIN_UTC]);
        assert!(crashes.crash(Timestamp::MAX_UTC, u64::MAX).wait <= intensity.longest());
    }
}

proptest! {
    /// Within the intensity, over whatever stretch of a period, nobody waits.
    #[test]
    fn whoever_keeps_within_the_intensity_never_waits((intensity, instants) in cases()) {
        let mut crashes = CrashLoop::new(intensity);
        let mut kept = Vec::<Timestamp>::new();
        for now in instants {
            // A crash is left out where it would be one too many for the time that has passed since any of the others.
            let share = i32::try_from(intensity.share().as_millis()).unwrap();
            let fits = (0..kept.len()).all(|from| {
                let count = i32::try_from(kept.len() - from).unwrap() + 1;
                let over = count - i32::try_from(intensity.crashes).unwrap();
                (now - kept[from]).num_milliseconds() >= i64::from(over) * i64::from(share)
            });
            if fits {
                kept.push(now);
                prop_assert_eq!(crashes.crash(now, 0), Crash { wait: Duration::ZERO, begins: None });
            }
        }
    }

    /// Those that are put off come back a share apart, in the order in which they died, while no wait is the longest.
    #[test]
    fn the_put_off_come_back_one_by_one((intensity, instants) in cases()) {
        let mut crashes = CrashLoop::new(intensity);
        let mut last = None::<Timestamp>;
        for now in instants {
            let Crash { wait, .. } = crashes.crash(now, 0);
            prop_assert!(wait <= intensity.longest());
            if crashes.content == intensity.memory() {
                return Ok(());
            }
            if !wait.is_zero() {
                let back = now + TimeDelta::from_std(wait).unwrap();
                prop_assert!(last.is_none_or(|last| back - last >= TimeDelta::from_std(intensity.share()).unwrap()));
                last = Some(back);
            }
        }
    }

    /// An episode is told of once: another one only begins after one that has run empty, and never without a wait.
    #[test]
    fn an_episode_begins_once((intensity, instants) in cases()) {
        let mut crashes = CrashLoop::new(intensity);
        let mut known = None;
        for now in instants {
            let crash = crashes.crash(now, 7);
            if let Some(began) = crash.begins {
                prop_assert!(known.is_none_or(|known| known < began), "{known:?} {began:?}");
                prop_assert!(!crash.wait.is_zero() && began <= now);
                known = Some(began);
            }
            prop_assert!(crash.wait.is_zero() || crashes.is_on());
        }
    }

    /// Whoever reads the crashes from the record goes on where another has left off; and what is older than the memory,
    /// with nothing within it, says nothing.
    #[test]
    fn the_record_is_all_that_is_known((intensity, instants) in cases(), cut: prop::sample::Index, seed: u64) {
        let (earlier, later) = instants.split_at(cut.index(instants.len() + 1));
        let mut one = CrashLoop::after(intensity, earlier.iter().copied());
        let mut all = CrashLoop::new(intensity);
        for now in earlier {
            all.crash(*now, seed);
        }
        for now in later {
            prop_assert_eq!(one.crash(*now, seed), all.crash(*now, seed));
        }
        let much_later = instants.last().map_or_else(|| at(0), |last| *last + TimeDelta::from_std(intensity.memory()).unwrap());
        prop_assert_eq!(all.crash(much_later, seed), CrashLoop::new(intensity).crash(much_later, seed));
    }
}
