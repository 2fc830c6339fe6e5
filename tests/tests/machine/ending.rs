//! The end of a sequence: nothing fails any more, everybody is dead, and a reaper that knows nothing has to bring all to an
//! end. First the deaths that can be seen, which waits for no limit of time, then the rest.

use std::{iter, sync::atomic::Ordering, time::Duration};

use reaper_core::{Attempt, JobSnapshot, Mode, PassKind, Status};
use reaper_store::Control as _;

use super::{
    passing::UNIT,
    reference::Step,
    side::{Side, policy},
    world::{Answer, Executor, Monitor},
};

impl Side {
    /// Ends everything, and sees that all comes to an end.
    pub(crate) fn converge(&mut self) {
        self.store.down.store(false, Ordering::SeqCst);
        self.store.set_mode(Mode::Enforce).unwrap();
        let mut truth = self.world.truth();
        (truth.gate, truth.fails) = (Answer::Green, false);
        for process in &mut truth.processes {
            if process.executor == Executor::Alive || process.executor == Executor::Held {
                process.executor = Executor::Ended(1);
            }
            process.monitor = Monitor::Killed;
        }
        drop(truth);
        self.seen = self.look();
        self.step(&Step::Fall(0));
        self.the_dead_are_seen();
        let is_open = |row: &JobSnapshot| row.status == Status::Running || row.is_late_finish();
        // A breaker that was opened is believed after ticks that are not too far apart.
        let round = iter::once(LONG).chain(iter::repeat_n(UNIT, TICKS));
        let rounds = iter::repeat_n(round, ROUNDS).flatten();
        let left = self.ticks(rounds, is_open, |side| side.seen.undelivered == 0);
        assert!(left.is_empty(), "I7: {}: jobs are left: {left:?}", self.name);
        assert_eq!(self.seen.undelivered, 0, "I5: {}: effects are left", self.name);
    }

    /// What shows its death is settled in a few ticks, long before any ceiling would have it settled.
    fn the_dead_are_seen(&mut self) {
        assert!(UNIT * 80 < policy().limits.max_running, "the ceiling must not help");
        let dead = self.seen.rows.iter().flatten().filter(|row| shows_death(row));
        let dead: Vec<Attempt> = dead.map(|row| row.attempt.clone()).collect();
        let is_open = |row: &JobSnapshot| row.status == Status::Running && dead.contains(&row.attempt);
        let left = self.ticks(iter::repeat_n(UNIT, TICKS), is_open, |_| true);
        assert!(left.is_empty(), "I7: {}: deaths are not seen: {left:?}", self.name);
    }

    /// At most so many ticks, each after its time, until no row is open but a person's. Answers with the open ones.
    fn ticks(
        &mut self,
        ticks: impl Iterator<Item = Duration>,
        is_open: impl Fn(&JobSnapshot) -> bool,
        is_over: impl Fn(&Self) -> bool,
    ) -> Vec<JobSnapshot> {
        let mut left = Vec::new();
        for by in ticks {
            self.pass_time(by);
            self.step(&Step::Pass(0, PassKind::Tick));
            let open = self.seen.rows.iter().flatten().filter(|row| is_open(row));
            left = open.filter(|row| !self.for_a_person.contains(&row.attempt.job)).cloned().collect();
            if left.is_empty() && is_over(self) {
                break;
            }
        }
        left
    }
}

/// Whether a running job's row names a process, by identity or by a pid of its own.
const fn shows_death(row: &JobSnapshot) -> bool {
    let named = row.executor.is_some() || row.monitor.is_some() || row.pid.is_some();
    matches!(row.status, Status::Running) && named
}

/// So many ticks are enough for what can be seen: two, and those that the breaker holds back where it has to open.
const TICKS: usize = 8;

/// Longer than every limit, and a whole number of the units in which time passes.
const LONG: Duration = Duration::from_secs(70 * 320);

/// So many of these rounds are enough for the rest.
const ROUNDS: usize = 8;
