//! The table of rules as one match.

use super::{
    Age::{LongOver, NeverStarted, Over, Within},
    Executor::{Alive, Dead, Elsewhere, Gone, Left, NotLetGo, Proved, Unknown},
    ExitFact::{Bad, Fresh, No, Zero},
    Facts,
    Monitor::{self, NotGone},
    Reason, Rule,
    State::{Queued, Running, Settled},
    Streak::{Long, Short},
};

/// What a rule wants, before the gate, the caps, the exit policy and the choice for overruns are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// Nothing, for this reason.
    Keep(Reason),
    /// The work is done: leave the stage.
    Leave,
    /// Another attempt, for this reason, or failure where there can be none.
    Retry(Reason),
    /// A process stands in the way of another attempt, for this reason.
    Stop(Reason),
}

impl Facts {
    /// The first rule that holds, and its course.
    #[must_use]
    #[rustfmt::skip]
    pub const fn course(&self) -> (Rule, Course) {
        use Course::{Keep, Leave, Retry, Stop};
        let Self { state, exit, age, monitor, executor } = *self;
        match (state, exit, age, monitor, executor) {
            (Queued, Fresh, ..)  => (Rule::Finalizing, Keep(Reason::Finalizing)),
            (Queued, Zero, ..)   => (Rule::NotRunning, Leave),
            (Queued, No | Bad, ..) | (Settled, ..) => (Rule::NotRunning, Keep(Reason::NotRunning)),

            (Running, Fresh, ..) => (Rule::Finalizing, Keep(Reason::Finalizing)),
            (Running, Zero, ..)  => (Rule::ExitZero, Leave),
            (Running, Bad, ..)   => (Rule::ExitNonzero, Retry(Reason::ExitNonzero)),

            (Running, No, Over, _, Elsewhere)                => (Rule::Ceiling, Keep(Reason::OverCeilingElsewhere)),
            (Running, No, Over | LongOver, _, Proved | Left) => (Rule::Ceiling, Stop(Reason::OverCeiling)),
            (Running, No, Over | LongOver, ..)               => (Rule::Ceiling, Retry(Reason::OverCeiling)),

            (Running, No, _, Monitor::Gone, Gone(_) | NotLetGo) => (Rule::NobodyLeft, Retry(Reason::NobodyLeft)),
            (Running, No, _, Monitor::Gone, Left)               => (Rule::NobodyLeft, Stop(Reason::NobodyLeft)),

            (Running, No, _, _, Gone(Long) | Dead(Long))   => (Rule::ExecutorDead, Retry(Reason::ExecutorDead)),
            (Running, No, _, _, Gone(Short) | Dead(Short)) => (Rule::ShortStreak, Keep(Reason::ShortStreak)),

            (Running, No, NeverStarted, _, Unknown | NotLetGo) => (Rule::NeverStarted, Retry(Reason::NeverStarted)),

            (Running, No, Within | NeverStarted, _, Proved | Alive) => (Rule::AliveOrUnknown, Keep(Reason::Alive)),
            (Running, No, Within | NeverStarted, NotGone, Left)     => (Rule::AliveOrUnknown, Keep(Reason::Leftovers)),
            (Running, No, Within, NotGone, NotLetGo)                => (Rule::AliveOrUnknown, Keep(Reason::NotLetGo)),
            (Running, No, Within | NeverStarted, _, Elsewhere)      => (Rule::AliveOrUnknown, Keep(Reason::Elsewhere)),
            (Running, No, Within, _, Unknown)                       => (Rule::AliveOrUnknown, Keep(Reason::Unknown)),
        }
    }
}
