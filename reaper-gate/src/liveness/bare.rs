//! What a bare pid can tell: whether some process has that number now.

#[cfg(unix)]
use reaper_core::Certainty;
use reaper_core::{Finding, Liveness, Sighting};

/// Looks at a pid that is not 0.
#[cfg(unix)]
pub(super) fn probe(number: u32) -> Sighting {
    // Above, `kill` would read a negative number, which means a process group.
    let Some(pid) = i32::try_from(number).ok().and_then(rustix::process::Pid::from_raw) else {
        return dead(Finding::NoSuchProcess);
    };
    #[cfg(target_os = "linux")]
    if let Some(seen) = super::sys::probe_pid(pid) {
        return seen;
    }
    by_kill(pid)
}

/// Nothing here tells.
#[cfg(not(unix))]
pub(super) fn probe(_: u32) -> Sighting {
    Sighting::new(Liveness::Unknown, Finding::Unsupported)
}

/// Asks by a signal that is not sent. A zombie still counts as a process.
#[cfg(unix)]
fn by_kill(pid: rustix::process::Pid) -> Sighting {
    use rustix::io::Errno;
    match rustix::process::test_kill_process(pid) {
        // Not being allowed to signal it, one knows that it is there.
        Ok(()) | Err(Errno::PERM) => alive(),
        Err(Errno::SRCH) => dead(Finding::NoSuchProcess),
        Err(error) => Sighting::new(Liveness::Unknown, Finding::Unreadable(format!("kill: {error}"))),
    }
}

/// Some process has the number.
#[cfg(unix)]
pub(super) const fn alive() -> Sighting {
    Sighting::new(Liveness::Alive(Certainty::Unverified), Finding::PidExists)
}

/// No living process has the number.
#[cfg(unix)]
pub(super) const fn dead(finding: Finding) -> Sighting {
    Sighting::new(Liveness::Dead(Certainty::Unverified), finding)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn our_own_pid_exists_either_way() {
        assert_eq!(probe(std::process::id()), alive());
        assert_eq!(by_kill(rustix::process::getpid()), alive());
    }

    #[test]
    fn numbers_that_no_process_can_have_are_dead_and_reach_no_group() {
        for number in [i32::MAX.cast_unsigned() + 1, u32::MAX] {
            assert_eq!(probe(number), dead(Finding::NoSuchProcess));
        }
        // The largest number is a legal one, but above every limit for pids.
        assert_eq!(probe(i32::MAX.cast_unsigned()), dead(Finding::NoSuchProcess));
        let largest = rustix::process::Pid::from_raw(i32::MAX).unwrap();
        assert_eq!(by_kill(largest), dead(Finding::NoSuchProcess));
    }
}
