//! What is registered with a watch, and what is known of it.

use std::{collections::BTreeMap, os::fd::OwnedFd, sync::Arc};

use reaper_core::{Attempt, Certainty, Finding, Liveness, ProcessIdentity, Sighting};
use rustix::{event::epoll, process::Pid};

use super::pidfd::Pidfd;
use crate::liveness::watch::{Death, Role, Subject, Unwatched, WatchCounts, Watching, WitnessedExit, room};

/// One registration.
pub(super) type Key = (Attempt, Role);

/// What a subject was at first sight.
#[derive(Debug)]
pub(super) enum First {
    /// It runs, and this is its descriptor.
    Runs(Pidfd, Certainty),
    /// It is gone.
    Gone {
        /// The answer, unless something of its session is left.
        dead: Sighting,
        /// Its number, where its session has to be looked for.
        leader: Option<Pid>,
        /// Its descriptor, where it is proved to be its own.
        pidfd: Option<Pidfd>,
    },
    /// It cannot be watched.
    Not(Unwatched),
}

/// A death that has not been judged yet.
#[derive(Clone, Debug)]
pub(super) struct News {
    pub(super) key: Key,
    serial: u64,
    /// As in [`First::Gone`].
    pub(super) dead: Sighting,
    /// As in [`First::Gone`].
    pub(super) leader: Option<Pid>,
    /// The recorded identity.
    pub(super) identity: Option<ProcessIdentity>,
    /// Where its exit may be asked for.
    pub(super) held: Option<Arc<Held>>,
}

/// A descriptor that counts.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) pidfd: Pidfd,
    /// One of those that [`State::descriptors`] counts.
    _counted: Arc<()>,
}

/// All registrations.
#[derive(Debug, Default)]
pub(super) struct State {
    entries: BTreeMap<Key, Entry>,
    /// Whose events the epoll reports under a serial: those that are held.
    by_serial: BTreeMap<u64, Key>,
    last_serial: u64,
    /// Deaths that nobody was told of yet.
    news: Vec<(Key, u64)>,
    counted: Arc<()>,
}

#[derive(Debug)]
struct Entry {
    subject: Subject,
    /// Of this registration, and of no other.
    serial: u64,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Runs(Arc<Held>, Certainty),
    Gone(Departed),
    Not(Unwatched),
}

#[derive(Debug)]
struct Departed {
    dead: Sighting,
    leader: Option<Pid>,
    held: Option<Arc<Held>>,
    told: Option<(Sighting, Option<WitnessedExit>)>,
}

/// What is known of a registration without looking at a session.
#[derive(Debug)]
pub(super) enum Known {
    /// It can be said.
    Said(Sighting),
    /// It is gone; what is left of it has to be looked for.
    Gone(News),
}

impl State {
    /// How a subject is registered already; `None` where it has to be tried.
    pub(super) fn registered(&self, key: &Key, subject: &Subject) -> Option<Watching> {
        let entry = self.entries.get(key).filter(|entry| entry.subject == *subject)?;
        match entry.place {
            Place::Runs(..) => Some(Watching::Held),
            Place::Gone(_) => Some(Watching::Gone),
            Place::Not(_) => None,
        }
    }

    /// Whether another descriptor may be held.
    pub(super) fn has_room(&self) -> bool {
        self.descriptors() < room()
    }

    fn descriptors(&self) -> usize {
        Arc::strong_count(&self.counted).saturating_sub(1)
    }

    /// Registers what was seen of a subject, in place of what was registered.
    pub(super) fn insert(&mut self, key: Key, subject: &Subject, first: First, epoll: &OwnedFd) -> Watching {
        self.remove(&key, epoll);
        self.last_serial = self.last_serial.saturating_add(1);
        let serial = self.last_serial;
        let (place, watching) = match first {
            First::Runs(pidfd, certainty) => {
                let data = epoll::EventData::new_u64(serial);
                match epoll::add(epoll, pidfd.file(), data, epoll::EventFlags::IN) {
                    Ok(()) => {
                        self.by_serial.insert(serial, key.clone());
                        (Place::Runs(self.hold(pidfd), certainty), Watching::Held)
                    }
                    Err(error) => {
                        let why = super::watch::unwatched(error);
                        (Place::Not(why.clone()), Watching::NotWatched(why))
                    }
                }
            }
            First::Gone { dead, leader, pidfd } => {
                let held = pidfd.map(|pidfd| self.hold(pidfd));
                self.news.push((key.clone(), serial));
                (Place::Gone(Departed { dead, leader, held, told: None }), Watching::Gone)
            }
            First::Not(why) => (Place::Not(why.clone()), Watching::NotWatched(why)),
        };
        self.entries.insert(key, Entry { subject: subject.clone(), serial, place });
        watching
    }

    fn hold(&self, pidfd: Pidfd) -> Arc<Held> {
        Arc::new(Held { pidfd, _counted: Arc::clone(&self.counted) })
    }

    /// Drops a registration.
    pub(super) fn remove(&mut self, key: &Key, epoll: &OwnedFd) {
        let Some(entry) = self.entries.remove(key) else { return };
        self.by_serial.remove(&entry.serial);
        if let Place::Runs(held, _) = &entry.place {
            unhook(held, epoll);
        }
    }

