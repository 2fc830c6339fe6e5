//! When a beat has stopped, and when it is asked for at all.

use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::Fence;

const TIMING: BeatTiming = BeatTiming { interval: secs(10), ttl: secs(60) };

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn attempt(n: i64) -> Attempt {
    Attempt { job: n.into(), fence: Fence(n.into()) }
}

/// Ticks at these seconds that read these counts.
fn ticks(beats: &mut BeatObservations, reads: &[(u64, i64)]) -> Vec<Beating> {
    let tick = |(at, count): &(u64, i64)| {
        beats.begin(PassKind::Tick);
        beats.read(PassKind::Tick, &attempt(1), *count, secs(*at), &TIMING)
    };
    reads.iter().map(tick).collect()
}

#[test]
fn a_counter_has_stopped_after_three_reads_and_its_whole_time_to_live() {
    use Beating::{Moves, NotYetKnown, Stopped};

    for (reads, expected) in [
        (&[(0, 5), (10, 5), (59, 5)][..], &[NotYetKnown, NotYetKnown, NotYetKnown][..]),
        (&[(0, 5), (10, 5), (60, 5)], &[NotYetKnown, NotYetKnown, Stopped]),
        // However long the silence: two reads are too few.
        (&[(0, 5), (9000, 5)], &[NotYetKnown, NotYetKnown]),
        (&[(0, 5), (10, 6), (60, 6), (69, 6), (70, 6)], &[NotYetKnown, Moves, Moves, Moves, Stopped]),
        // Only a change means anything: a count that is lower moves, too.
        (&[(0, 5), (30, 4), (61, 4), (89, 4)], &[NotYetKnown, Moves, Moves, Moves]),
        // One that comes back is alive.
        (&[(0, 5), (30, 5), (60, 5), (70, 6), (80, 6)], &[NotYetKnown, NotYetKnown, Stopped, Moves, Moves]),
    ] {
        assert_eq!(ticks(&mut BeatObservations::default(), reads), expected, "{reads:?}");
    }
}

#[test]
fn a_wake_counts_for_no_read_and_sees_a_beat() {
    let mut beats = BeatObservations::default();
    ticks(&mut beats, &[(0, 5), (10, 5)]);
    let mut wake = |at, count| {
        beats.begin(PassKind::Wake);
        beats.read(PassKind::Wake, &attempt(1), count, secs(at), &TIMING)
    };
    assert_eq!([wake(70, 5), wake(80, 5), wake(90, 5)], [Beating::NotYetKnown; 3]);
    assert_eq!(wake(91, 6), Beating::Moves);
    assert_eq!(
        ticks(&mut beats, &[(95, 6), (100, 6), (150, 6), (151, 6)]),
        [Beating::Moves, Beating::Moves, Beating::Moves, Beating::Stopped,]
    );
}

#[test]
fn reading_twice_in_a_tick_counts_once() {
    let mut beats = BeatObservations::default();
    beats.begin(PassKind::Tick);
    for at in [0, 30, 60, 90] {
        let read = beats.read(PassKind::Tick, &attempt(1), 5, secs(at), &TIMING);
        assert_eq!(read, Beating::NotYetKnown, "{at}");
    }
}

#[test]
fn silence_begins_anew_where_a_tick_did_not_read_or_all_was_forgotten() {
    let mut beats = BeatObservations::default();
    ticks(&mut beats, &[(0, 5), (30, 5)]);
    beats.begin(PassKind::Tick);
    assert_eq!(beats.count(), 1, "kept until the tick after the one that did not read");
    assert_eq!(ticks(&mut beats, &[(60, 5), (90, 5)]), [Beating::NotYetKnown; 2]);
    beats.clear();
    assert_eq!(ticks(&mut beats, &[(130, 5), (200, 5)]), [Beating::NotYetKnown; 2]);
    beats.begin(PassKind::Tick);
    beats.begin(PassKind::Tick);
    assert_eq!(beats.count(), 0);
}

#[test]
fn a_beat_is_asked_for_where_nothing_else_is_known() {
    let unknown = |finding| Sighting::new(Liveness::Unknown, finding);
    let asked = [
        Finding::NothingRecorded,
        Finding::OtherHost,
        Finding::OtherNamespace,
        Finding::PidNotTrusted,
        Finding::Unsupported,
    ];
    for finding in asked {
        let seen = unknown(finding);
        let stopped = Sighting::new(Liveness::Dead(Certainty::Unverified), Finding::BeatStopped);
        assert_eq!(Beating::Stopped.judge(seen.clone()), stopped);
        let beats = Sighting::new(Liveness::Alive(Certainty::Unverified), Finding::Beats);
        assert_eq!(Beating::Moves.judge(seen.clone()), beats);
        assert_eq!(Beating::NotYetKnown.judge(seen.clone()), seen);
    }
    let outranks = [
        Sighting::new(Liveness::Alive(Certainty::Verified), Finding::Running),
        Sighting::new(Liveness::Alive(Certainty::Unverified), Finding::PidExists),
        Sighting::new(Liveness::Dead(Certainty::Verified), Finding::Ended),
        Sighting::new(Liveness::Leftovers, Finding::SessionLives(1)),
        Sighting::new(Liveness::Elsewhere, Finding::OtherHost),
        unknown(Finding::HostShared),
        unknown(Finding::Unreadable("EMFILE".into())),
    ];
    for seen in outranks {
        for beat in [Beating::Moves, Beating::NotYetKnown, Beating::Stopped] {
            assert_eq!(beat.judge(seen.clone()), seen, "{beat:?}");
        }
    }
}

#[test]
fn a_time_to_live_under_three_beats_is_refused() {
    let timing = |interval, ttl| BeatTiming { interval: secs(interval), ttl: secs(ttl) };
    assert_eq!(timing(10, 30).validate(), Ok(()));
    let refused = timing(10, 29).validate().unwrap_err();
    assert_eq!(refused, TtlTooShort { ttl: secs(29), interval: secs(10) });
    assert_eq!(alloc::string::ToString::to_string(&refused), "a ttl of 29 s is shorter than 3 beats of 10 s");
    assert!(timing(0, 30).validate().is_err());
    assert!(timing(10, 30).overdue() < secs(30), "what is stopped is loaded");
}

proptest! {
    /// Whatever is read when: whoever is said to have stopped was read at least three times, in as many ticks, with the
    /// same count, over the whole time to live.
    #[test]
    fn nobody_stops_before_their_time(reads in prop::collection::vec((0_u64..40, 0_i64..3, any::<bool>()), 1..60)) {
        let (mut beats, mut now) = (BeatObservations::default(), 0);
        // Since when and how often in ticks the latest count was read.
        let mut run: Option<(i64, u64, u32)> = None;
        for (wait, count, is_tick) in reads {
            now += wait;
            let kind = if is_tick { PassKind::Tick } else { PassKind::Wake };
            beats.begin(kind);
            let standing = beats.read(kind, &attempt(1), count, secs(now), &TIMING);
            run = match run {
                Some((same, since, ticks)) if same == count => Some((same, since, ticks + u32::from(is_tick))),
                _ => Some((count, now, 1)),
            };
            let (_, since, ticks) = run.unwrap();
            if standing == Beating::Stopped {
                prop_assert!(ticks >= READS && now - since >= 60, "{ticks} reads since {since} at {now}");
            }
        }
    }
}
