//! Watching by pidfds, all of them in one epoll.

use std::{
    os::fd::OwnedFd,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reaper_core::{Attempt, Certainty, Finding, Liveness, ProcessIdentity, Sighting};
use rustix::{
    buffer::spare_capacity,
    event::{EventfdFlags, Timespec, epoll, eventfd},
    io::{Errno, read, write},
    process::{PidfdFlags, getpid, pidfd_open},
};

use super::{
    held::{First, Held, Known, News, State},
    look::Leader,
    pidfd::{self, Pidfd, is_absent},
    probe::{Gone, certainty},
    table,
    witness::exit_of,
};
use crate::liveness::{
    LocalProbe, Probe as _,
    watch::{Death, Role, Subject, Unwatched, Watch, WatchCounts, WatchError, Watching, WitnessedExit},
};

/// Watches by pidfds in one epoll: one descriptor for each registration that runs, and two more. Nothing is read of
/// the living, however often somebody waits, and there is no thread.
///
/// Each pidfd is opened first and verified after, by inode or start time, so that what is held is the recorded process
/// or nothing. Of the limit on open files a quarter, at most 256, is left to others; see
/// [`raise_descriptor_limit`](crate::liveness::watch::raise_descriptor_limit).
///
/// However many deaths come at once, the process table is read once for them, to see whether their sessions are over.
#[derive(Debug)]
pub struct PidfdWatch {
    probe: LocalProbe,
    epoll: OwnedFd,
    wake: OwnedFd,
    state: Mutex<State>,
}

impl PidfdWatch {
    /// A watch with nothing registered, that compares by the facts of this probe.
    ///
    /// # Errors
    ///
    /// Where an epoll or an eventfd could not be opened.
    pub fn new(probe: LocalProbe) -> Result<Self, WatchError> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|error| failed("epoll_create1", error))?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| failed("eventfd", error))?;
        epoll::add(&epoll, &wake, epoll::EventData::new_u64(WAKE), epoll::EventFlags::IN)
            .map_err(|error| failed("epoll_ctl", error))?;
        Ok(Self { probe, epoll, wake, state: Mutex::default() })
    }

    /// Whether the kernel has pidfds (Linux 5.3) and lets us have them.
    #[must_use]
    pub fn is_supported() -> bool {
        !matches!(pidfd_open(getpid(), PidfdFlags::empty()), Err(error) if unwatched(error) == Unwatched::NoPidfds)
    }

    /// A thread that panicked has left nothing that was half done: every change of the state is complete by itself.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens and verifies a subject.
    fn open(&self, subject: &Subject) -> First {
        let dead = |certainty, finding| Sighting::new(Liveness::Dead(certainty), finding);
        match subject {
            Subject::Identity(identity) => {
                let certainty = certainty(identity);
                match self.probe.here().open(identity) {
                    Ok(Leader::Runs(pidfd, _)) => First::Runs(pidfd, certainty),
                    Ok(Leader::Gone(finding, pidfd)) => {
                        First::Gone { dead: dead(certainty, finding), leader: table::pid(identity.pid), pidfd }
                    }
                    Ok(Leader::Over(finding)) => {
                        First::Gone { dead: dead(certainty, finding), leader: None, pidfd: None }
                    }
                    Ok(Leader::Unknown(finding)) => First::Not(Unwatched::NotTold(finding)),
                    Err(error) => First::Not(unwatched(error)),
                }
            }
            Subject::Pid(0) => First::Not(Unwatched::NotTold(Finding::NothingRecorded)),
            Subject::Pid(_) if !self.probe.trusts_bare_pids() => {
                First::Not(Unwatched::NotTold(Finding::PidNotTrusted))
            }
            Subject::Pid(number) => {
                let gone = |finding| First::Gone {
                    dead: dead(Certainty::Unverified, finding),
                    leader: None,
                    pidfd: None,
                };
                let Some(pid) = table::pid(*number) else { return gone(Finding::NoSuchProcess) };
                let opened = Pidfd::open(pid).and_then(|pidfd| Ok((pidfd.has_ended()?, pidfd)));
                match opened {
                    Ok((false, pidfd)) => First::Runs(pidfd, Certainty::Unverified),
                    Ok((true, _)) => gone(Finding::Ended),
                    Err(error) if is_absent(error) => gone(Finding::NoSuchProcess),
                    Err(error) => First::Not(unwatched(error)),
                }
            }
        }
    }

    /// Waits once, and takes down who has ended.
    fn collect(&self, limit: Option<Duration>) -> Result<(), WatchError> {
        let mut limit = limit.map(|limit| Timespec::try_from(limit.min(LONGEST)).unwrap_or_default());
        let mut events = Vec::with_capacity(BATCH);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), limit.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(failed("epoll_wait", error)),
            }
            let mut state = self.state();
            for event in &events {
                match event.data.u64() {
                    WAKE => drain(&self.wake),
                    token => state.ended(token, &self.epoll),
                }
            }
            if events.len() < BATCH {
                return Ok(());
            }
            limit = Some(Timespec::default());
        }
    }

    /// What is to be said of those who are gone; the process table is read once for all of them, and for none where the
    /// kernel has forgotten their numbers.
    fn judge(&self, news: &[News]) -> Vec<Sighting> {
        let here = self.probe.here();
        await_reaping(news.iter().filter_map(|news| news.held.as_deref()));
        let mut seen: Vec<Sighting> = news.iter().map(|news| news.dead.clone()).collect();
        let mut put = |place: usize, sighting: Sighting| {
            let first = seen.get_mut(place).filter(|_| !matches!(sighting.liveness, Liveness::Alive(_)));
            if let Some(first) = first {
                *first = sighting;
            }
        };
        let (places, gone): (Vec<usize>, Vec<Gone>) = news
            .iter()
            .enumerate()
            .filter_map(|(place, news)| Some((place, Gone { leader: news.leader?, dead: news.dead.clone() })))
            .unzip();
        let mut doubts = Vec::new();
        for (place, sighting) in places.into_iter().zip(here.with_sessions(gone)) {
            let identity = news.get(place).and_then(|news| news.identity.as_ref());
            if let Some(identity) = identity.filter(|identity| identity.is_full() && !is_dead(&sighting)) {
                doubts.push((place, identity));
            }
            put(place, sighting);
        }
        // Since it ended its number may have been given to a stranger, whose session is not its own. So where
        // something was found, full identities are compared once more.
        let (places, identities): (Vec<usize>, Vec<&ProcessIdentity>) = doubts.into_iter().unzip();
        for (place, sighting) in places.into_iter().zip(self.probe.probe_all(&identities)) {
            put(place, sighting);
        }
        for (news, seen) in news.iter().zip(&mut seen) {
            if let Some(identity) = &news.identity {
                self.probe.with_cgroups(&[identity], std::slice::from_mut(seen));
            }
        }
        seen
    }

    fn witness(&self, held: Option<&Held>) -> Option<WitnessedExit> {
        exit_of(&held?.pidfd, &self.probe.here().table)
    }
}

