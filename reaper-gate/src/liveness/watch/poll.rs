//! Watching by looking again and again, where the kernel offers nothing better.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reaper_core::{Attempt, Liveness, ProcessIdentity, Sighting};

use super::{Death, Role, Subject, Unwatched, Watch, WatchCounts, WatchError, Watching, WitnessedExit};
use crate::liveness::Probe;

/// Looks at all that is registered at the beginning of every `wait`, and every now and then while it lasts.
///
/// A death is seen with a delay of up to that interval. A bare pid that is used again between two looks is taken for
/// the process that had it. No exit code is ever told. `Leftovers` are reported as by the probe.
#[derive(Debug)]
pub struct PollWatch {
    probe: Arc<dyn Probe>,
    every: Duration,
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<(Attempt, Role), Entry>,
    woken: bool,
}

#[derive(Debug)]
struct Entry {
    subject: Subject,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Polled,
    /// Seen gone, not yet reported.
    Seen(Sighting),
    Reported(Sighting),
    NotWatched(Unwatched),
}

impl PollWatch {
    /// Looks by this probe, every so often; at least every millisecond.
    #[must_use]
    pub fn new(probe: Arc<dyn Probe>, every: Duration) -> Self {
        let every = every.max(Duration::from_millis(1));
        Self { probe, every, state: Mutex::default(), woken: Condvar::new() }
    }

    /// A thread that panicked has left nothing half done: every change is one assignment.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn probe(&self, subject: &Subject) -> Sighting {
        match subject {
            Subject::Identity(identity) => self.probe.probe(identity),
            Subject::Pid(pid) => self.probe.probe_pid(*pid),
        }
    }

    /// Looks at all that is thought to run, without holding the lock, and takes down who is gone.
    fn look(&self) {
        let polled: Vec<((Attempt, Role), Subject)> = self
            .state()
            .entries
            .iter()
            .filter(|(_, entry)| matches!(entry.place, Place::Polled))
            .map(|(key, entry)| (key.clone(), entry.subject.clone()))
            .collect();
        let identities: Vec<&ProcessIdentity> =
            polled.iter().filter_map(|(_, subject)| identity(subject)).collect();
        let mut by_identity = self.probe.probe_all(&identities).into_iter();
        let seen: Vec<Option<Sighting>> = polled
            .iter()
            .map(|(_, subject)| match subject {
                Subject::Identity(_) => by_identity.next(),
                Subject::Pid(pid) => Some(self.probe.probe_pid(*pid)),
            })
            .collect();
        let mut state = self.state();
        for ((key, subject), sighting) in polled.iter().zip(seen) {
            if let (Some(entry), Some(sighting)) = (state.entries.get_mut(key), sighting)
                && entry.subject == *subject
                && matches!(entry.place, Place::Polled)
                && is_gone(&sighting)
            {
                entry.place = Place::Seen(sighting);
            }
        }
    }

    /// Reports who was seen gone.
    fn report(state: &mut State) -> Vec<Death> {
        let mut deaths = Vec::new();
        for ((attempt, role), entry) in &mut state.entries {
            if let Place::Seen(sighting) = &entry.place {
                let sighting = sighting.clone();
                entry.place = Place::Reported(sighting.clone());
                deaths.push(Death { attempt: attempt.clone(), role: *role, sighting, exit: None });
            }
        }
        deaths
    }
}

impl Watch for PollWatch {
    fn watch(&self, attempt: &Attempt, role: Role, subject: &Subject) -> Watching {
        let key = (attempt.clone(), role);
        if let Some(entry) = self.state().entries.get(&key)
            && entry.subject == *subject
        {
            match entry.place {
                Place::Polled => return Watching::Polled,
                Place::Seen(_) | Place::Reported(_) => return Watching::Gone,
                Place::NotWatched(_) => {}
            }
        }
        let sighting = self.probe(subject);
        let (place, watching) = match sighting.liveness {
            Liveness::Alive(_) => (Place::Polled, Watching::Polled),
            Liveness::Dead(_) | Liveness::Leftovers => (Place::Seen(sighting), Watching::Gone),
            Liveness::Elsewhere | Liveness::Unknown => {
                let why = Unwatched::NotTold(sighting.finding);
                (Place::NotWatched(why.clone()), Watching::NotWatched(why))
            }
        };
        let mut state = self.state();
        state.entries.insert(key, Entry { subject: subject.clone(), place });
        if watching == Watching::Gone {
            self.woken.notify_all();
        }
        watching
    }

    fn unwatch(&self, attempt: &Attempt) {
        let mut state = self.state();
        for role in [Role::Executor, Role::Monitor] {
            state.entries.remove(&(attempt.clone(), role));
        }
    }

    /// The time is counted in looks, each of which counts as its whole interval, and not read off a clock.
    fn wait(&self, limit: Option<Duration>) -> Result<Vec<Death>, WatchError> {
        let mut left = limit;
        loop {
            self.look();
            let mut state = self.state();
            let deaths = Self::report(&mut state);
            let over = left.is_some_and(|left| left.is_zero());
            if state.woken || over || !deaths.is_empty() {
                state.woken = false;
                return Ok(deaths);
            }
            let step = left.map_or(self.every, |left| left.min(self.every));
            left = left.map(|left| left.saturating_sub(step));
            let news = |state: &mut State| {
                !state.woken && !state.entries.values().any(|entry| matches!(entry.place, Place::Seen(_)))
            };
            drop(self.woken.wait_timeout_while(state, step, news).unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn wake(&self) {
        self.state().woken = true;
        self.woken.notify_all();
    }

    fn sighting(&self, attempt: &Attempt, role: Role) -> Option<Sighting> {
        let (subject, place) = {
            let state = self.state();
            let entry = state.entries.get(&(attempt.clone(), role))?;
            (entry.subject.clone(), entry.place.clone())
        };
        match place {
            Place::NotWatched(_) => None,
            Place::Seen(known) | Place::Reported(known) if matches!(known.liveness, Liveness::Dead(_)) => {
                Some(known)
            }
            Place::Polled | Place::Seen(_) | Place::Reported(_) => Some(self.probe(&subject)),
        }
    }

    fn exit(&self, _: &Attempt, _: Role) -> Option<WitnessedExit> {
        None
    }

    fn counts(&self) -> WatchCounts {
        let mut counts = WatchCounts::default();
        for entry in self.state().entries.values() {
            match &entry.place {
                Place::Polled => counts.polled = counts.polled.saturating_add(1),
                Place::Seen(_) | Place::Reported(_) => counts.gone = counts.gone.saturating_add(1),
                Place::NotWatched(why) => counts.add_unwatched(why),
            }
        }
        counts
    }
}

const fn identity(subject: &Subject) -> Option<&ProcessIdentity> {
    match subject {
        Subject::Identity(identity) => Some(identity),
        Subject::Pid(_) => None,
    }
}

/// Whether what was seen is to be reported. A leader that is gone while nobody could see its session is `Unknown`
/// to a probe, and goes on being looked at.
const fn is_gone(sighting: &Sighting) -> bool {
    matches!(sighting.liveness, Liveness::Dead(_) | Liveness::Leftovers)
}
