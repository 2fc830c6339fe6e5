//! The invariants as properties of a state, and a run from any state to the end.

use reaper_core::{Mode, PassKind, Status};
use stateright::Property;

use super::{
    cast::Protocol,
    state::{Answer, Broken, Row, State},
};

pub(crate) const I1: &str = "I1 what lives is not claimed";
pub(crate) const I2: &str = "I2 a young exit is its monitor's";
pub(crate) const I3: &str = "I3 one settlement an attempt";
pub(crate) const I4: &str = "I4 a claim changes no other attempt";
pub(crate) const I5: &str = "I5 no effect without a claim, and none twice";
pub(crate) const I5_KEPT: &str = "I5 no advance is lost";
pub(crate) const I6: &str = "I6 only green advances";
pub(crate) const I7: &str = "I7 every orphan is settled";
pub(crate) const I7_SEEN: &str = "I7 a death that can be seen is settled at once";
pub(crate) const I8: &str = "I8 the caps hold";
pub(crate) const I10: &str = "I10 off and report change nothing";
pub(crate) const I12: &str = "I12 each change has its event";

/// What the paths of a cast come by. A model in which nothing of it happens proves nothing.
pub(crate) const LOST: &str = "a claim is lost";
pub(crate) const LATE: &str = "a late finish is settled";
pub(crate) const SUPERSEDED: &str = "an advance is superseded";
pub(crate) const STOPPED: &str = "an executor is stopped";
pub(crate) const MOVED: &str = "a task moves on";
pub(crate) const FAILED: &str = "a job fails";
pub(crate) const BOTH: &str = "two stages are left";

macro_rules! unbroken {
    ($name:expr, $law:ident) => {
        Property::always($name, |_: &Protocol, state: &State| state.broken != Some(Broken::$law))
    };
}

/// The invariants that are properties of a state, and what this cast's paths come by. Of a mutation, the one that it
/// breaks.
pub(crate) fn properties(protocol: &Protocol) -> Vec<Property<Protocol>> {
    let mut all = vec![
        unbroken!(I1, I1),
        unbroken!(I2, I2),
        unbroken!(I3, I3),
        unbroken!(I4, I4),
        unbroken!(I5, I5),
        Property::always(I5_KEPT, |_, state| no_advance_is_lost(state)),
        unbroken!(I6, I6),
        Property::always(I7, comes_to_an_end),
        Property::always(I7_SEEN, the_dead_are_seen),
        unbroken!(I8, I8),
        unbroken!(I10, I10),
        Property::always(I12, |_: &Protocol, state: &State| state.changes == state.events),
    ];
    if let Some(mutation) = protocol.mutation {
        all.retain(|property| property.name == mutation.breaks());
        return all;
    }
    let seldom: [Property<Protocol>; 7] = [
        Property::sometimes(LOST, |_: &Protocol, state: &State| state.seldom.lost),
        Property::sometimes(LATE, |_: &Protocol, state: &State| state.seldom.late_finish),
        Property::sometimes(SUPERSEDED, |_: &Protocol, state: &State| state.seldom.superseded),
        Property::sometimes(STOPPED, |_: &Protocol, state: &State| state.seldom.stopped),
        Property::sometimes(MOVED, |_: &Protocol, state: &State| !state.moved.is_empty()),
        Property::sometimes(FAILED, |_: &Protocol, state: &State| {
            state.rows.iter().any(|row| row.status == Status::Failed)
        }),
        Property::sometimes(BOTH, |_: &Protocol, state: &State| state.moved.len() > 1),
    ];
    all.extend(seldom.into_iter().filter(|property| protocol.cast.comes_by.contains(&property.name)));
    all
}

/// Each advance that a claim has won took effect, or was superseded, or is still to be delivered.
fn no_advance_is_lost(state: &State) -> bool {
    state.won.iter().all(|version| {
        let held = state.reapers.iter().filter_map(|reaper| reaper.held.as_ref());
        state.outbox.iter().chain(held).any(|order| order.version == *version) || state.moved.contains(version)
    })
}

/// From here, one reaper that remembers nothing settles everything by itself within so many hours, whatever the
/// monitors do, once nothing else happens: every orphan is in the end settled, every late finish taken up, every
/// effect delivered. A job that only a person can settle may be left, and that job alone.
fn comes_to_an_end(protocol: &Protocol, state: &State) -> bool {
    if state.broken.is_some() || is_settled(state, &[]) {
        return true;
    }
    let mut state = state.clone();
    state.mode = Mode::Enforce;
    state.reapers.truncate(1);
    protocol.fall(&mut state, 0);
    for _ in 0..HOURS {
        state.now += 1;
        let for_a_person = protocol.pass(&mut state, 0, PassKind::Tick, Answer::Green);
        if is_settled(&state, &for_a_person) {
            return true;
        }
    }
    false
}

/// So many passes, an hour apart, are enough from everywhere.
const HOURS: u8 = 12;

fn is_settled(state: &State, for_a_person: &[u8]) -> bool {
    let rows = (0_u8..).zip(&state.rows).filter(|(job, _)| !for_a_person.contains(job));
    let mut settled = rows.map(|(_, row)| match row.status {
        Status::Running => false,
        Status::Queued => row.exit.is_none_or(|(code, _)| code != 0),
        Status::Done | Status::Failed => true,
    });
    settled.all(|is| is) && state.outbox.iter().all(|order| order.delivered)
}

/// From here, if everybody dies now, one reaper that remembers nothing settles each attempt whose death it can see,
/// while no time passes: neither a grace nor a ceiling comes to its help. A model's pass makes one claim, so there are as
/// many ticks as there are jobs; where all that is known is a bare pid, one more has to see it dead.
fn the_dead_are_seen(protocol: &Protocol, state: &State) -> bool {
    let shows_death = |row: &&Row| row.status == Status::Running && (is_named(row) || has_own_pid(row));
    if state.broken.is_some() || !state.rows.iter().any(|row| shows_death(&row)) {
        return true;
    }
    let mut state = state.clone();
    state.mode = Mode::Enforce;
    protocol.end_all(&mut state);
    let bare = state.rows.iter().any(|row| shows_death(&row) && !is_named(row));
    let mut for_a_person = Vec::new();
    for _ in 0..state.rows.len() + usize::from(bare) {
        for_a_person = protocol.pass(&mut state, 0, PassKind::Tick, Answer::Green);
    }
    let left = (0_u8..).zip(&state.rows).filter(|(_, row)| shows_death(row));
    left.map(|(job, _)| job).all(|job| for_a_person.contains(&job))
}

/// Whether the identity of any of its processes is recorded. A monitor's is until its executor's is, and says enough
/// alone: what was not let go then never will be.
const fn is_named(row: &Row) -> bool {
    row.executor.is_some() || row.monitor.is_some()
}

const fn has_own_pid(row: &Row) -> bool {
    row.pid.is_some() && !row.pid_inherited
}
