//! Ways to do it wrong, each a switch in the model alone. A model that does not catch them would prove nothing.

/// One change to the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    NoFence,
    CountedFence,
    InheritedPid,
    IdOnly,
    ExitNotInBasis,
    NoOutbox,
    NoCompare,
    NoVersion,
    AdvanceFirst,
    NoGrace,
    WakesCount,
    SignalFirst,
    ModeAtLook,
    UndecidedGreen,
    NoRescueCap,
    EventApart,
    StopOnce,
    DeadKept,
}

impl Mutation {
    /// What is done wrong.
    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::NoFence => "the guard does not compare the fence",
            Self::CountedFence => "fences are counted on each row, and a job's id is used again",
            Self::InheritedPid => "the pid that an attempt finds on its row is believed to be its own",
            Self::IdOnly => "the claim is an UPDATE by id alone",
            Self::ExitNotInBasis => "the guard does not compare the exit",
            Self::NoOutbox => "the advance is made after the claim, and stands in no outbox",
            Self::NoCompare => "an order is carried out wherever its task stands",
            Self::NoVersion => {
                "an order is carried out if its task stands in the right stage, whichever the visit"
            }
            Self::AdvanceFirst => "the task is moved before the claim",
            Self::NoGrace => "an exit is settled at once, whether its monitor finalises or not",
            Self::WakesCount => "each look counts as a tick",
            Self::SignalFirst => "the executor is stopped before that is announced under the fence",
            Self::ModeAtLook => "the mode is read when a pass begins, and not again by the claim",
            Self::UndecidedGreen => "a gate that cannot say is taken for green",
            Self::NoRescueCap => "rescues are not capped",
            Self::EventApart => "the event is written after the claim, in a transaction of its own",
            Self::StopOnce => "a stop that was announced is announced once and for all",
            Self::DeadKept => "an executor that is seen dead is kept until its ceiling",
        }
    }

    /// The cast that catches it.
    pub(crate) const fn cast(self) -> &'static str {
        match self {
            Self::NoFence | Self::CountedFence | Self::InheritedPid | Self::WakesCount | Self::DeadKept => {
                "foreign"
            }
            Self::IdOnly
            | Self::ExitNotInBasis
            | Self::NoOutbox
            | Self::NoCompare
            | Self::AdvanceFirst
            | Self::NoGrace
            | Self::EventApart => "crashes",
            Self::NoVersion => "sent_back",
            Self::SignalFirst | Self::StopOnce => "overrun",
            Self::ModeAtLook => "modes",
            Self::UndecidedGreen => "attempts",
            Self::NoRescueCap => "caps",
        }
    }

    /// The property that must fail.
    pub(crate) const fn breaks(self) -> &'static str {
        use super::laws::*;
        match self {
            Self::NoFence | Self::CountedFence => I4,
            Self::InheritedPid | Self::WakesCount => I1,
            Self::IdOnly => I3,
            Self::ExitNotInBasis | Self::NoGrace => I2,
            Self::NoOutbox => I5_KEPT,
            Self::NoCompare | Self::NoVersion | Self::AdvanceFirst | Self::SignalFirst => I5,
            Self::ModeAtLook => I10,
            Self::UndecidedGreen => I6,
            Self::NoRescueCap => I8,
            Self::EventApart => I12,
            Self::StopOnce => I7,
            Self::DeadKept => I7_SEEN,
        }
    }
}
