//! The watch of a loop: whom it follows, and what a pass has to load because of it.
//!
//! **Invariant:** an attempt of this host is left out of a load if and only if every process that its row named, when it was
//! looked at last, is registered with the watch and not known to be dead; and it was looked at since the latest full
//! reconciliation, or began after it. Whatever else happens to such a row shows by time, or at the next reconciliation.
//!
//! What a pass loads beside what is due: in a wake, the attempts that died since the pass before, and those that a pass
//! wanted to act on and that still run; in a tick, whatever something died of, what cannot be watched or is not attached
//! yet, what began since the tick before, and every few minutes all of this host's.

mod thread;
mod witness;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chrono::TimeDelta;
use reaper_core::{Attempt, JobId, JobSnapshot, PassKind, Sighting, Status, Timestamp, job::BadRow};
use reaper_gate::{
    Watch,
    liveness::watch::{Role, Subject, Watching as Registered},
};
use reaper_store::{control::WatchTally, facts::Here};

use self::thread::Told;
pub(crate) use self::thread::Watcher;
use crate::Settings;

/// A pass looks so much further back than the pass before: who took a job may have committed late, or have another idea
/// of the time.
const OVERLAP: Duration = Duration::from_secs(10);

/// What a loop watches.
#[derive(Debug)]
pub(crate) struct Watching {
    watch: Arc<dyn Watch>,
    told: Arc<Told>,
    host: String,
    followed: BTreeMap<Attempt, Followed>,
    /// Those known by a bare pid alone.
    by_pid: BTreeSet<Attempt>,
    /// Those of which something has died.
    died: BTreeSet<Attempt>,
    /// Those of them that no pass has looked at since.
    fresh: BTreeSet<Attempt>,
    /// Those on which the latest look wanted to act.
    open: BTreeSet<Attempt>,
    /// Those that are not watched in full.
    loose: BTreeSet<Attempt>,
    /// Those whose exits were put down to a witness, or could not be.
    testified: BTreeSet<Attempt>,
    /// Those whose exits are known, and whose rows another program holds: nobody acts on them before.
    pub(crate) untold: BTreeSet<Attempt>,
    /// Those whose decision was put off once, for their exit to be put down first.
    put_off: BTreeSet<Attempt>,
    /// Up to when attempts are known.
    known_until: Option<Timestamp>,
    /// When all of this host's were loaded last, by the monotonic clock.
    reconciled_at: Option<Duration>,
    /// The store's token from before that load.
    reconciled_version: Option<u64>,
    /// The store's token from before this pass's load.
    opened_with: Option<u64>,
    pass: Pass,
}

#[derive(Debug)]
struct Followed {
    agent: String,
}

/// What the pass that is under way has asked for and seen.
#[derive(Debug, Default)]
struct Pass {
    is_full: bool,
    asked: BTreeSet<Attempt>,
    seen: BTreeSet<Attempt>,
    bad: BTreeSet<JobId>,
}

/// What is known of an attempt's two processes without a probe.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) executor: Option<Sighting>,
    pub(crate) monitor: Option<Sighting>,
}

impl Watching {
    fn new(watch: Arc<dyn Watch>, told: Arc<Told>, host: &str) -> Self {
        Self {
            watch,
            told,
            host: host.to_owned(),
            followed: BTreeMap::new(),
            by_pid: BTreeSet::new(),
            died: BTreeSet::new(),
            fresh: BTreeSet::new(),
            open: BTreeSet::new(),
            loose: BTreeSet::new(),
            testified: BTreeSet::new(),
            untold: BTreeSet::new(),
            put_off: BTreeSet::new(),
            known_until: None,
            reconciled_at: None,
            reconciled_version: None,
            opened_with: None,
            pass: Pass::default(),
        }
    }

    /// Begins a pass: takes in who has died. What a pass that failed had asked for is still to be looked at.
    pub(crate) fn begin(&mut self) {
        let unseen = std::mem::take(&mut self.pass).asked;
        self.fresh.extend(unseen.into_iter().filter(|attempt| self.died.contains(attempt)));
        for attempt in self.told.take() {
            if self.followed.contains_key(&attempt) {
                self.died.insert(attempt.clone());
                self.fresh.insert(attempt);
            }
        }
    }