    /// The process behind a serial has ended.
    pub(super) fn ended(&mut self, serial: u64, epoll: &OwnedFd) {
        let Some(key) = self.by_serial.remove(&serial) else { return };
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if let Place::Runs(held, certainty) = &entry.place {
            unhook(held, epoll);
            // Of a bare pid it may be a stranger's, whose exit is nobody's business here.
            let held = (*certainty == Certainty::Verified).then(|| Arc::clone(held));
            let (dead, leader) = end_of(&entry.subject, *certainty);
            entry.place = Place::Gone(Departed { dead, leader, held, told: None });
            self.news.push((key, serial));
        }
    }

    /// Whether a death waits to be told.
    pub(super) const fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// Those that nobody was told of yet; they are no news any more.
    pub(super) fn take_news(&mut self) -> Vec<News> {
        let news = std::mem::take(&mut self.news);
        news.into_iter()
            .filter_map(|(key, serial)| {
                let entry = self.entries.get(&key).filter(|entry| entry.serial == serial)?;
                let Place::Gone(departed) = &entry.place else { return None };
                Some(news_of(&key, entry, departed))
            })
            .collect()
    }

    /// Takes down what is said of a death. `None` where its registration does not stand any more.
    pub(super) fn tell(&mut self, news: News, sighting: Sighting, exit: Option<WitnessedExit>) -> Option<Death> {
        let entry = self.entries.get_mut(&news.key).filter(|entry| entry.serial == news.serial)?;
        let Place::Gone(departed) = &mut entry.place else { return None };
        departed.told = Some((sighting.clone(), exit));
        // Nobody asks with which code a monitor ended.
        if exit.is_some() || news.key.1 == Role::Monitor {
            departed.held = None;
        }
        let (attempt, role) = news.key;
        Some(Death { attempt, role, sighting, exit })
    }

    /// What is known of a registration.
    pub(super) fn known(&self, key: &Key) -> Option<Known> {
        let entry = self.entries.get(key)?;
        match &entry.place {
            Place::Not(_) => None,
            Place::Gone(Departed { told: Some((said, _)), .. }) if matches!(said.liveness, Liveness::Dead(_)) => {
                Some(Known::Said(said.clone()))
            }
            Place::Gone(departed) => Some(Known::Gone(news_of(key, entry, departed))),
            Place::Runs(held, certainty) => Some(match held.pidfd.has_ended() {
                Ok(false) => Known::Said(Sighting::new(
                    Liveness::Alive(*certainty),
                    match certainty {
                        Certainty::Verified => Finding::Running,
                        Certainty::Unverified => Finding::PidHeld,
                    },
                )),
                Ok(true) => {
                    let (dead, leader) = end_of(&entry.subject, *certainty);
                    Known::Gone(news_of(key, entry, &Departed { dead, leader, held: None, told: None }))
                }
                Err(error) => {
                    Known::Said(Sighting::new(Liveness::Unknown, Finding::Unreadable(format!("poll: {error}"))))
                }
            }),
        }
    }

    /// The exit that was told, or the descriptor by which it can be asked for.
    pub(super) fn exit(&self, key: &Key) -> Option<Result<WitnessedExit, Arc<Held>>> {
        let entry = self.entries.get(key)?;
        let departed = match &entry.place {
            Place::Gone(departed) => departed,
            // It has ended, and nobody was told yet.
            Place::Runs(held, Certainty::Verified) if held.pidfd.has_ended() == Ok(true) => {
                return Some(Err(Arc::clone(held)));
            }
            Place::Runs(..) | Place::Not(_) => return None,
        };
        match (&departed.told, &departed.held) {
            (Some((_, Some(exit))), _) => Some(Ok(*exit)),
            (_, Some(held)) => Some(Err(Arc::clone(held))),
            (_, None) => None,
        }
    }

    /// What is registered, counted.
    pub(super) fn counts(&self) -> WatchCounts {
        let mut counts = WatchCounts::default();
        for entry in self.entries.values() {
            match &entry.place {
                Place::Runs(..) => counts.held = counts.held.saturating_add(1),
                Place::Gone(_) => counts.gone = counts.gone.saturating_add(1),
                Place::Not(why) => counts.add_unwatched(why),
            }
        }
        counts
    }
}

/// What is to be said of a process that was held and has ended, and by which number its session is looked for. Of a
/// bare pid none is: it was recorded for nothing more than the process itself.
fn end_of(subject: &Subject, certainty: Certainty) -> (Sighting, Option<Pid>) {
    let finding = match certainty {
        Certainty::Verified => Finding::Ended,
        Certainty::Unverified => Finding::PidEnded,
    };
    let leader = match subject {
        Subject::Identity(identity) => super::table::pid(identity.pid),
        Subject::Pid(_) => None,
    };
    (Sighting::new(Liveness::Dead(certainty), finding), leader)
}

fn news_of(key: &Key, entry: &Entry, departed: &Departed) -> News {
    // Also where its number is another's by now: then no session is looked for, and its cgroup still is its own.
    let identity = match &entry.subject {
        Subject::Identity(identity) => Some(identity.clone()),
        Subject::Pid(_) => None,
    };
    News {
        key: key.clone(),
        serial: entry.serial,
        dead: departed.dead.clone(),
        leader: departed.leader,
        identity,
        held: departed.held.clone(),
    }
}

/// Takes a descriptor out of the epoll. Closing it would not be enough while a child that is being started still has a
/// copy.
fn unhook(held: &Held, epoll: &OwnedFd) {
    // It can only fail where it was not in there.
    epoll::delete(epoll, held.pidfd.file()).ok();
}
