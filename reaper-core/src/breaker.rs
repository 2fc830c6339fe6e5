//! When many attempts look dead at once by evidence that can be mistaken, none of them is believed dead.
//!
//! A wrong PID namespace, a restored database or a woken laptop makes a whole fleet look dead in one pass. A
//! kind of unverified evidence trips when **more than** a share of the attempts that are followed by it, and
//! **at least** a number of them, look dead. While it is open nothing is claimed on that evidence; it lets
//! claims through once the state has persisted for the hold time, or at a human's word, and closes when the
//! share falls. Verified deaths and recorded exits are never held.

use alloc::collections::BTreeMap;
use core::{fmt, time::Duration};

use crate::{Clock, Timestamp, policy::PolicyError};

/// A kind of evidence that can be mistaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum EvidenceKind {
    /// A bare pid that does not exist.
    BarePid,
    /// A beat that stopped.
    Beat,
    /// The age of the attempt.
    Age,
}

impl EvidenceKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::BarePid, Self::Beat, Self::Age];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BarePid => "bare_pid",
            Self::Beat => "beat",
            Self::Age => "age",
        }
    }
}

impl fmt::Display for EvidenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// When the breaker trips and how long it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BreakerPolicy {
    /// Trips above this share, in percent. Default 50. 100 never trips.
    pub percent: u8,
    /// Trips from this number on. Default 10.
    pub at_least: u64,
    /// How long the state must persist before it is believed. Default 5 min.
    pub hold: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self { percent: 50, at_least: 10, hold: Duration::from_secs(300) }
    }
}

impl BreakerPolicy {
    pub(crate) fn validate(&self) -> Result<(), PolicyError> {
        if self.percent > 100 {
            return Err(PolicyError {
                figure: "breaker_percent".into(),
                value: alloc::format!("{}", self.percent),
                problem: "is a share: use 0 to 100",
            });
        }
        Ok(())
    }

    fn trips(&self, tally: Tally) -> bool {
        let dead = u128::from(tally.dead).saturating_mul(100);
        let share = u128::from(tally.followed).saturating_mul(u128::from(self.percent));
        tally.dead >= self.at_least && dead > share
    }
}

/// How many attempts are followed by one kind of evidence, and how many of them look dead by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Tally {
    /// Followed in this pass.
    pub followed: u64,
    /// Dead in this pass, whatever their streak.
    pub dead: u64,
}

/// One kind's open breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Open {
    /// Since when the state persists.
    pub since: Timestamp,
    /// The tally that was seen last.
    pub tally: Tally,
    /// Whether a human has said that the deaths are real.
    pub released: bool,
}

/// The breaker of every kind of evidence: those that are not in it are closed. It is stored, so that every
/// reaper and every `tick` of one database knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Breaker {
    /// The kinds that are open.
    pub open: BTreeMap<EvidenceKind, Open>,
}

impl Breaker {
    /// Takes a pass's tallies in. Kinds that were not tallied (nothing of them was looked at) stay as they are.
    pub fn judge(&mut self, tallies: &BTreeMap<EvidenceKind, Tally>, now: Timestamp, policy: &BreakerPolicy) {
        for (kind, tally) in tallies {
            if policy.trips(*tally) {
                self.open.entry(*kind).and_modify(|open| open.tally = *tally).or_insert(Open {
                    since: now,
                    tally: *tally,
                    released: false,
                });
            } else {
                self.open.remove(kind);
            }
        }
    }

    /// Whether claims on this kind of evidence are held.
    #[must_use]
    pub fn holds(&self, kind: EvidenceKind, clock: &Clock, policy: &BreakerPolicy) -> bool {
        self.open.get(&kind).is_some_and(|open| !open.released && clock.age(open.since) < policy.hold)
    }

    /// When the first kind that is held now will be believed.
    #[must_use]
    pub fn review_at(&self, clock: &Clock, policy: &BreakerPolicy) -> Option<Timestamp> {
        let held = self.open.iter().filter(|(kind, _)| self.holds(**kind, clock, policy));
        held.filter_map(|(_, open)| clock.when(open.since, policy.hold)).min()
    }

    /// A human's word that what looks dead is dead, until the state passes. Answers whether anything was held.
    pub fn release(&mut self) -> bool {
        let mut changed = false;
        for open in self.open.values_mut().filter(|open| !open.released) {
            open.released = true;
            changed = true;
        }
        changed
    }
}
