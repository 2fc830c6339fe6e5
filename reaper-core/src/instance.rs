//! Instances: names of which each stands for one container at a time, and what a restart says about the attempts of
//! the container before.
//!
//! A container that is restarted has another PID namespace, so that nothing of its past can be probed. An *instance* is
//! a name in the configuration, with its owner's promise that one at a time runs under it. Whoever starts under the name
//! registers an *incarnation*: the place where it runs. From that moment the incarnation before is superseded, and the
//! promise says that all that ran there has ended with it.

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
}

impl Incarnation {
    /// What is known of a process of an attempt that began at this instant, beside what a probe saw.
    ///
    /// It is verified dead **if and only if** it is of this incarnation's place, this incarnation is superseded, the
    /// attempt began before it was, and the one who asks is not at that place himself: there the kernel's word counts. An
    /// attempt that began later may be of another container, whose namespace was given the same inode.
    #[must_use]
    pub fn judge(
        &self,
        here: Option<&Place>,
        identity: &ProcessIdentity,
        began: Option<Timestamp>,
        seen: Sighting,
    ) -> Sighting {
        let Some(superseded_at) = self.superseded_at else {
            return seen;
        };
        let is_before = began.is_some_and(|began| began <= superseded_at);
        if !self.place.is_of(identity) || !is_before || here.is_some_and(|here| here.is_of(identity)) {
            return seen;
        }
        Sighting::new(Liveness::Dead(Certainty::Verified), Finding::Superseded)
    }
}

/// What a reaper knows of the incarnations of every instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incarnations {
    here: Option<Place>,
    superseded: Vec<Incarnation>,
}

impl Incarnations {
    /// What was read of all of them, by one who is at this place himself.
    #[must_use]
    pub fn new(here: Option<Place>, all: Vec<Incarnation>) -> Self {
        let superseded = all.into_iter().filter(|incarnation| incarnation.superseded_at.is_some()).collect();
        Self { here, superseded }
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
    pub fn judge(&self, identity: &ProcessIdentity, began: Option<Timestamp>, seen: Sighting) -> Sighting {
        let judge = |seen, incarnation: &Incarnation| incarnation.judge(self.here.as_ref(), identity, began, seen);
        self.superseded.iter().fold(seen, judge)
    }
}
