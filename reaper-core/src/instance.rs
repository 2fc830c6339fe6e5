//! Instances: names of which each stands for one container at a time, and what a restart says about the attempts of
//! the container before.
//!
//! A container that is restarted has another PID namespace, so that nothing of its past can be probed. An *instance* is
//! a name in the configuration, with its owner's promise that one at a time runs under it. Whoever starts under the name
//! registers an *incarnation*: the place where it runs. From that moment the incarnation before is superseded, and the
//! promise says that all that ran there has ended with it.
//!
//! When that was is not known: between the old container's death and the registration the kernel may have given its
//! namespace's inode to another container, which has a reaper of its own, or none. So a reaper notes, while it is at a
//! place, the start of the latest process that it has seen alive there: what started later is not judged. Starts are the
//! kernel's own count, so that no clock of a database and no slow write can make a stranger's process look older than it is.

use alloc::{string::String, vec::Vec};
use core::fmt;

use crate::{
    Certainty, Finding, Liveness, ProcessIdentity, Sighting, Timestamp,
    node::{Lost, LostAttempts},
};

#[cfg(test)]
mod tests;

/// A PID namespace of its own in one boot of one host: where a container's processes are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Place {
    /// The host, as it stands in identities.
    pub host: String,
    /// Its boot, as it stands in identities.
    pub boot: String,
    /// The inode of the PID namespace. The kernel may give it to another one once this one is gone.
    pub pid_namespace: u64,
}

impl Place {
    /// Whether a process is of this place.
    #[must_use]
    pub fn is_of(&self, identity: &ProcessIdentity) -> bool {
        self.host == identity.host
            && self.boot == identity.boot
            && identity.pid_namespace == Some(self.pid_namespace)
    }

    /// How the identities of its processes begin, as texts.
    #[must_use]
    pub fn prefix(&self) -> String {
        alloc::format!("{self}/")
    }
}

/// `host/boot/namespace`, as an identity begins.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.host, self.boot, self.pid_namespace)
    }
}

/// One run of an instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Incarnation {
    /// The instance's name.
    pub instance: String,
    /// Where it runs, or ran.
    pub place: Place,
    /// When it was registered, by the database's clock.
    pub at: Timestamp,
    /// When a later one was registered under its name; `None` while it is the latest.
    pub superseded_at: Option<Timestamp>,
    /// The latest start of a process that its reaper has seen alive there, in clock ticks since boot as identities have it;
    /// `None` where it has seen none.
    pub seen_start: Option<u64>,
}

impl Incarnation {
    /// What is known of a process, beside what a probe saw.
    ///
    /// It is verified dead **if and only if** it is of this incarnation's place, this incarnation is superseded, the
    /// process started no later than one that its reaper has seen alive there, and the one who asks is not at that place
    /// himself: there the kernel's word counts. One that started later may be of another container, whose namespace was
    /// given the same inode.
    #[must_use]
    pub fn judge(&self, here: Option<&Place>, identity: &ProcessIdentity, seen: Sighting) -> Sighting {
        if self.superseded_at.is_none() || !self.place.is_of(identity) || !self.is_its_own(identity) {
            return seen;
        }
        if here.is_some_and(|here| here.is_of(identity)) {
            return seen;
        }
        Sighting::new(Liveness::Dead(Certainty::Verified), Finding::Superseded)
    }

    /// Whether a process of this place is not of a container that came later.
    fn is_its_own(&self, identity: &ProcessIdentity) -> bool {
        self.seen_start.zip(identity.start_time).is_some_and(|(seen, start)| start <= seen)
    }
}

/// What a reaper knows of the incarnations of every instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incarnations {
    here: Option<Place>,
    /// Of the incarnation at this very place.
    seen_start: Option<u64>,
    superseded: Vec<Incarnation>,
}

impl Incarnations {
    /// What was read of all of them, by one who is at this place himself.
    #[must_use]
    pub fn new(here: Option<Place>, all: Vec<Incarnation>) -> Self {
        let own = all.iter().find(|incarnation| Some(&incarnation.place) == here.as_ref());
        let seen_start = own.and_then(|own| own.seen_start);
        let superseded = all.into_iter().filter(|incarnation| incarnation.superseded_at.is_some()).collect();
        Self { here, seen_start, superseded }
    }

    /// The incarnation of whoever asks, if another one was registered under its name since: two run under it at once.
    #[must_use]
    pub fn own(&self) -> Option<&Incarnation> {
        self.superseded.iter().find(|incarnation| Some(&incarnation.place) == self.here.as_ref())
    }

    /// The places whose attempts are to be looked at.
    #[must_use]
    pub fn lost(&self) -> Vec<Lost> {
        let others = self.superseded.iter().filter(|incarnation| Some(&incarnation.place) != self.here.as_ref());
        let lost = |incarnation: &Incarnation| Lost {
            host: incarnation.place.host.clone(),
            prefix: incarnation.place.prefix(),
            attempts: LostAttempts::All,
        };
        others.map(lost).collect()
    }

    /// As [`Incarnation::judge`], of each.
    #[must_use]
    pub fn judge(&self, identity: &ProcessIdentity, seen: Sighting) -> Sighting {
        let judge = |seen, incarnation: &Incarnation| incarnation.judge(self.here.as_ref(), identity, seen);
        self.superseded.iter().fold(seen, judge)
    }

    /// The start of a process that was seen so, where that is to be noted of this place: it is alive here for certain, and
    /// started later than all that is noted.
    #[must_use]
    pub fn to_note(&self, identity: &ProcessIdentity, seen: &Sighting) -> Option<u64> {
        let is_here = self.here.as_ref().is_some_and(|here| here.is_of(identity));
        let is_alive = seen.liveness == Liveness::Alive(Certainty::Verified);
        identity.start_time.filter(|start| is_here && is_alive && Some(*start) > self.seen_start)
    }

    /// That this start was noted.
    pub fn noted(&mut self, start: u64) {
        self.seen_start = self.seen_start.max(Some(start));
    }
}
