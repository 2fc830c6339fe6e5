//! Beats of attempts whose executors cannot be seen from here, and what their silence says.
//!
//! A beat is a counter on the job's row that its worker raises. It is judged **if and only if** nothing else is known of
//! the executor: nothing of it is recorded, or it runs on another host, in another PID namespace, under a pid that is not
//! believed, or on a platform that cannot tell. It has stopped **if and only if** the counter stood still over at least
//! [`READS`] reads and the whole time to live, on the reader's own monotonic clock. A count is never compared but with
//! the one that was read before, and the instant that stands beside it decides nothing: it only says which rows are worth
//! a look. A beat that never came is missing evidence, and no death.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::{
    Attempt, Certainty, Finding, Liveness, PassKind, Sighting,
    node::{READS, TtlTooShort},
};

#[cfg(test)]
mod tests;

/// How attempts beat, and how long one may be silent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BeatTiming {
    /// The time between two beats.
    pub interval: Duration,
    /// For how long silence is no death.
    pub ttl: Duration,
}

impl BeatTiming {
    /// Refuses a time to live that is shorter than three beats.
    ///
    /// # Errors
    ///
    /// [`TtlTooShort`], with the figures.
    pub fn validate(&self) -> Result<(), TtlTooShort> {
        TtlTooShort::check(self.ttl, self.interval)
    }

    /// How old the latest beat is before the counter is read at all: one beat was left out. So an attempt that beats in
    /// time is never loaded for it, and silence is known after this and the time to live.
    #[must_use]
    pub const fn overdue(&self) -> Duration {
        self.interval.saturating_mul(2)
    }
}

/// How a counter stands for whoever has been reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Beating {
    /// It was seen to move, and has not stood still for its whole time to live since.
    Moves,
    /// It is not watched for long enough: it may be of an attempt that lives, or of one that died before the first read.
    NotYetKnown,
    /// It stood still for its whole time to live.
    Stopped,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Heard {
    count: i64,
    /// When this count was read first, on the reader's monotonic clock.
    since: Duration,
    /// In how many ticks it was read.
    reads: u32,
    /// The tick in which it was read last.
    read_in: u64,
    standing: Beating,
}

/// What a reader remembers of the beats of single attempts: of those whose latest beat is overdue, and no others.
///
/// **Invariant:** an attempt that the latest tick did not read is not remembered: its silence begins anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BeatObservations {
    tick: u64,
    heard: BTreeMap<Attempt, Heard>,
}

impl BeatObservations {
    /// Begins a pass. A tick drops what the tick before it did not read.
    pub fn begin(&mut self, kind: PassKind) {
        if kind == PassKind::Tick {
            let last = self.tick;
            self.heard.retain(|_, heard| heard.read_in == last);
            self.tick = last.wrapping_add(1);
        }
    }

    /// Takes in the count that was read of an attempt at an instant of the reader's monotonic clock, and answers how it
    /// stands. Reading twice in one tick counts once, and a wake counts for nothing: it only finds out that a counter moved.
    pub fn read(
        &mut self,
        kind: PassKind,
        attempt: &Attempt,
        count: i64,
        monotonic: Duration,
        timing: &BeatTiming,
    ) -> Beating {
        let (tick, new) = (
            self.tick,
            Heard { count, since: monotonic, reads: 1, read_in: self.tick, standing: Beating::NotYetKnown },
        );
        match (self.heard.get_mut(attempt), kind) {
            (Some(heard), _) if heard.count != count => {
                *heard = Heard { standing: Beating::Moves, ..new };
                Beating::Moves
            }
            (Some(heard), PassKind::Tick) => {
                if heard.read_in != tick {
                    heard.reads = heard.reads.saturating_add(1);
                    heard.read_in = tick;
                }
                if heard.reads >= READS && monotonic.saturating_sub(heard.since) >= timing.ttl {
                    heard.standing = Beating::Stopped;
                }
                heard.standing
            }
            (Some(heard), PassKind::Wake) => heard.standing,
            (None, PassKind::Tick) => {
                self.heard.insert(attempt.clone(), new);
                Beating::NotYetKnown
            }
            (None, PassKind::Wake) => Beating::NotYetKnown,
        }
    }

    /// Forgets what was read: the database did not answer, the clock jumped, the host slept. Silence begins anew.
    pub fn clear(&mut self) {
        self.heard.clear();
    }

    /// How many attempts are remembered.
    #[must_use]
    pub fn count(&self) -> usize {
        self.heard.len()
    }
}

/// Whether an executor's beat is asked for beside this sighting of it: nothing else is known.
///
/// What the kernel says outranks a beat, and so do another host's reaper that is there and two machines of one name. What
/// could not be read this time may be read the next.
#[must_use]
pub const fn is_asked_for(seen: &Sighting) -> bool {
    matches!(seen.liveness, Liveness::Unknown)
        && matches!(
            seen.finding,
            Finding::NothingRecorded
                | Finding::OtherHost
                | Finding::OtherNamespace
                | Finding::PidNotTrusted
                | Finding::Unsupported
        )
}

impl Beating {
    /// What is known of an executor of which nothing was seen but its beats.
    #[must_use]
    pub fn judge(self, seen: Sighting) -> Sighting {
        match self {
            _ if !is_asked_for(&seen) => seen,
            Self::Moves => Sighting::new(Liveness::Alive(Certainty::Unverified), Finding::Beats),
            Self::NotYetKnown => seen,
            Self::Stopped => Sighting::new(Liveness::Dead(Certainty::Unverified), Finding::BeatStopped),
        }
    }
}
