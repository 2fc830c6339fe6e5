//! Who plays: how often each fault and each deed of others may happen. One state space with all of it would be too
//! large to be explored to its end, so there are several, each with what goes together.

use reaper_core::{Mode, Policy, policy::Limits};
use reaper_tests::fakes::pipeline;

use super::{
    laws::{BOTH, FAILED, LATE, LOST, MOVED, STOPPED, SUPERSEDED},
    mutation::Mutation,
    state::{Answer, Left, Reaper, Stage, State},
    table::HOUR,
};

/// A cast.
#[derive(Clone, Debug)]
pub(crate) struct Cast {
    pub(crate) name: &'static str,
    pub(crate) reapers: u8,
    /// How often each of them ticks, and how often it is woken.
    pub(crate) ticks: u8,
    pub(crate) wakes: u8,
    pub(crate) max_attempts: u8,
    pub(crate) max_rescues: u8,
    /// The ceiling, in hours.
    pub(crate) ceiling: u8,
    /// With which codes executors end.
    pub(crate) codes: &'static [i8],
    /// What gates say.
    pub(crate) answers: &'static [Answer],
    /// The pids that foreign executors get, as far as they are free.
    pub(crate) pids: &'static [u8],
    pub(crate) left: Left,
    /// What its paths come by.
    pub(crate) comes_by: &'static [&'static str],
    /// How many states it has.
    pub(crate) states: usize,
}

/// The protocol, played by a cast, with at most one thing done wrong.
#[derive(Clone, Debug)]
pub(crate) struct Protocol {
    pub(crate) cast: Cast,
    pub(crate) mutation: Option<Mutation>,
    /// What reapers go by.
    pub(crate) reapers: Policy,
    /// What a monitor goes by: it leaves itself no grace.
    pub(crate) monitors: Policy,
}

impl Protocol {
    pub(crate) fn of(cast: Cast, mutation: Option<Mutation>) -> Self {
        let policy = |grace| Policy {
            limits: Limits {
                finalize_grace: HOUR * grace,
                max_running: HOUR * u32::from(cast.ceiling),
                ..Limits::default()
            },
            max_rescues: cast.max_rescues.into(),
            pipeline: pipeline(),
            ..Policy::default()
        };
        let mut reapers = policy(u32::from(mutation != Some(Mutation::NoGrace)));
        if mutation == Some(Mutation::NoRescueCap) {
            reapers.max_rescues = u32::MAX;
        }
        if mutation == Some(Mutation::StopOnce) {
            reapers.terminate_grace = HOUR * 1000;
        }
        Self { monitors: policy(0), reapers, cast, mutation }
    }

    pub(crate) fn begin(&self) -> State {
        let mut state = State {
            now: 0,
            mode: Mode::Enforce,
            rows: Vec::new(),
            runs: Vec::new(),
            place: (Stage::Architecture, 1),
            outbox: Vec::new(),
            noted: Vec::new(),
            events: 0,
            processes: Vec::new(),
            reapers: vec![Reaper::default(); self.cast.reapers.into()],
            fences: 0,
            attempts: 0,
            versions: 1,
            fates: Vec::new(),
            won: Vec::new(),
            moved: Vec::new(),
            changes: 0,
            seldom: super::state::Seldom::default(),
            broken: None,
            left: self.cast.left,
        };
        let row = self.insert(&mut state);
        state.rows.push(row);
        state
    }
}

const GREEN: &[Answer] = &[Answer::Green];
const ANY: &[Answer] = &[Answer::Green, Answer::Red, Answer::Undecided];

/// A cast with nobody in it: one reaper that ticks three times, an own worker that takes once, exits 0, green gates.
const NOBODY: Cast = Cast {
    name: "",
    reapers: 1,
    ticks: 3,
    wakes: 0,
    max_attempts: 2,
    max_rescues: 5,
    ceiling: 6,
    codes: &[0],
    answers: GREEN,
    pids: &[],
    left: Left {
        takes: 1,
        foreign_takes: 0,
        reforks: 0,
        crashes: 0,
        kills: 0,
        requeues: 0,
        moves: 0,
        reuses: 0,
        switches: 0,
        hours: 1,
    },
    comes_by: &[MOVED],
    states: 0,
};

/// Every cast.
pub(crate) fn casts() -> Vec<Cast> {
    vec![
        Cast {
            name: "crashes",
            reapers: 2,
            ticks: 2,
            left: Left { crashes: 1, kills: 1, ..NOBODY.left },
            comes_by: &[LOST, MOVED],
            states: 22_308,
            ..NOBODY
        },
        Cast {
            name: "attempts",
            codes: &[0, 1],
            answers: ANY,
            left: Left { takes: 2, kills: 1, ..NOBODY.left },
            comes_by: &[LOST, MOVED, FAILED],
            states: 28_900,
            ..NOBODY
        },
        Cast {
            name: "late",
            answers: ANY,
            left: Left { takes: 2, requeues: 1, crashes: 1, ..NOBODY.left },
            comes_by: &[LOST, LATE, MOVED],
            states: 108_872,
            ..NOBODY
        },
        Cast {
            name: "foreign",
            reapers: 2,
            ticks: 2,
            wakes: 1,
            pids: &[7, 8],
            left: Left { takes: 0, foreign_takes: 2, reforks: 1, reuses: 1, hours: 0, ..NOBODY.left },
            comes_by: &[LOST],
            states: 144_132,
            ..NOBODY
        },
        Cast {
            name: "sent_back",
            reapers: 2,
            ticks: 2,
            left: Left { moves: 2, crashes: 1, kills: 1, ..NOBODY.left },
            comes_by: &[LOST, MOVED, SUPERSEDED],
            states: 156_743,
            ..NOBODY
        },
        Cast {
            name: "stages",
            left: Left { takes: 2, kills: 1, crashes: 1, ..NOBODY.left },
            comes_by: &[MOVED, BOTH],
            states: 22_928,
            ..NOBODY
        },
        Cast {
            name: "overrun",
            reapers: 2,
            ticks: 2,
            ceiling: 1,
            codes: &[1],
            left: Left { crashes: 1, hours: 2, ..NOBODY.left },
            comes_by: &[LOST, STOPPED],
            states: 52_883,
            ..NOBODY
        },
        Cast {
            name: "caps",
            ticks: 4,
            codes: &[1],
            max_attempts: 3,
            max_rescues: 1,
            left: Left { takes: 2, kills: 2, hours: 2, ..NOBODY.left },
            comes_by: &[LOST, FAILED],
            states: 19_929,
            ..NOBODY
        },
        Cast {
            name: "modes",
            codes: &[0, 1],
            left: Left { switches: 2, kills: 1, ..NOBODY.left },
            comes_by: &[MOVED],
            states: 4_377,
            ..NOBODY
        },
    ]
}
