//! What is left of a session, or of a process group, whose leader is gone.
//!
//! The kernel keeps a number from being used again as long as a session or a group has it as its name, so a process
//! whose session or group is called by the leader's pid descends from that leader.
//!
//! The table is not read at one instant: a process that forks and ends meanwhile could be missed together with its
//! child. The kernel is asked in one call whether the group has members, and what it says is reconciled with the
//! table. Where it has some of whom all wait to be reaped, that call tells nothing, and the table is read twice.

use std::collections::BTreeMap;

use nix::unistd::{Pid as AnyPid, getpgid, getsid};
use rustix::{
    io::Errno,
    process::{Pid, test_kill_process_group},
};

use super::{
    pidfd::{Pidfd, is_absent},
    stat::Stat,
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

/// What a look at the whole table has shown, with the living held.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Those that live, in the table's order.
    pub(super) living: Vec<Member>,
    /// Why there may be more than could be seen.
    pub(super) hidden: Option<String>,
    /// Whether members have ended and wait to be reaped.
    ended: bool,
}

/// What a look at the whole table has shown, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Remains {
    /// How many members live.
    pub(super) living: u32,
    /// Why there may be more than could be seen.
    pub(super) hidden: Option<String>,
    /// Whether members have ended and wait to be reaped.
    ended: bool,
}

impl Members {
    /// Looks for them.
    pub(super) fn of(leader: Pid, table: &Table) -> Self {
        Self::reconciled(|| Self::scan(leader, table), || group_exists(leader))
    }

    fn reconciled(scan: impl Fn() -> Self, exists: impl Fn() -> bool) -> Self {
        let first = scan();
        if first.settles_it() || !(first.ended || exists()) {
            return first;
        }
        let mut second = scan();
        if !second.settles_it() && !second.ended && exists() {
            second.hidden = Some(NOT_SHOWN.to_owned());
        }
        second
    }

    /// Whether it is known that somebody lives, or may.
    const fn settles_it(&self) -> bool {
        !self.living.is_empty() || self.hidden.is_some()
    }

    fn scan(leader: Pid, table: &Table) -> Self {
        let mut members = Self { hidden: table.whole.clone().err(), ..Self::default() };
        let pids = match table.pids() {
            Ok(pids) => pids,
            Err(why) => return Self { hidden: Some(why), ..members },
        };
        for pid in pids {
            match look(pid, table, &|name| name == leader.as_raw_pid()) {
                Look::Stranger => {}
                Look::Living(pidfd, stat) => members.living.push(Member { pidfd, group: stat.group }),
                Look::Ended(_) => members.ended = true,
                Look::Hidden(_, why) => members.hidden = Some(why),
            }
        }
        members
    }
}

impl Remains {
    /// Looks for what is left of each of these leaders, by their numbers, in one reading of the table. Only if the
    /// kernel contradicts it, or cannot tell because somebody waits to be reaped, the table is read once more, for those of
    /// whom it does.
    pub(super) fn of_each(leaders: &[Pid], table: &Table) -> BTreeMap<i32, Self> {
        Self::reconciled(leaders, |leaders| Self::scan(leaders, table), names_group)
    }

    fn reconciled(
        leaders: &[Pid],
        scan: impl Fn(&[Pid]) -> BTreeMap<i32, Self>,
        exists: impl Fn(i32) -> bool,
    ) -> BTreeMap<i32, Self> {
        let mut found = scan(leaders);
        let doubted: Vec<Pid> = found
            .iter()
            .filter(|(pid, left)| !left.settles_it() && (left.ended || exists(**pid)))
            .filter_map(|(pid, _)| Pid::from_raw(*pid))
            .collect();
        if !doubted.is_empty() {
            let mut again = scan(&doubted);
            for (leader, left) in &mut again {
                if !left.settles_it() && !left.ended && exists(*leader) {
                    left.hidden = Some(NOT_SHOWN.to_owned());
                }
            }
            found.append(&mut again);
        }
        found
    }

    /// As [`Members::settles_it`].
    const fn settles_it(&self) -> bool {
        self.living > 0 || self.hidden.is_some()
    }

    fn scan(leaders: &[Pid], table: &Table) -> BTreeMap<i32, Self> {
        let hidden = table.whole.clone().err();
        let mut found: BTreeMap<i32, Self> = leaders
            .iter()
            .map(|leader| (leader.as_raw_pid(), Self { hidden: hidden.clone(), ..Self::default() }))
            .collect();
        if found.is_empty() {
            return found;
        }
        let pids = match table.pids() {
            Ok(pids) => pids,
            Err(why) => {
                found.values_mut().for_each(|left| left.hidden = Some(why.clone()));
                return found;
            }
        };
        for pid in pids {
            let seen = look(pid, table, &|name| found.contains_key(&name));
            match seen {
                Look::Stranger => {}
                Look::Living(_, stat) => of(&mut found, stat, |left| left.living = left.living.saturating_add(1)),
                Look::Ended(stat) => of(&mut found, stat, |left| left.ended = true),
                Look::Hidden(Some(stat), why) => of(&mut found, stat, |left| left.hidden = Some(why.clone())),
                // Whose it would be is not known, so it may be anybody's.
                Look::Hidden(None, why) => found.values_mut().for_each(|left| left.hidden = Some(why.clone())),
            }
        }
        found
    }
}

/// Takes something down with the leader of the session and with the leader of the group, once if they are one.
fn of(found: &mut BTreeMap<i32, Remains>, stat: Stat, mut note: impl FnMut(&mut Remains)) {
    let group = (stat.group != stat.session).then_some(stat.group);
    for name in [Some(stat.session), group].into_iter().flatten() {
        if let Some(left) = found.get_mut(&name) {
            note(left);
        }
    }
}

