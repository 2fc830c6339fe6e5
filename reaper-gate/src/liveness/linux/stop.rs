//! Ending an executor, its group and what is left of its session.

use std::time::Duration;

use nix::unistd::{Pid as AnyPid, getpgid, getpgrp};
use reaper_core::{Attempt, Finding, ProcessIdentity};
use rustix::process::{Pid, Signal, getpid, kill_process_group};

use super::{
    here::Here,
    look::{Leader, Matched},
    patience::Patience,
    pidfd::Pidfd,
    session::Members,
    table::{self, Table},
};
use crate::liveness::{ATTEMPT_VARIABLE, Stopped};

/// How long killed processes are waited for.
const AFTER_KILL: Duration = Duration::from_secs(5);

impl Here {
    /// Stops the executor of an attempt, see [`crate::liveness::LocalStop`].
    pub(in super::super) fn stop(
        &self,
        attempt: &Attempt,
        executor: &ProcessIdentity,
        grace: Duration,
    ) -> Stopped {
        let (Some(pid), true) = (table::pid(executor.pid), executor.is_full()) else {
            return Stopped::NotVerified;
        };
        let leader = match self.look(executor) {
            Leader::Runs(pidfd, Matched::Whole) => Some(pidfd),
            Leader::Gone(..) => None,
            Leader::Over(Finding::Rebooted) => return Stopped::WasGone,
            Leader::Runs(_, Matched::InPart | Matched::PidOnly) | Leader::Over(_) | Leader::Unknown(_) => {
                return Stopped::NotVerified;
            }
        };
        if pid == getpid() {
            return Stopped::StillThere;
        }
        Stopping { pid, leader, attempt: attempt.to_string(), table: &self.table }.run(grace)
    }
}

/// One stop.
#[derive(Debug)]
struct Stopping<'a> {
    pid: Pid,
    /// Verified, and alive when it was; `None` if it was gone.
    leader: Option<Pidfd>,
    /// As [`ATTEMPT_VARIABLE`] has it.
    attempt: String,
    table: &'a Table,
}

/// Another living process of the leader's session or group.
#[derive(Debug)]
struct Other {
    pidfd: Pidfd,
    group: i32,
    /// Whether it may be signalled alone.
    ours: bool,
}

/// What is left.
#[derive(Debug)]
struct Rest<'a> {
    leader: Option<&'a Pidfd>,
    others: Vec<Other>,
    /// Whether the table may hide more.
    hidden: bool,
}

impl Stopping<'_> {
    fn run(&self, grace: Duration) -> Stopped {
        let rest = self.rest();
        if rest.is_empty() {
            return if rest.hidden { Stopped::StillThere } else { Stopped::WasGone };
        }
        if rest.leader.is_none() && !rest.others.iter().any(|other| other.ours) {
            return Stopped::NotVerified;
        }
        if self.signal(&rest, Signal::TERM).is_empty() {
            return Stopped::StillThere;
        }
        // A suspended process would only get its TERM when somebody continues it.
        self.signal(&rest, Signal::CONT);

        let mut patience = Patience::of(grace);
        let mut rest = rest;
        while !rest.is_empty() && patience.until_ended(rest.all()) {
            rest = self.rest();
        }
        self.kill()
    }

    /// Kills what is left, if anything is.
    fn kill(&self) -> Stopped {
        let mut outcome = Stopped::Asked;
        let mut patience = Patience::of(AFTER_KILL);
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return if rest.hidden { Stopped::StillThere } else { outcome };
            }
            let killed = self.signal(&rest, Signal::KILL);
            if killed.is_empty() {
                return Stopped::StillThere;
            }
            outcome = Stopped::Killed;
            if !patience.until_ended(killed) {
                return Stopped::StillThere;
            }
        }
    }

    /// Looks at what is left.
    fn rest(&self) -> Rest<'_> {
        let members = Members::of(self.pid, self.table);
        let others = members.living.into_iter().filter(|member| member.pidfd.pid() != self.pid);
        Rest {
            leader: self.leader.as_ref().filter(|leader| leader.has_ended() != Ok(true)),
            others: others.map(|member| self.other(member.pidfd, member.group)).collect(),
            hidden: members.hidden.is_some(),
        }
    }

    fn other(&self, pidfd: Pidfd, group: i32) -> Other {
        let pid = pidfd.pid();
        // Asked last, so that what was read was read of the process that is held.
        let ours = pid != getpid()
            && self.table.was_started_with(pid, ATTEMPT_VARIABLE, &self.attempt)
            && pidfd.has_ended() == Ok(false);
        Other { pidfd, group, ours }
    }

    /// Signals what may be signalled. Says whom the signal has reached.
    fn signal<'a>(&self, rest: &'a Rest<'_>, signal: Signal) -> Vec<&'a Pidfd> {
        let by_group = rest.leader.is_some_and(|leader| signal_group(leader, signal));
        let mut reached: Vec<&Pidfd> = Vec::new();
        if let Some(leader) = rest.leader {
            // One who leads the group has got a TERM with it. A second KILL does no harm, and makes sure.
            let enough = by_group && signal == Signal::TERM;
            if enough || leader.signal(signal).is_ok() {
                reached.push(leader);
            }
        }
        for other in &rest.others {
            let in_group = by_group && other.group == self.pid.as_raw_pid();
            if in_group || (other.ours && other.pidfd.signal(signal).is_ok()) {
                reached.push(&other.pidfd);
            }
        }
        reached
    }
}

impl Rest<'_> {
    fn is_empty(&self) -> bool {
        self.leader.is_none() && self.others.is_empty()
    }

    fn all(&self) -> Vec<&Pidfd> {
        self.leader.into_iter().chain(self.others.iter().map(|other| &other.pidfd)).collect()
    }
}

/// Signals the process group of a verified leader, if the leader leads one of its own. Says whether it did.
fn signal_group(leader: &Pidfd, signal: Signal) -> bool {
    let pid = leader.pid();
    // A group of an outer namespace is 0 here.
    let own = AnyPid::from_raw(pid.as_raw_pid());
    let leads = pid != Pid::INIT && own != getpgrp() && getpgid(Some(own)) == Ok(own);
    // Alive after its group was read: it was the group of this process and no other's.
    leads && leader.has_ended() == Ok(false) && kill_process_group(pid, signal).is_ok()
}
