//! When a command must be stopped, and how far its stop has come.

use std::time::Duration;

use rustix::process::{Signal, getpgrp, kill_process_group};

use crate::exec::{
    clock::boottime,
    spool::StoppedFor,
    ticket::{KILL_MARGIN, Ticket},
};

/// The stop of one command. Instants are of the supervisor's monotonic clock, but for the bond's.
#[derive(Debug)]
pub(super) struct Stopping {
    /// When its time is up.
    over_at: Option<Duration>,
    grace: Duration,
    /// Until when the node is safe, on `CLOCK_BOOTTIME`, where the attempt is bound to it.
    bound_until: Option<Duration>,
    /// Why it was stopped, and when it is killed.
    stopped: Option<(StoppedFor, Duration)>,
}

impl Stopping {
    /// The clock begins at zero.
    pub(super) fn new(ticket: Option<&Ticket>) -> Self {
        Self {
            over_at: ticket.and_then(|ticket| ticket.limit),
            grace: ticket.map(|ticket| ticket.grace).unwrap_or_default(),
            bound_until: ticket.and_then(|ticket| ticket.bound_until),
            stopped: None,
        }
    }

    /// How long nothing is to be done.
    pub(super) fn next(&self, now: Duration) -> Duration {
        if let Some((_, kill_at)) = self.stopped {
            return kill_at.saturating_sub(now).clamp(SHORTEST, LONGEST);
        }
        let until_over = self.over_at.map_or(LONGEST, |at| at.saturating_sub(now));
        let look = if self.bound_until.is_some() { LOOK } else { LONGEST };
        until_over.min(look)
    }

    /// The node's beat was confirmed anew.
    pub(super) fn renew(&mut self, until: Duration) {
        if self.bound_until.is_some() {
            self.bound_until = Some(until);
        }
    }

    /// What is bound dies with its monitor.
    pub(super) fn monitor_is_gone(&mut self, now: Duration) {
        if self.bound_until.is_some() {
            self.begin(StoppedFor::Monitor, now);
        }
    }

    /// Begins what is due. Whether it is time for the kill.
    pub(super) fn must_kill(&mut self, now: Duration) -> bool {
        if let Some((_, kill_at)) = self.stopped {
            return now >= kill_at;
        }
        let margin = self.grace.saturating_add(KILL_MARGIN);
        if self.bound_until.is_some_and(|until| boottime().saturating_add(margin) >= until) {
            self.begin(StoppedFor::Node, now);
        } else if self.over_at.is_some_and(|at| now >= at) {
            self.begin(StoppedFor::Limit, now);
        }
        false
    }

    /// Why it was stopped.
    pub(super) fn cause(&self) -> Option<StoppedFor> {
        self.stopped.map(|(cause, _)| cause)
    }

    fn begin(&mut self, cause: StoppedFor, now: Duration) {
        if self.stopped.is_some() {
            return;
        }
        self.stopped = Some((cause, now.saturating_add(self.grace)));
        tracing::warn!(?cause, "the command is stopped");
        // This process is of the group, and has caught TERM.
        signal_group(Signal::TERM);
        // What is suspended gets its TERM only when it goes on.
        signal_group(Signal::CONT);
    }
}

/// Kills the command, what it has started in its group, and this process.
pub(super) fn kill_group() {
    signal_group(Signal::KILL);
}

fn signal_group(signal: Signal) {
    if let Err(error) = kill_process_group(getpgrp(), signal) {
        tracing::error!(?signal, %error, "the command's group was not signalled");
    }
}

/// Between two looks at the clock of a bond.
const LOOK: Duration = Duration::from_millis(200);

/// The longest wait for an event.
const LONGEST: Duration = Duration::from_secs(3600);

/// The shortest.
const SHORTEST: Duration = Duration::from_millis(1);
