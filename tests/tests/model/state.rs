//! A state of the model: what is stored, which processes live, what each reaper holds in its head, and what really
//! happened, which none of them sees.

use reaper_core::{Mode, Observations, Status, job::Attach};

/// A stage of the pipeline that the model's policy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    Architecture,
    Development,
    Testing,
}

impl Stage {
    pub(crate) const ALL: [Self; 3] = [Self::Architecture, Self::Development, Self::Testing];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Architecture => "architecture",
            Self::Development => "development",
            Self::Testing => "testing",
        }
    }

    pub(crate) fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|stage| stage.name() == name).unwrap()
    }
}

/// What a gate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Green,
    Red,
    Undecided,
}

/// A row of the jobs table. The job's id is its place in the table, so that a row that is deleted and inserted anew
/// has the id of the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) fence: u8,
    /// Which attempt it really is. Nothing in the protocol sees it.
    pub(crate) truly: u8,
    pub(crate) status: Status,
    pub(crate) attempts: u8,
    pub(crate) rescues: u8,
    pub(crate) run: Option<u8>,
    pub(crate) run_inherited: bool,
    pub(crate) pid: Option<u8>,
    pub(crate) pid_inherited: bool,
    pub(crate) started: u8,
    /// The mirrored exit: code and instant.
    pub(crate) exit: Option<(i8, u8)>,
    pub(crate) attach: Attach,
    /// Of which process the identities are.
    pub(crate) executor: Option<u8>,
    pub(crate) monitor: Option<u8>,
    pub(crate) terminating: Option<u8>,
}

impl Row {
    pub(crate) const fn queued(fence: u8, truly: u8) -> Self {
        Self {
            fence,
            truly,
            status: Status::Queued,
            attempts: 0,
            rescues: 0,
            run: None,
            run_inherited: false,
            pid: None,
            pid_inherited: false,
            started: 0,
            exit: None,
            attach: Attach::NotSaid,
            executor: None,
            monitor: None,
            terminating: None,
        }
    }
}

/// What became of an executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Executor {
    /// It waits to be let go.
    Held,
    Alive,
    Ended(i8),
}

/// How far a monitor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Monitor {
    /// It prepares the executor, or waits for it.
    Waits,
    /// It has recorded the exit.
    Recorded,
    /// It has finished, or has seen that the attempt is not its own any more.
    Stopped,
    /// It was killed.
    Killed,
}

/// An attempt's processes: the executor, and the monitor that launched it and waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) job: u8,
    pub(crate) fence: u8,
    pub(crate) truly: u8,
    /// `None`: a foreign program's, which keeps no run.
    pub(crate) run: Option<u8>,
    pub(crate) pid: u8,
    /// The reapers that have ticked since its pid became another one than its row says, a bit each.
    pub(crate) astray: Option<u8>,
    pub(crate) executor: Executor,
    pub(crate) monitor: Monitor,
    /// What its monitor has decided to do, and has not done yet.
    pub(crate) plan: Option<Plan>,
}

/// A decision that is on its way to its claim: the row and the task's place as they were read, and what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Plan {
    pub(crate) job: u8,
    pub(crate) row: Row,
    pub(crate) place: (Stage, u8),
    pub(crate) seen: Seen,
    pub(crate) at: u8,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Seen {
    pub(crate) executor: reaper_core::Liveness,
    pub(crate) monitor: reaper_core::Liveness,
    pub(crate) dead_ticks: u32,
    pub(crate) verdict: Option<Answer>,
    /// What the gate has really said.
    pub(crate) said: Option<Answer>,
}

/// A reaper.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Reaper {
    /// The production's streaks.
    pub(crate) streaks: Observations,
    pub(crate) ticks: u8,
    pub(crate) wakes: u8,
    pub(crate) plan: Option<Plan>,
    /// Whose executor it has won the right to stop.
    pub(crate) signal: Option<u8>,
    /// Which effect it has carried out and not yet marked.
    pub(crate) carried: Option<u8>,
    /// An effect that is nowhere but in its head, which only a mutation has.
    pub(crate) held: Option<Order>,
    /// An event that is nowhere but in its head, which only a mutation has.
    pub(crate) event: bool,
}

/// An advance in the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    pub(crate) truly: u8,
    pub(crate) from: Stage,
    pub(crate) version: u8,
    pub(crate) to: Stage,
    pub(crate) delivered: bool,
}

/// What really happened to an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Fate {
    /// How often it was brought to `queued`, `done` or `failed`; a late finish not counted.
    pub(crate) settled: u8,
    pub(crate) late: u8,
    /// Whether its stop was announced.
    pub(crate) announced: bool,
}

/// What the paths of a model are to come by, so that it is seen to be no empty one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Seldom {
    pub(crate) lost: bool,
    pub(crate) late_finish: bool,
    pub(crate) superseded: bool,
    pub(crate) stopped: bool,
}

/// An invariant that a step broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Broken {
    I1,
    I2,
    I3,
    I4,
    I5,
    I6,
    I8,
    I10,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) now: u8,
    pub(crate) mode: Mode,
    pub(crate) rows: Vec<Row>,
    /// The exits in `agent_runs`; a run's id is its place.
    pub(crate) runs: Vec<Option<i8>>,
    /// The task's stage, and the version of its visit.
    pub(crate) place: (Stage, u8),
    pub(crate) outbox: Vec<Order>,
    /// The visits that orders were carried out for: the keys of `reaper_advances`.
    pub(crate) noted: Vec<u8>,
    pub(crate) events: u8,
    pub(crate) processes: Vec<Process>,
    pub(crate) reapers: Vec<Reaper>,
    /// How many fences, attempts and versions were drawn.
    pub(crate) fences: u8,
    pub(crate) attempts: u8,
    pub(crate) versions: u8,
    /// By attempt.
    pub(crate) fates: Vec<Fate>,
    /// The advances that claims have won, by visit, and the visits that orders have ended.
    pub(crate) won: Vec<u8>,
    pub(crate) moved: Vec<u8>,
    /// How often a claim has changed a row.
    pub(crate) changes: u8,
    pub(crate) seldom: Seldom,
    pub(crate) broken: Option<Broken>,
    /// What is left of the cast's faults and of other people's deeds.
    pub(crate) left: Left,
}

/// How often each of these may still happen. All are bounded, so that every path ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    pub(crate) takes: u8,
    pub(crate) foreign_takes: u8,
    pub(crate) reforks: u8,
    pub(crate) crashes: u8,
    pub(crate) kills: u8,
    pub(crate) requeues: u8,
    pub(crate) moves: u8,
    pub(crate) reuses: u8,
    pub(crate) switches: u8,
    pub(crate) hours: u8,
}

impl State {
    pub(crate) fn breaks(&mut self, law: Broken) {
        self.broken.get_or_insert(law);
    }

    /// The processes of an attempt.
    pub(crate) fn process_of(&self, truly: u8) -> Option<&Process> {
        self.processes.iter().find(|process| process.truly == truly)
    }

    pub(crate) fn executor_lives(&self, truly: u8) -> bool {
        self.process_of(truly).is_some_and(|process| process.executor == Executor::Alive)
    }

    pub(crate) fn monitor_lives(&self, truly: u8) -> bool {
        self.process_of(truly).is_some_and(|process| process.monitor != Monitor::Killed)
    }
}
