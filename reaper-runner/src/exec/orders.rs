//! What running workers are told from outside: signals for their commands, and when to end.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc::Sender},
    time::Duration,
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process, kill_process_group},
};

/// How far a worker is to go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Course {
    /// As before.
    #[default]
    Work,
    /// Take no more jobs.
    Drain,
    /// Stop the running ones too.
    Stop,
}

/// What a running attempt is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Its supervisor has ended.
    Ended,
    /// It is to be stopped.
    Stop,
}

#[derive(Debug, Default)]
struct State {
    course: Course,
    /// Whether a signal that ends commands came when none was running.
    missed: bool,
    /// The supervisors that run: each leads a group, and is not reaped before it is struck off.
    running: BTreeMap<i32, Sender<News>>,
}

/// Orders to one worker or to a pool of them. Shared by whoever gives them and whoever follows.
#[derive(Debug, Default)]
pub struct Orders {
    state: Mutex<State>,
    changed: Condvar,
}

impl Orders {
    /// Nothing is ordered.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No more jobs are taken; the running ones end by themselves.
    pub fn drain(&self) {
        self.turn(Course::Drain);
    }

    /// The running commands are stopped, too.
    pub fn stop(&self) {
        self.turn(Course::Stop);
    }

    /// Passes a signal on to every running command, and whatever it has started in its group. TERM and INT for a command
    /// that is not let go yet stop it as soon as it is.
    pub fn signal(&self, signal: Signal) {
        let mut state = self.state();
        state.missed |= state.running.is_empty() && matches!(signal, Signal::TERM | Signal::INT);
        for pid in state.running.keys().filter_map(|pid| Pid::from_raw(*pid)) {
            // One that has not begun to lead its group yet has not begun its command either.
            let passed = kill_process_group(pid, signal).or_else(|error| match error {
                Errno::SRCH => kill_process(pid, signal),
                error => Err(error),
            });
            if let Err(error) = passed {
                tracing::debug!(pid = pid.as_raw_nonzero(), ?signal, %error, "a signal was not passed on");
            }
        }
    }

    fn turn(&self, to: Course) {
        let mut state = self.state();
        state.course = state.course.max(to);
        if to == Course::Stop {
            // One that has just ended does not listen any more.
            for tell in state.running.values() {
                tell.send(News::Stop).ok();
            }
        }
        self.changed.notify_all();
    }

    /// Whether no more jobs are taken.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.course() > Course::Work
    }

    /// How far to go on.
    pub(crate) fn course(&self) -> Course {
        self.state().course
    }

    /// Waits, at most so long; shorter where the course changes.
    pub fn pause(&self, wait: Duration) {
        let state = self.state();
        let before = state.course;
        drop(self.changed.wait_timeout_while(state, wait, |state| state.course == before));
    }

    /// Notes a supervisor that is not reaped while the answer lives.
    pub(crate) fn enlist(&self, pid: Pid, tell: Sender<News>) -> Enlisted<'_> {
        let pid = pid.as_raw_pid();
        let mut state = self.state();
        if state.course == Course::Stop || std::mem::take(&mut state.missed) {
            tell.send(News::Stop).ok();
        }
        state.running.insert(pid, tell);
        drop(state);
        Enlisted { orders: self, pid }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A supervisor that signals reach.
#[derive(Debug)]
pub(crate) struct Enlisted<'o> {
    orders: &'o Orders,
    pid: i32,
}

impl Drop for Enlisted<'_> {
    fn drop(&mut self) {
        self.orders.state().running.remove(&self.pid);
    }
}
