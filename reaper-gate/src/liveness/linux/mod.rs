//! Liveness through pidfds and the process table.

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

pub(super) use here::{Here, host_name};
pub use watch::PidfdWatch;

use reaper_core::{Finding, Sighting};
use rustix::process::Pid;

use super::bare;

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
