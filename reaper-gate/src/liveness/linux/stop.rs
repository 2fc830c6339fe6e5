//! Ending an executor, its group and what is left of its session.

use std::time::Duration;

use nix::unistd::{Pid as AnyPid, getpgid, getpgrp};
use reaper_core::{Attempt, Finding, ProcessIdentity};
use rustix::process::{Pid, Signal, getpid, kill_process_group};

use super::{
    cgroup::Group,
    here::Here,
    look::{Leader, Matched},
    patience::Patience,
    pidfd::Pidfd,
    session::Members,
    table::{self, Table},
};
use crate::liveness::{ATTEMPT_VARIABLE, Cgroups, Stopped};

/// How long killed processes are waited for.
const AFTER_KILL: Duration = Duration::from_secs(5);

impl Here {
    /// Stops the executor of an attempt, see [`crate::liveness::LocalStop`].
    pub(in super::super) fn stop(
        &self,
        attempt: &Attempt,
        executor: &ProcessIdentity,
        grace: Duration,
        cgroups: Option<&Cgroups>,
    ) -> Stopped {
        let (Some(pid), true) = (table::pid(executor.pid), executor.is_full()) else {
            return Stopped::NotVerified;
        };
        let group = cgroups.map(|cgroups| cgroups.group(executor));
        let (leader, session) = match self.look(executor) {
            Leader::Runs(pidfd, Matched::Whole) => (Some(pidfd), Some(pid)),
            Leader::Gone(..) => (None, Some(pid)),
            Leader::Over(Finding::Rebooted) => return Stopped::WasGone,
            // The session by its number is another's; the cgroup is still its own.
            Leader::Over(Finding::Recycled) if group.is_some() => (None, None),
            Leader::Runs(_, Matched::InPart | Matched::PidOnly) | Leader::Over(_) | Leader::Unknown(_) => {
                return Stopped::NotVerified;
            }
        };
        if session == Some(getpid()) {
            return Stopped::StillThere;
        }
        let stopping = Stopping { session, leader, group, attempt: attempt.to_string(), table: &self.table };
        let stopped = stopping.run(grace);
        if let (Some(group), Stopped::WasGone | Stopped::Asked | Stopped::Killed) = (&stopping.group, stopped) {
            group.remove();
        }
        stopped
    }
}

/// One stop.
#[derive(Debug)]
struct Stopping<'a> {
    /// The leader's number, which its session and its group go by; `None` where it is another process's by now.
    session: Option<Pid>,
    /// Verified, and alive when it was; `None` if it was gone.
    leader: Option<Pidfd>,
    /// The executor's cgroup, where there may be one.
    group: Option<Group>,
    /// As [`ATTEMPT_VARIABLE`] has it.
    attempt: String,
    table: &'a Table,
}

/// Another living process of the leader's session, group or cgroup.
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
            self.kill_cgroup();
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
        let mut rest = Rest {
            leader: self.leader.as_ref().filter(|leader| leader.has_ended() != Ok(true)),
            others: Vec::new(),
            hidden: false,
        };
        if let Some(session) = self.session {
            let members = Members::of(session, self.table);
            let others = members.living.into_iter().filter(|member| member.pidfd.pid() != session);
            rest.others.extend(others.map(|member| self.other(member.pidfd, member.group)));
            rest.hidden = members.hidden.is_some();
        }
        if let Some(group) = &self.group {
            self.add_cgroup(group, &mut rest);
        }
        rest
    }

    /// Adds those of the executor's cgroup. All of them may be signalled, but for this process.
    fn add_cgroup(&self, group: &Group, rest: &mut Rest<'_>) {
        let listed = |pid: Pid| group.pids().map(|pids| pids.contains(&Some(pid)));
        let Ok(pids) = group.pids() else {
            rest.hidden = true;
            return;
        };
        // Somebody without a number here can only be killed with the whole group.
        rest.hidden |= pids.contains(&None);
        for pid in pids.into_iter().flatten() {
            let is_leader = self.leader.as_ref().is_some_and(|leader| leader.pid() == pid);
            if let Some(other) = rest.others.iter_mut().find(|other| other.pidfd.pid() == pid) {
                other.ours = pid != getpid();
            } else if !is_leader && let Ok(pidfd) = Pidfd::open(pid) {
                // Listed still once it is held: what was listed before may have been another process with that number.
                if matches!(listed(pid), Ok(true)) && pidfd.has_ended() == Ok(false) {
                    let own = getpgid(Some(AnyPid::from_raw(pid.as_raw_pid()))).map_or(0, AnyPid::as_raw);
                    rest.others.push(Other { pidfd, group: own, ours: pid != getpid() });
                }
            }
        }
        if rest.is_empty() {
            rest.hidden |= group.left() != Ok(0);
        }
    }

    /// Kills the executor's cgroup as one, unless this process is in it.
    fn kill_cgroup(&self) {
        if let Some(group) = &self.group
            && group.pids().is_ok_and(|pids| !pids.is_empty() && !pids.contains(&Some(getpid())))
        {
            group.kill();
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
        let led =
            rest.leader.filter(|leader| signal_group(leader, signal)).map(|leader| leader.pid().as_raw_pid());
        let by_group = led.is_some();
        let mut reached: Vec<&Pidfd> = Vec::new();
        if let Some(leader) = rest.leader {
            // One who leads the group has got a TERM with it. A second KILL does no harm, and makes sure.
            let enough = by_group && signal == Signal::TERM;
            if enough || leader.signal(signal).is_ok() {
                reached.push(leader);
            }
        }
        for other in &rest.others {
            let in_group = led == Some(other.group);
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