impl Watch for PidfdWatch {
    fn watch(&self, attempt: &Attempt, role: Role, subject: &Subject) -> Watching {
        let key = (attempt.clone(), role);
        let mut state = self.state();
        if let Some(watching) = state.registered(&key, subject) {
            return watching;
        }
        let first = if state.has_room() { self.open(subject) } else { First::Not(Unwatched::NoRoom) };
        let watching = state.insert(key, subject, first, &self.epoll);
        drop(state);
        if watching == Watching::Gone {
            self.wake();
        }
        watching
    }

    fn unwatch(&self, attempt: &Attempt) {
        let mut state = self.state();
        for role in [Role::Executor, Role::Monitor] {
            state.remove(&(attempt.clone(), role), &self.epoll);
        }
    }

    fn wait(&self, limit: Option<Duration>) -> Result<Vec<Death>, WatchError> {
        let limit = if self.state().has_news() { Some(Duration::ZERO) } else { limit };
        self.collect(limit)?;
        let news = self.state().take_news();
        if news.is_empty() {
            return Ok(Vec::new());
        }
        // Files are read without the lock, so that nobody who registers waits for it. What is unregistered meanwhile
        // is not told.
        let sightings = self.judge(&news);
        let held = |news: &News| news.held.clone().filter(|_| news.key.1 == Role::Executor);
        let exits: Vec<_> = news.iter().map(|news| self.witness(held(news).as_deref())).collect();
        let mut state = self.state();
        let told = news.into_iter().zip(sightings).zip(exits);
        Ok(told.filter_map(|((news, sighting), exit)| state.tell(news, sighting, exit)).collect())
    }

    fn wake(&self) {
        // It fails only where 2^64 - 2 calls have not been noticed yet: then it is awake.
        write(&self.wake, &1_u64.to_ne_bytes()).ok();
    }

    fn sighting(&self, attempt: &Attempt, role: Role) -> Option<Sighting> {
        self.sightings(&[(attempt.clone(), role)]).pop().flatten()
    }

