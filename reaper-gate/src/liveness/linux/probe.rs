//! The answers about recorded processes: the leader's, and what its session adds to it.

use std::os::unix::net::UnixDatagram;

use reaper_core::{Certainty, Finding, Liveness, ProcessIdentity, Sighting};
use rustix::process::Pid;

use super::{
    here::Here,
    info::is_in_use,
    look::{Leader, Matched},
    session::Remains,
    table,
};

/// A leader that is gone: the answer, unless something of its session is left.
#[derive(Clone, Debug)]
pub(super) struct Gone {
    /// Its number, by which what is left of it is found.
    pub(super) leader: Pid,
    /// The answer where nothing is left.
    pub(super) dead: Sighting,
}

impl Here {
    /// Whether the identity's process is alive, with its session.
    pub(in super::super) fn probe(&self, identity: &ProcessIdentity) -> Sighting {
        self.probe_all(&[identity]).pop().unwrap_or(Sighting::NOTHING_RECORDED)
    }

    /// Whether each identity's process is alive, with its session; in order. However many are gone, the process
    /// table is read once for all of them.
    pub(in super::super) fn probe_all(&self, identities: &[&ProcessIdentity]) -> Vec<Sighting> {
        let (mut gone, mut places) = (Vec::new(), Vec::new());
        let mut seen: Vec<Sighting> = Vec::with_capacity(identities.len());
        for identity in identities {
            seen.push(match first_answer(identity, self.look(identity)) {
                Ok(sighting) => sighting,
                Err(dead) => {
                    places.push(seen.len());
                    let sighting = dead.dead.clone();
                    gone.push(dead);
                    sighting
                }
            });
        }
        for (place, sighting) in places.into_iter().zip(self.with_sessions(gone)) {
            if let Some(first) = seen.get_mut(place) {
                *first = sighting;
            }
        }
        seen
    }

    /// Those who are gone: dead only if their sessions are. The kernel is asked first; for those whose numbers are still
    /// in use the process table is read, once for all of them.
    pub(super) fn with_sessions(&self, gone: Vec<Gone>) -> Vec<Sighting> {
        let leaders = self.in_use(gone.iter().map(|gone| gone.leader));
        let remains = Remains::of_each(&leaders, &self.table);
        gone.into_iter()
            .map(|Gone { leader, dead }| match remains.get(&leader.as_raw_pid()) {
                Some(left) if left.living > 0 => {
                    Sighting::new(Liveness::Leftovers, Finding::SessionLives(left.living))
                }
                Some(Remains { hidden: Some(why), .. }) => {
                    let why = format!("it is gone, its session not seen: {why}");
                    Sighting::new(Liveness::Unknown, Finding::Unreadable(why))
                }
                Some(_) | None => dead,
            })
            .collect()
    }

    /// Those of these numbers that anything goes by, or may.
    pub(super) fn in_use(&self, numbers: impl Iterator<Item = Pid>) -> Vec<Pid> {
        let socket = if self.numbers_tell { UnixDatagram::unbound().ok() } else { None };
        let is_free = |number| socket.as_ref().is_some_and(|socket| is_in_use(socket, number) == Ok(false));
        numbers.filter(|number| !is_free(*number)).collect()
    }
}

/// What the leader alone says. `Err` where it is gone, so that its session has to be looked for.
fn first_answer(identity: &ProcessIdentity, leader: Leader) -> Result<Sighting, Gone> {
    let dead = |finding| Sighting::new(Liveness::Dead(certainty(identity)), finding);
    Ok(match leader {
        Leader::Runs(_, Matched::Whole | Matched::InPart) => {
            Sighting::new(Liveness::Alive(Certainty::Verified), Finding::Running)
        }
        Leader::Runs(_, Matched::PidOnly) => {
            Sighting::new(Liveness::Alive(Certainty::Unverified), Finding::PidExists)
        }
        Leader::Over(finding) => dead(finding),
        Leader::Gone(finding, _) => match table::pid(identity.pid) {
            Some(leader) => return Err(Gone { leader, dead: dead(finding) }),
            None => dead(finding),
        },
        Leader::Unknown(finding) => Sighting::new(Liveness::Unknown, finding),
    })
}

/// How certain a death of this process is.
pub(super) const fn certainty(identity: &ProcessIdentity) -> Certainty {
    if identity.is_full() { Certainty::Verified } else { Certainty::Unverified }
}
