//! What may come next: the steps, and the reference state from which they are drawn.

use proptest::{prelude::*, strategy::Union};
use proptest_state_machine::ReferenceStateMachine;
use reaper_core::{Mode, PassKind};

use super::{plots::plots, world::Answer};

/// One step. A number means the one of those that can take the step, counted round: none, and nothing happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Enqueue {
        max_attempts: u32,
    },
    Take,
    Attach(usize),
    Beat(usize),
    End(usize, i32),
    KillMonitor(usize),
    RecordExit(usize),
    Finish(usize),
    GiveUp(usize),
    ForeignTake(usize),
    ForeignInsert,
    StorePid(usize),
    Retake(usize),
    ForeignFinish(usize),
    Replace(usize),
    Spoil(usize),
    Spend(usize),
    SendBack(usize),
    Pass(usize, PassKind),
    Fall(usize),
    /// A slow reaper looks and decides; what it has decided it claims later.
    Decide,
    ClaimLate,
    Deliver,
    /// The next delivery, whoever makes it.
    DeliveryFails,
    /// So many times 70 seconds pass.
    Time(u32),
    Jump(Direction),
    Database(Power),
    RequeueAll,
    RequeueOrphans,
    SetMode(Mode),
    ReleaseBreaker,
    Retry(usize),
    SetGate(Answer),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Back,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    Up,
    Down,
}

/// What the steps alone decide, whatever a store makes of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reference {
    pub(crate) mode: Mode,
    pub(crate) gate: Answer,
    pub(crate) is_down: bool,
    /// How many jobs were enqueued or inserted.
    pub(crate) jobs: usize,
    jumped: bool,
    spoilt: bool,
    decided: bool,
    /// How often a delivery may still be made to fail: a wait that has doubled often is longer than a unit of time.
    failures: u32,
    /// How many jobs and attempts are probably where something can be done with them. What a step can do is drawn more
    /// often then; nothing is concluded from these.
    queued: u32,
    held: u32,
    alive: u32,
    ended: u32,
    recorded: u32,
    foreign: u32,
    stored: u32,
    /// What is still to be played of its plot, the next step last.
    plot: Vec<Step>,
}

impl ReferenceStateMachine for Reference {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        let plots = plots().into_iter().map(|(_, plot)| plot.into_iter().rev().collect());
        let plots: Vec<Vec<Step>> = plots.collect();
        prop::sample::select(plots).prop_map(|plot| Self { plot, ..Self::default() }).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Step> {
        use Step::*;
        let one = || 0_usize..4;
        let code = prop_oneof![2 => Just(0), 1 => Just(1), 1 => Just(137)];
        // What can probably be done is drawn often, and all the rest now and then.
        let likely = |is: bool, weight: u32| if is { weight } else { 1 };
        let work: [(u32, BoxedStrategy<Step>); 9] = [
            (likely(state.queued > 0, 12), Just(Take).boxed()),
            (likely(state.held > 0, 20), one().prop_map(Attach).boxed()),
            (likely(state.alive > 0, 2), one().prop_map(Beat).boxed()),
            (likely(state.alive > 0, 10), (one(), code).prop_map(|(n, code)| End(n, code)).boxed()),
            (likely(state.held + state.alive + state.ended > 0, 3), one().prop_map(KillMonitor).boxed()),
            (likely(state.ended > 0, 14), one().prop_map(RecordExit).boxed()),
            (likely(state.recorded > 0, 5), one().prop_map(Finish).boxed()),
            (1, one().prop_map(GiveUp).boxed()),
            (1, Just(Deliver).boxed()),
        ];
        // What has been decided is to be claimed after something has happened, and before it is settled otherwise.
        let waits = state.decided;
        let slow = if waits { ClaimLate } else { Decide };
        let reaping: [(u32, BoxedStrategy<Step>); 5] = [
            (6, Just(slow).boxed()),
            (if waits { 6 } else { 12 }, (0_usize..2).prop_map(|n| Pass(n, PassKind::Tick)).boxed()),
            (3, (0_usize..2).prop_map(|n| Pass(n, PassKind::Wake)).boxed()),
            (1, (0_usize..2).prop_map(Fall).boxed()),
            (6, prop_oneof![2 => Just(1_u32), 5 => Just(5), 1 => Just(310)].prop_map(Time).boxed()),
        ];
        let others = prop::sample::select(&[Answer::Red, Answer::Undecided, Answer::Panics][..]);
        let gate = prop_oneof![4 => Just(Answer::Green), 3 => others];
        let mode = if state.mode == Mode::Enforce { &Mode::ALL[..] } else { &[Mode::Enforce][..] };
        let others: [(u32, BoxedStrategy<Step>); 13] = [
            (likely(state.queued > 0, 2), one().prop_map(ForeignTake).boxed()),
            (likely(state.foreign > 0, 4), one().prop_map(StorePid).boxed()),
            (1, one().prop_map(Replace).boxed()),
            (likely(state.stored > 0 && waits, 20), one().prop_map(Retake).boxed()),
            (1, one().prop_map(ForeignFinish).boxed()),
            (likely(waits, 4), one().prop_map(Spend).boxed()),
            (if waits { 5 } else { 2 }, one().prop_map(SendBack).boxed()),
            (1, Just(RequeueAll).boxed()),
            (1, Just(RequeueOrphans).boxed()),
            (1, Just(ReleaseBreaker).boxed()),
            (1, one().prop_map(Retry).boxed()),
            (likely(state.mode != Mode::Enforce, 4), prop::sample::select(mode).prop_map(SetMode).boxed()),
            (2, gate.prop_map(SetGate).boxed()),
        ];
        let mut all: Vec<_> = work.into_iter().chain(reaping).chain(others).collect();
        if state.jobs < 3 {
            let enqueue = (1_u32..4).prop_map(|max_attempts| Enqueue { max_attempts });
            all.push((if state.jobs == 0 { 200 } else { 4 }, enqueue.boxed()));
            all.push((2, Just(ForeignInsert).boxed()));
        }
        if !state.jumped {
            all.push((1, prop_oneof![Just(Direction::Forward), Just(Direction::Back)].prop_map(Jump).boxed()));
        }
        if !state.spoilt {
            all.push((1, one().prop_map(Spoil).boxed()));
        }
        if state.failures < 3 {
            all.push((1, Just(DeliveryFails).boxed()));
        }
        let power = if state.is_down { (30, Power::Up) } else { (1, Power::Down) };
        all.push((power.0, Just(Database(power.1)).boxed()));
        let any = Union::new_weighted(all);
        match state.plot.last() {
            Some(next) => prop_oneof![5 => Just(next.clone()), 1 => any].boxed(),
            None => any.boxed(),
        }
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        match step {
            Step::SetMode(mode) if !state.is_down => state.mode = *mode,
            Step::SetGate(answer) => state.gate = *answer,
            Step::Database(power) => state.is_down = *power == Power::Down,
            Step::Enqueue { .. } | Step::ForeignInsert if !state.is_down => state.jobs += 1,
            Step::Jump(_) => state.jumped = true,
            Step::Spoil(_) => state.spoilt = true,
            Step::DeliveryFails => state.failures += 1,
            Step::Decide => state.decided = true,
            Step::ClaimLate => state.decided = false,
            _ => {}
        }
        if state.plot.last() == Some(step) {
            state.plot.pop();
        }
        state.guess(step);
        state
    }