/// What one process of the table is.
#[derive(Debug)]
enum Look {
    /// In none of the sessions and groups that are looked for, or gone.
    Stranger,
    /// A member, held, that lives.
    Living(Pidfd, Stat),
    /// A member that waits to be reaped.
    Ended(Stat),
    /// Cannot be told; with what was read of it first.
    Hidden(Option<Stat>, String),
}

fn look(pid: Pid, table: &Table, is_leader: &dyn Fn(i32) -> bool) -> Look {
    if is_stranger(pid, is_leader) {
        return Look::Stranger;
    }
    let belongs = |stat: &Stat| is_leader(stat.session) || is_leader(stat.group);
    let first = match table.stat(pid) {
        Ok(Some(stat)) if belongs(&stat) => stat,
        Ok(_) => return Look::Stranger,
        Err(why) => return Look::Hidden(None, why),
    };
    let pidfd = match Pidfd::open(pid) {
        Ok(pidfd) => pidfd,
        Err(error) if is_absent(error) => return Look::Stranger,
        Err(error) => return Look::Hidden(Some(first), format!("pidfd_open: {error}")),
    };
    // Read again once it is held: what was read before may have been of another process with that number.
    match (table.stat(pid), pidfd.has_ended()) {
        (Ok(Some(stat)), _) if !belongs(&stat) => Look::Stranger,
        (Ok(None), _) => Look::Stranger,
        (Ok(Some(stat)), Ok(false)) => Look::Living(pidfd, stat),
        (Ok(Some(stat)), Ok(true)) => Look::Ended(stat),
        (Err(_), Ok(true)) => Look::Ended(first),
        (Err(why), Ok(false)) => Look::Hidden(Some(first), why),
        (_, Err(error)) => Look::Hidden(Some(first), format!("poll: {error}")),
    }
}

/// Whether the kernel says that a process is in none of the sessions and groups that are looked for, or that there is
/// none. A tenth of what its file costs, and nearly all processes of a host are strangers.
fn is_stranger(pid: Pid, is_leader: &dyn Fn(i32) -> bool) -> bool {
    let pid = Some(AnyPid::from_raw(pid.as_raw_pid()));
    match (getsid(pid), getpgid(pid)) {
        // Kernel threads, and processes that came from an outer namespace, have 0.
        (Ok(session), Ok(group)) => !is_leader(session.as_raw()) && !is_leader(group.as_raw()),
        (Err(nix::Error::ESRCH), Err(nix::Error::ESRCH)) => true,
        _ => false,
    }
}

/// As [`group_exists`], by the bare number.
fn names_group(leader: i32) -> bool {
    Pid::from_raw(leader).is_some_and(group_exists)
}

/// Whether the kernel knows of a group with this number, whoever is in it.
fn group_exists(leader: Pid) -> bool {
    // -1 is no group but everybody.
    leader != Pid::INIT && matches!(test_kill_process_group(leader), Ok(()) | Err(Errno::PERM))
}

const NOT_SHOWN: &str = "its process group has members that the process table does not show";

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const LEADER: i32 = 7;

    fn ended() -> Remains {
        Remains { ended: true, ..Remains::default() }
    }

    fn living() -> Remains {
        Remains { living: 1, ..ended() }
    }

    /// What is said of a leader whose table shows these one after the other, and how often it was read.
    fn remains(shown: &[Remains], exists: bool) -> (Remains, usize) {
        let reads = Cell::new(0);
        let scan = |_: &[Pid]| {
            reads.set(reads.get() + 1);
            BTreeMap::from([(LEADER, shown[reads.get() - 1].clone())])
        };
        let leader = Pid::from_raw(LEADER).unwrap();
        let mut found = Remains::reconciled(&[leader], scan, |_| exists);
        (found.remove(&LEADER).unwrap(), reads.get())
    }

    /// As [`remains`], by the other look: whether somebody may live.
    fn may_live(shown: &[Remains], exists: bool) -> (bool, usize) {
        let reads = Cell::new(0);
        let scan = || {
            reads.set(reads.get() + 1);
            let Remains { living, hidden, ended } = shown[reads.get() - 1].clone();
            let pidfd = || Pidfd::open(rustix::process::getpid()).unwrap();
            let living = (0..living).map(|_| Member { pidfd: pidfd(), group: LEADER }).collect();
            Members { living, hidden, ended }
        };
        (Members::reconciled(scan, || exists).settles_it(), reads.get())
    }

    #[test]
    fn beside_a_zombie_one_that_forked_and_ended_during_the_first_look_is_found_by_the_second() {
        assert_eq!(remains(&[ended(), living()], true), (living(), 2));
        assert_eq!(may_live(&[ended(), living()], true), (true, 2));
        assert_eq!(remains(&[ended(), ended()], true), (ended(), 2));
        assert_eq!(may_live(&[ended(), ended()], true), (false, 2));
    }

    #[test]
    fn who_is_seen_to_live_is_not_looked_for_again() {
        assert_eq!(remains(&[living()], true), (living(), 1));
        assert_eq!(may_live(&[living()], true), (true, 1));
    }

    #[test]
    fn a_group_that_the_table_never_shows_is_hidden_and_one_that_is_not_there_is_over() {
        let nothing = Remains::default();
        let (hidden, reads) = remains(&[nothing.clone(), nothing.clone()], true);
        assert_eq!((hidden.hidden.as_deref(), reads), (Some(NOT_SHOWN), 2));
        assert_eq!(may_live(&[nothing.clone(), nothing.clone()], true), (true, 2));
        assert_eq!(remains(std::slice::from_ref(&nothing), false), (nothing.clone(), 1));
        assert_eq!(may_live(&[nothing], false), (false, 1));
    }
}
