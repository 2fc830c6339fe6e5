//! What a pidfd tells of its process through one `ioctl`, the only one here and the only unsafe code.

use std::os::fd::AsFd;

use rustix::{
    io::Errno,
    ioctl::{Opcode, Updater, ioctl, opcode},
};

/// `struct pidfd_info` of `linux/pidfd.h` in its first form, 64 bytes, as it came with Linux 6.13. Later kernels
/// append to it, and fill in only as much as the number of the call says that there is room for.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct PidfdInfo {
    /// In: what is asked for. Out: what was filled in.
    mask: u64,
    cgroup: u64,
    /// Eleven ids, of processes, users and groups.
    ids: [u32; 11],
    /// A wait status, as `wait(2)` has it. Before Linux 6.15 this was padding.
    exit_code: i32,
}

/// `PIDFD_GET_INFO`: `_IOWR(0xFF, 11, struct pidfd_info)`.
const GET_INFO: Opcode = opcode::read_write::<PidfdInfo>(0xFF, 11);
/// `PIDFD_INFO_EXIT`, since Linux 6.15.
const EXIT: u64 = 1 << 3;

/// The wait status of a process that has ended and been reaped. `None` while it has not, and on kernels that do not
/// tell.
///
/// # Errors
///
/// What the kernel answers where it has no such call.
#[expect(
    unsafe_code,
    reason = "no library offers this call safely; the kernel's answer goes into a struct of ours"
)]
pub(super) fn exit_status(pidfd: impl AsFd) -> Result<Option<i32>, Errno> {
    let mut info = PidfdInfo { mask: EXIT, ..PidfdInfo::default() };
    // SAFETY: the number of the call holds the size of `PidfdInfo`, which has the kernel's layout (checked below): the
    // kernel reads and writes no more than that. Every bit pattern is a valid value of its integers. On a descriptor
    // that is no pidfd the number means nothing, and is refused: no other driver has 0xFF with 11 and this size.
    unsafe { ioctl(pidfd, Updater::<GET_INFO, PidfdInfo>::new(&mut info)) }?;
    Ok((info.mask & EXIT != 0).then_some(info.exit_code))
}

const _: () = assert!(size_of::<PidfdInfo>() == 64 && align_of::<PidfdInfo>() <= 8);
const _: () = assert!(std::mem::offset_of!(PidfdInfo, exit_code) == 60);

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open};

    use super::*;

    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[test]
    fn the_number_of_the_call_is_the_headers() {
        assert_eq!(format!("{GET_INFO:x}"), "c040ff0b");
    }

    #[test]
    fn of_the_living_nothing_is_told() {
        let pidfd = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
        assert!(matches!(exit_status(&pidfd), Ok(None) | Err(_)));
    }

    #[test]
    fn what_is_no_pidfd_is_refused_or_tells_nothing() {
        let file = tempfile::tempfile().unwrap();
        let (pipe, _other_end) = rustix::pipe::pipe().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        for refused in [exit_status(&file), exit_status(&pipe), exit_status(&null)] {
            assert!(refused.is_err(), "{refused:?}");
        }
    }

    #[test]
    fn of_the_reaped_the_status_is_told() {
        let mut child = Command::new("sh").args(["-c", "read _; exit 7"]).stdin(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        drop(child.stdin.take());
        child.wait().unwrap();
        match exit_status(&pidfd) {
            Ok(Some(status)) => assert_eq!(status, 7 << 8),
            Ok(None) | Err(_) => eprintln!("SKIPPED: this kernel does not tell (before Linux 6.15)"),
        }
    }
}
