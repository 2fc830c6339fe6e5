//! When many attempts look dead at once by evidence that can be mistaken, none of them is believed dead.
//!
//! A wrong PID namespace, a restored database or a woken laptop makes a whole fleet look dead in one pass. A
//! kind of unverified evidence trips **if and only if** more than a share of the attempts that are followed by
//! it, and at least a number of them, look dead. While it is open nothing is claimed on that evidence; it lets
//! claims through once the state has persisted for the hold time, or at a human's word, and closes when a tick
//! sees that the state has passed. Verified deaths and recorded exits are never held.

use alloc::{collections::BTreeMap, string::String};
use core::{fmt, time::Duration};

use crate::{Clock, PassKind, Timestamp, policy::PolicyError};

#[cfg(test)]
mod tests;

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

    /// How many followed attempts are enough for `dead` dead ones not to trip: more need not be counted. At a
    /// share of 0 none are.
    #[must_use]
    pub fn enough(&self, dead: u64) -> u64 {
        let enough = u128::from(dead).saturating_mul(100).div_ceil(u128::from(self.percent.max(1)));
        u64::try_from(enough).unwrap_or(u64::MAX)
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
    /// Dead in this pass, whatever their streak. Of age: due by it.
    pub dead: u64,
}

/// One kind's open breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Open {
    /// Since when the state persists.
    pub since: Timestamp,
    /// When a pass saw it last.
    pub seen_at: Timestamp,
    /// The tally that was seen last.
    pub tally: Tally,
    /// Whether a human has said that the deaths are real.
    pub released: bool,
}

/// How long a state may go unseen and still be taken to have persisted: ticks may be as far apart as that.
pub const UNSEEN: Duration = Duration::from_secs(3600);

/// The breaker of every kind of evidence, of one host's reapers: those that are not in it are closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Breaker {
    /// The kinds that are open.
    pub open: BTreeMap<EvidenceKind, Open>,
}

/// The breakers of a database's reapers. They are stored, so that every reaper and every `tick` knows its host's.
///
/// What looks dead by a bare pid or by a beat looks so from one host: what is wrong there is wrong for no other, and who
/// follows nothing by it can say nothing about it. So each host has a breaker of its own, which no other's reaper closes.
/// Ages are the same for everybody, and so is the breaker of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Breakers {
    /// That of ages, where it is open.
    pub age: Option<Open>,
    /// Those of each host's evidence that are open, by the hosts' names.
    pub hosts: BTreeMap<String, Breaker>,
}

/// After so long a host's breaker that nobody has seen is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(7 * 24 * 3600);

impl Breakers {
    /// What the reapers of a host go by.
    #[must_use]
    pub fn of(&self, host: &str) -> Breaker {
        let mut breaker = self.hosts.get(host).cloned().unwrap_or_default();
        breaker.open.extend(self.age.map(|open| (EvidenceKind::Age, open)));
        breaker
    }

    /// Takes in what a reaper of a host has judged.
    pub fn put(&mut self, host: &str, mut judged: Breaker, clock: &Clock) {
        self.age = judged.open.remove(&EvidenceKind::Age);
        self.hosts.insert(host.into(), judged);
        for breaker in self.hosts.values_mut() {
            breaker.open.retain(|_, open| clock.age(open.seen_at) <= FORGOTTEN);
        }
        self.hosts.retain(|_, breaker| !breaker.open.is_empty());
    }

    /// A human's word that what looks dead is dead, of all that is open: as [`Breaker::release`].
    pub fn release(&mut self) -> bool {
        let mut changed = false;
        for breaker in self.hosts.values_mut() {
            changed |= breaker.release();
        }
        if let Some(open) = self.age.as_mut().filter(|open| !open.released) {
            open.released = true;
            changed = true;
        }
        changed
    }
}

impl Breaker {
    /// Takes a pass's tallies in. A kind that is missing among them had nothing to be followed.
    ///
    /// A tick looks at everything, and so it opens and closes. A wake looks at a part: all that it can tell is
    /// that too many are due by age, of all that run. A state that nobody has seen for longer than [`UNSEEN`] is
    /// not known to have persisted: it begins anew, and only a human's word outlives that.
    pub fn judge(
        &mut self,
        pass: PassKind,
        tallies: &BTreeMap<EvidenceKind, Tally>,
        clock: &Clock,
        policy: &BreakerPolicy,
    ) {
        for kind in EvidenceKind::ALL {
            let tally = tallies.get(&kind).copied().unwrap_or_default();
            match (pass, policy.trips(tally)) {
                (PassKind::Wake, _) if kind != EvidenceKind::Age => {}
                (PassKind::Tick | PassKind::Wake, true) => self.trip(kind, tally, clock),
                (PassKind::Tick, false) => drop(self.open.remove(&kind)),
                (PassKind::Wake, false) => {}
            }
        }
    }

    fn trip(&mut self, kind: EvidenceKind, tally: Tally, clock: &Clock) {
        let now = clock.now;
        let open = self.open.entry(kind).or_insert(Open { since: now, seen_at: now, tally, released: false });
        if clock.age(open.seen_at) > UNSEEN {
            open.since = now;
        }
        (open.tally, open.seen_at) = (tally, now);
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

    /// A human's word that what looks dead is dead, until the state passes. Answers whether it changed
    /// anything: something was open and not yet released.
    pub fn release(&mut self) -> bool {
        let mut changed = false;
        for open in self.open.values_mut().filter(|open| !open.released) {
            open.released = true;
            changed = true;
        }
        changed
    }
}