    /// Whether somebody has died, or something of this host has to be looked at in each tick.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.told.has_any() && self.died.is_empty() && self.loose.is_empty() && !self.told.is_broken()
    }

    /// The store's token from before anything was loaded.
    pub(crate) fn opened(&mut self, version: Option<u64>) {
        self.opened_with = version;
    }

    /// Whether all of this host's attempts are due to be loaded.
    fn is_due(&self, monotonic: Duration, settings: &Settings) -> bool {
        self.reconciled_at.is_none_or(|at| monotonic.saturating_sub(at) >= settings.reconcile)
    }

    /// Whether they are due, and something was written since they were.
    pub(crate) fn must_reconcile(&self, version: u64, monotonic: Duration, settings: &Settings) -> bool {
        self.is_due(monotonic, settings) && self.reconciled_version != Some(version)
    }

    /// Whether more has died than the pass has looked at.
    pub(crate) fn has_more(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Whether an attempt's death is known, so that it is asked for without being a suspect.
    pub(crate) fn has_died(&self, attempt: &Attempt) -> bool {
        self.died.contains(attempt)
    }

    /// The jobs that a pass asks for by name, and what it wants of this host.
    pub(crate) fn wants(
        &mut self,
        kind: PassKind,
        monotonic: Duration,
        settings: &Settings,
    ) -> (Vec<JobId>, Option<Here>) {
        let names = |attempts: &BTreeSet<Attempt>| attempts.iter().map(|attempt| attempt.job.clone()).collect();
        if kind == PassKind::Wake {
            let asked = self.fresh.iter().chain(self.open.difference(&self.fresh)).take(settings.budget);
            self.pass.asked = asked.cloned().collect();
            self.fresh.retain(|attempt| !self.pass.asked.contains(attempt));
            return (names(&self.pass.asked), None);
        }
        self.pass.is_full = self.told.is_broken() || self.is_due(monotonic, settings);
        self.fresh.clear();
        self.pass.asked = self.died.union(&self.loose).chain(&self.open).cloned().collect();
        let overlap = TimeDelta::from_std(OVERLAP).unwrap_or(TimeDelta::zero());
        let since = self.known_until.filter(|_| !self.pass.is_full);
        let here = Here {
            host: self.host.clone(),
            bare_pids: settings.bare_pids,
            since: since.map(|at| at.checked_sub_signed(overlap).unwrap_or(Timestamp::MIN_UTC)),
        };
        self.pass.is_full = here.since.is_none();
        (names(&self.pass.asked), Some(here))
    }

    /// Registers the processes of these rows that are this host's, and says what is known of them. In the order of the
    /// rows.
    pub(crate) fn register<'r>(
        &mut self,
        rows: impl Iterator<Item = &'r JobSnapshot> + Clone,
        settings: &Settings,
    ) -> Vec<Known> {
        let (mut asked, mut places) = (Vec::new(), Vec::new());
        let mut known = Vec::new();
        for job in rows.clone() {
            if job.status == Status::Running {
                for role in self.follow(job, settings.bare_pids) {
                    asked.push((job.attempt.clone(), role));
                    places.push(known.len());
                }
            }
            known.push(Known::default());
        }
        let sightings = self.watch.sightings(&asked);
        for ((place, (_, role)), sighting) in places.into_iter().zip(&asked).zip(sightings) {
            if let Some(known) = known.get_mut(place) {
                match role {
                    Role::Executor => known.executor = sighting,
                    Role::Monitor => known.monitor = sighting,
                }
            }
        }
        for (job, known) in rows.zip(&mut known) {
            self.put_off(job, known, &settings.policy);
        }
        known
    }

    /// Follows an attempt; which of its processes are registered.
    fn follow(&mut self, job: &JobSnapshot, bare_pids: bool) -> Vec<Role> {
        let is_here = |identity: &&reaper_core::ProcessIdentity| identity.host == self.host;
        let executor = match (&job.executor, job.pid) {
            (Some(identity), _) => Some(identity).filter(is_here).cloned().map(Subject::Identity),
            (None, Some(pid)) if bare_pids => Some(Subject::Pid(pid)),
            (None, _) => None,
        };
        let monitor = job.monitor.as_ref().filter(is_here).cloned().map(Subject::Identity);
        self.pass.seen.insert(job.attempt.clone());
        if executor.is_none() && monitor.is_none() {
            self.unfollow(&job.attempt);
            return Vec::new();
        }
        let attempt = &job.attempt;
        if !self.followed.contains_key(attempt) {
            self.followed.insert(attempt.clone(), Followed { agent: job.agent.clone() });
        }
        if matches!(executor, Some(Subject::Pid(_))) {
            self.by_pid.insert(attempt.clone());
        } else {
            self.by_pid.remove(attempt);
        }
        // An executor that is yet to be attached cannot be watched; nor can it have done anything.
        let mut is_loose = job.executor.is_none() && job.pid.is_none();
        let mut roles = Vec::new();
        for (role, subject) in [(Role::Executor, executor), (Role::Monitor, monitor)] {
            let Some(subject) = subject else { continue };
            match self.watch.watch(attempt, role, &subject) {
                Registered::Held | Registered::Polled => {}
                // It is told again only once, and that may have been in a pass before.
                Registered::Gone => drop(self.died.insert(attempt.clone())),
                Registered::NotWatched(_) => is_loose = true,
            }
            roles.push(role);
        }
        if is_loose {
            self.loose.insert(attempt.clone());
        } else {
            self.loose.remove(attempt);
        }
        roles
    }

    /// A row that does not parse tells nothing about who runs.
    pub(crate) fn is_bad(&mut self, bad: &BadRow) {
        self.pass.bad.insert(bad.job.clone());
    }

    /// What a look at an attempt led to: whether it is to be acted on.
    pub(crate) fn decided(&mut self, attempt: &Attempt, acts: bool) {
        if acts && self.died.contains(attempt) {
            self.open.insert(attempt.clone());
        } else {
            self.open.remove(attempt);
        }
    }

    /// How many live attempts that are followed by a bare pid alone this pass has not loaded.
    pub(crate) fn unseen_by_pid(&self) -> u64 {
        let unseen = self.by_pid.difference(&self.pass.seen).count();
        u64::try_from(unseen).unwrap_or(u64::MAX)
    }

    /// Ends a pass that has looked at all that it asked for. Whoever was asked for and does not run any more is dropped.
    /// How many on which there is something to do it has not asked for.
    pub(crate) fn end(&mut self, kind: PassKind, now: Timestamp, monotonic: Duration, jumped: bool) -> u64 {
        let pass = std::mem::take(&mut self.pass);
        let left_over = self.open.difference(&pass.seen).count();
        let asked: Vec<Attempt> =
            if pass.is_full { self.followed.keys().cloned().collect() } else { pass.asked.into_iter().collect() };
        for attempt in asked {
            if !pass.seen.contains(&attempt) && !pass.bad.contains(&attempt.job) {
                self.unfollow(&attempt);
            }
        }
        if kind == PassKind::Tick {
            self.known_until = Some(now);
            if pass.is_full {
                self.reconciled_at = Some(monotonic);
                self.reconciled_version = self.opened_with;
            }
        }
        if jumped {
            // An instant before the jump says nothing about one after it.
            self.reconciled_at = None;
        }
        u64::try_from(left_over).unwrap_or(u64::MAX)
    }

    /// An attempt is settled, or is nobody's here.
    pub(crate) fn unfollow(&mut self, attempt: &Attempt) {
        if self.followed.remove(attempt).is_none() {
            return;
        }
        self.watch.unwatch(attempt);
        for set in [
            &mut self.by_pid,
            &mut self.died,
            &mut self.fresh,
            &mut self.open,
            &mut self.loose,
            &mut self.testified,
            &mut self.untold,
            &mut self.put_off,
        ] {
            set.remove(attempt);
        }
    }

    /// Processes, counted.
    pub(crate) fn tally(&self) -> WatchTally {
        let counts = self.watch.counts();
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        WatchTally {
            watched: count(counts.held.saturating_add(counts.polled)),
            in_turn: count(counts.not_watched()),
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        for attempt in self.followed.keys() {
            self.watch.unwatch(attempt);
        }
    }
}
