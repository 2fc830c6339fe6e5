//! What is left of a session, or of a process group, whose leader is gone.
//!
//! The kernel keeps a number from being used again as long as a session or a group has it as its name, so a process
//! whose session or group is called by the leader's pid descends from that leader.

use rustix::{
    io::Errno,
    process::{Pid, test_kill_process_group},
};

use super::{
    pidfd::{Pidfd, is_absent},
    table::Table,
};

/// A living process of the session or the group.
#[derive(Debug)]
pub(super) struct Member {
    /// Held, and seen to be a member while it lived.
    pub(super) pidfd: Pidfd,
    /// Its process group.
    pub(super) group: i32,
}

/// What a look at the whole table has shown.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Those that live, in the table's order.
    pub(super) living: Vec<Member>,
    /// Why there may be more than could be seen.
    pub(super) hidden: Option<String>,
    /// Members that have ended and wait to be reaped.
    ended: usize,
}

impl Members {
    /// Looks for them.
    ///
    /// The table is not read at one instant: a process that forks and ends meanwhile could be missed together with
    /// its child. The kernel is asked in one call whether the group has members, and what it says is
    /// reconciled with the table.
    pub(super) fn of(leader: Pid, table: &Table) -> Self {
        let first = Self::scan(leader, table);
        if !first.contradicts_the_kernel(leader) {
            return first;
        }
        let mut second = Self::scan(leader, table);
        if second.contradicts_the_kernel(leader) {
            second.hidden = Some("its process group has members that the process table does not show".to_owned());
        }
        second
    }

    /// Whether nothing was found, although the group of the leader's number is not empty.
    fn contradicts_the_kernel(&self, leader: Pid) -> bool {
        // -1 is no group but everybody.
        let found = !self.living.is_empty() || self.ended > 0 || self.hidden.is_some();
        !found && leader != Pid::INIT && matches!(test_kill_process_group(leader), Ok(()) | Err(Errno::PERM))
    }

    fn scan(leader: Pid, table: &Table) -> Self {
        let mut members = Self { hidden: table.whole.clone().err(), ..Self::default() };
        match table.pids() {
            Ok(pids) => pids.into_iter().for_each(|pid| members.look_at(pid, leader, table)),
            Err(why) => members.hidden = Some(why),
        }
        members
    }

    fn look_at(&mut self, pid: Pid, leader: Pid, table: &Table) {
        let name = leader.as_raw_pid();
        let belongs = || match table.stat(pid) {
            Ok(Some(stat)) => Ok((stat.session == name || stat.group == name).then_some(stat)),
            Ok(None) => Ok(None),
            Err(why) => Err(why),
        };
        match belongs() {
            Ok(Some(_)) => {}
            Ok(None) => return,
            Err(why) => {
                self.hidden = Some(why);
                return;
            }
        }
        // Read again once it is held: what was read before may have been of another process with that number.
        let held = Pidfd::open(pid).map(|pidfd| (belongs(), pidfd.has_ended(), pidfd));
        match held {
            Ok((Ok(Some(_)) | Err(_), Ok(true), _)) => self.ended += 1,
            Ok((Ok(Some(stat)), Ok(false), pidfd)) => self.living.push(Member { pidfd, group: stat.group }),
            Ok((Ok(None), ..)) => {}
            Ok((Err(why), ..)) => self.hidden = Some(why),
            Ok((_, Err(error), _)) => self.hidden = Some(format!("poll: {error}")),
            Err(error) if is_absent(error) => {}
            Err(error) => self.hidden = Some(format!("pidfd_open: {error}")),
        }
    }
}