    fn sightings(&self, registered: &[(Attempt, Role)]) -> Vec<Option<Sighting>> {
        let (mut gone, mut places) = (Vec::new(), Vec::new());
        let mut seen = Vec::with_capacity(registered.len());
        let state = self.state();
        for key in registered {
            seen.push(match state.known(key) {
                None => None,
                Some(Known::Said(sighting)) => Some(sighting),
                Some(Known::Gone(news)) => {
                    places.push(seen.len());
                    gone.push(news);
                    None
                }
            });
        }
        drop(state);
        if gone.is_empty() {
            return seen;
        }
        for (place, sighting) in places.into_iter().zip(self.judge(&gone)) {
            if let Some(place) = seen.get_mut(place) {
                *place = Some(sighting);
            }
        }
        seen
    }

    fn exit(&self, attempt: &Attempt, role: Role) -> Option<WitnessedExit> {
        if role == Role::Monitor {
            return None;
        }
        let known = self.state().exit(&(attempt.clone(), role))?;
        known.map_or_else(|held| self.witness(Some(&held)), Some)
    }

    fn counts(&self) -> WatchCounts {
        self.state().counts()
    }
}

/// Waits a moment for the parents of a few ended processes to reap them: then the kernel can say that nothing is left
/// of their sessions, at a hundredth of what the process table costs. Nothing hangs on it.
fn await_reaping<'h>(ended: impl Iterator<Item = &'h Held>) {
    let pidfds: Vec<&Pidfd> = ended.map(|held| &held.pidfd).take(AWAITED).collect();
    for _ in 0..REAPING_LOOKS {
        match pidfd::wait_reaped(&pidfds, REAPING_LOOK) {
            Ok(false) => {}
            Ok(true) | Err(_) => return,
        }
    }
}

const fn is_dead(sighting: &Sighting) -> bool {
    matches!(sighting.liveness, Liveness::Dead(_))
}

/// Why a call that was to hold a process failed, where that says nothing about the process.
pub(super) fn unwatched(error: Errno) -> Unwatched {
    match error {
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOSPC => Unwatched::NoRoom,
        // What a filter on system calls answers, too.
        Errno::NOSYS | Errno::PERM => Unwatched::NoPidfds,
        _ => Unwatched::NotTold(Finding::Unreadable(format!("pidfd_open: {error}"))),
    }
}

fn failed(call: &'static str, error: Errno) -> WatchError {
    WatchError::System { call, why: error.to_string() }
}

/// Empties the eventfd; that it is empty already is no error.
fn drain(wake: &OwnedFd) {
    let mut count = [0_u8; 8];
    read(wake, &mut count).ok();
}

/// What the eventfd is called in the epoll; serials begin at 1.
const WAKE: u64 = 0;
/// So many deaths are taken at once.
const BATCH: usize = 1024;
/// So many ended processes are given a moment to be reaped.
const AWAITED: usize = 64;
/// How long that moment is, in looks: half a millisecond.
const REAPING_LOOKS: usize = 5;
/// How long each of them waits at the longest, where nobody is reaped.
const REAPING_LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000 };
/// The longest single wait; what is longer returns early. Before Linux 5.11 there is a limit of 24 days.
const LONGEST: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn who_has_died_does_not_wake_again_though_its_descriptor_is_kept() {
        let probe = LocalProbe::builder().host("here").build().unwrap();
        let watch = PidfdWatch::new(probe.clone()).unwrap();
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let attempt = Attempt { job: 1.into(), fence: 2.into() };
        let subject = Subject::Identity(probe.identify(child.id()).unwrap());
        assert_eq!(watch.watch(&attempt, Role::Executor, &subject), Watching::Held);
        child.kill().unwrap();
        watch.collect(None).unwrap();
        child.wait().unwrap();

        let news = watch.state().take_news();
        assert!(news[0].held.is_some(), "it may be asked with which code it ended");
        let mut events = Vec::with_capacity(BATCH);
        let more = epoll::wait(&watch.epoll, spare_capacity(&mut events), Some(&Timespec::default()));
        assert_eq!(more, Ok(0));
        watch.unwatch(&attempt);
        assert_eq!(watch.state().take_news().len(), 0);
    }

    #[test]
    fn why_nothing_could_be_held_is_told_apart() {
        for error in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOSPC] {
            assert_eq!(unwatched(error), Unwatched::NoRoom);
        }
        for error in [Errno::NOSYS, Errno::PERM] {
            assert_eq!(unwatched(error), Unwatched::NoPidfds);
        }
        let other = unwatched(Errno::IO);
        assert!(
            matches!(&other, Unwatched::NotTold(Finding::Unreadable(why)) if why.contains("pidfd_open")),
            "{other}"
        );
    }
}
