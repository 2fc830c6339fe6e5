//! Liveness through pidfds and the process table.

mod cgroup;
mod executors;
mod held;
mod here;
mod info;
mod look;
mod patience;
mod pidfd;
mod probe;
mod session;
mod stat;
mod stop;
mod table;
mod watch;
mod witness;

pub(super) use cgroup::{Group, check_cgroups};
pub(super) use here::{Here, host_name};
pub use watch::PidfdWatch;

use reaper_core::{Finding, Sighting};
use rustix::process::Pid;

use super::bare;

/// What is read of a stat file: state, group, session, start time and wait status. Public for those who try hostile
/// lines; it is no part of what this crate offers.
#[doc(hidden)]
#[must_use]
pub fn read_stat(line: &[u8]) -> Option<(u8, i32, i32, u64, Option<i32>)> {
    let stat::Stat { state, group, session, start_time, exit_status } = stat::Stat::parse(line)?;
    Some((state, group, session, start_time, exit_status))
}

/// What a pidfd says of a bare pid; `None` where none can be opened, so that another way has to be tried.
pub(super) fn probe_pid(pid: Pid) -> Option<Sighting> {
    match pidfd::Pidfd::open(pid) {
        Ok(pidfd) => match pidfd.has_ended() {
            Ok(true) => Some(bare::dead(Finding::Ended)),
            Ok(false) => Some(bare::alive()),
            Err(_) => None,
        },
        Err(error) if pidfd::is_absent(error) => Some(bare::dead(Finding::NoSuchProcess)),
        Err(_) => None,
    }
}
