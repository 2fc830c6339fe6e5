//! What the kernel tells through two `ioctl`s: of an ended process through its pidfd, and of a number through any socket.
//! The only ones here, and the only unsafe code.

use std::{os::fd::AsFd, os::unix::net::UnixDatagram};

use rustix::{
    io::Errno,
    ioctl::{Opcode, Setter, Updater, ioctl, opcode},
    process::Pid,
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

/// `FIOSETOWN` of `asm-generic/sockios.h`.
#[cfg(not(any(target_arch = "mips", target_arch = "mips64", target_arch = "sparc", target_arch = "sparc64")))]
const SET_OWNER: Opcode = 0x8901;
#[cfg(any(target_arch = "mips", target_arch = "mips64", target_arch = "sparc", target_arch = "sparc64"))]
const SET_OWNER: Opcode = opcode::write::<i32>(b'f', 124);

/// Whether anything goes by this number: a process or a thread, reaped or not, a process group, a session. The kernel
/// forgets a number when nothing does, so that one that is not in use names no session with a member left, whatever
/// the process table shows.
///
/// It is asked by making its bearer the owner of a socket of ours, which changes nothing: an owner is only signalled
/// where that is asked for.
///
/// # Errors
///
/// What the kernel answers where it does not tell.
#[expect(unsafe_code, reason = "no library offers this call safely")]
pub(super) fn is_in_use(socket: &UnixDatagram, number: Pid) -> Result<bool, Errno> {
    // SAFETY: the call reads one `int` behind the pointer that it is given, and that is what a `Setter` of an `i32` gives.
    // The descriptor is a socket's, where this number has no other meaning.
    let set = unsafe { ioctl(socket, Setter::<SET_OWNER, i32>::new(number.as_raw_pid())) };
    match set {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error),
    }
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
    fn a_number_is_in_use_until_its_session_is_over() {
        let socket = UnixDatagram::unbound().unwrap();
        assert_eq!(is_in_use(&socket, getpid()), Ok(true));
        // The leader's shell stays for its child, which holds the pipe open; nobody but us reaps the leader.
        let mut leader = Command::new("setsid")
            .args(["sh", "-c", "sh -c 'echo up; read _' & wait"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let number = Pid::from_raw(i32::try_from(leader.id()).unwrap()).unwrap();
        leader.kill().unwrap();
        assert_eq!(is_in_use(&socket, number), Ok(true), "it waits to be reaped");
        leader.wait().unwrap();
        // Whatever it left has ended with its input, and is reaped by whoever reaps orphans here.
        let over = (0..600).any(|_| {
            let over = is_in_use(&socket, number) == Ok(false);
            let pause = rustix::event::Timespec { tv_sec: 0, tv_nsec: if over { 0 } else { 50_000_000 } };
            rustix::event::poll(&mut [], Some(&pause)).unwrap();
            over
        });
        assert!(over, "nothing is left of it, and its number is forgotten");
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
