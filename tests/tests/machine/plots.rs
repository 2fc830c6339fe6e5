//! Short sequences that come by what is drawn seldom. Each is played once as it stands, and random sequences begin with one
//! of them, with other steps in between.

use proptest_state_machine::{ReferenceStateMachine as _, StateMachineTest as _};
use reaper_core::PassKind;

use super::{
    Machine,
    reference::{Reference, Step, Step::*},
    tally,
    world::Answer,
};

/// Each plot, and what it has come by at its end.
pub(crate) fn plots() -> Vec<(&'static str, Vec<Step>)> {
    const TICK: Step = Pass(0, PassKind::Tick);
    let after = |first: &[Step], then: &[Step]| [first, then].concat();
    let taken = [Enqueue { max_attempts: 2 }, Take];
    let at_work = after(&taken, &[Attach(0)]);
    let ended = after(&at_work, &[End(0, 0)]);
    let recorded = after(&ended, &[RecordExit(0)]);
    let dead = after(&at_work, &[End(0, 1), KillMonitor(0)]);
    let deserted = after(&recorded, &[KillMonitor(0)]);
    let foreign = [ForeignInsert, End(0, 1)];
    vec![
        ("reaper: requeue", after(&taken, &[KillMonitor(0), TICK])),
        ("by rule nobody_left", after(&dead, &[TICK])),
        ("by rule executor_dead", after(&foreign, &[TICK, TICK])),
        ("reaper: fail", vec![Enqueue { max_attempts: 1 }, Take, KillMonitor(0), TICK]),
        ("reaper: done and on", after(&recorded, &[Time(5), TICK])),
        (
            "reaper: a late finish taken up",
            after(&at_work, &[RequeueAll, End(0, 0), RecordExit(0), Time(5), TICK]),
        ),
        ("reaper: terminate", after(&at_work, &[Time(310), TICK])),
        ("monitor: done and on", after(&recorded, &[Finish(0)])),
        ("monitor: fail", after(&at_work, &[End(0, 1), RecordExit(0), GiveUp(0)])),
        ("person: requeue", after(&dead, &[RequeueOrphans])),
        (tally::BY_FENCE, after(&foreign, &[Decide, Retake(0), ClaimLate])),
        (tally::BY_CAPS, after(&dead, &[Decide, Spend(0), ClaimLate])),
        (tally::BY_EXIT, after(&ended, &[Decide, RecordExit(0), ClaimLate])),
        (tally::SUPERSEDED, after(&deserted, &[Decide, ClaimLate, SendBack(0), Deliver])),
        (tally::FAILED_ONCE, after(&recorded, &[DeliveryFails, Finish(0), Deliver])),
        (tally::RELEASED, after(&foreign, &[ForeignInsert, End(0, 1), TICK, ReleaseBreaker, TICK, TICK])),
        (tally::NO_ANSWER, after(&deserted, &[SetGate(Answer::Panics), TICK])),
    ]
}

/// Plays each as it stands.
pub(crate) fn play() {
    for (wanted, plot) in plots() {
        let mut reference = Reference::default();
        let (mut sides, before) = (Machine::init_test(&reference), tally::count(wanted));
        for step in plot {
            reference = Reference::apply(reference, &step);
            sides = Machine::apply(sides, &reference, step);
            Machine::check_invariants(&sides, &reference);
        }
        assert!(tally::count(wanted) > before, "the plot has not come by it: {wanted}");
        Machine::teardown(sides, reference);
    }
}