    /// A clock that jumped twice between two looks cannot be told from one that jumped by the sum, and so many jobs are
    /// enough.
    fn preconditions(state: &Self, step: &Step) -> bool {
        match step {
            Step::Jump(_) => !state.jumped,
            Step::DeliveryFails => state.failures < 3,
            Step::Enqueue { .. } | Step::ForeignInsert => state.jobs < 3,
            _ => true,
        }
    }
}

impl Step {
    /// Whether it is no step of anyone who speaks to the database.
    pub(crate) const fn leaves_database(&self) -> bool {
        matches!(
            self,
            Self::End(..)
                | Self::KillMonitor(_)
                | Self::Fall(_)
                | Self::DeliveryFails
                | Self::Database(_)
                | Self::SetGate(_)
        )
    }

    /// Whether others than reapers write to jobs' rows in it.
    pub(crate) const fn writes_rows(&self) -> bool {
        matches!(
            self,
            Self::Enqueue { .. }
                | Self::Take
                | Self::Attach(_)
                | Self::Beat(_)
                | Self::RecordExit(_)
                | Self::ForeignTake(_)
                | Self::ForeignInsert
                | Self::StorePid(_)
                | Self::Retake(_)
                | Self::ForeignFinish(_)
                | Self::Replace(_)
                | Self::Spoil(_)
                | Self::Spend(_)
        )
    }
}

impl Reference {
    fn guess(&mut self, step: &Step) {
        let one_less = |count: &mut u32| *count = count.saturating_sub(1);
        match step {
            Step::Enqueue { .. } => self.queued += 1,
            Step::Take if self.queued > 0 => {
                one_less(&mut self.queued);
                self.held += 1;
            }
            Step::ForeignTake(_) if self.queued > 0 => {
                one_less(&mut self.queued);
                self.foreign += 1;
            }
            Step::Attach(_) if self.held > 0 => {
                one_less(&mut self.held);
                self.alive += 1;
            }
            Step::End(..) if self.alive > 0 => {
                one_less(&mut self.alive);
                self.ended += 1;
            }
            Step::RecordExit(_) if self.ended > 0 => {
                one_less(&mut self.ended);
                self.recorded += 1;
            }
            Step::Finish(_) => one_less(&mut self.recorded),
            Step::StorePid(_) if self.foreign > 0 => {
                one_less(&mut self.foreign);
                self.stored += 1;
            }
            Step::ForeignInsert => {
                self.alive += 1;
                self.stored += 1;
            }
            Step::Retake(_) => one_less(&mut self.stored),
            Step::KillMonitor(_) | Step::RequeueAll | Step::Time(310) => self.queued += 1,
            _ => {}
        }
    }
}
