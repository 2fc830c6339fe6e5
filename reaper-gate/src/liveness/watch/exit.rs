//! The exit codes of processes that are nobody's child here.

use std::fmt;

/// The exit of a process, told by the kernel to somebody who is not its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WitnessedExit {
    /// The exit code, 0 to 255, or `-n` where signal `n` ended it. [`reaper_core::job::Exit::signal`] reads it back. The
    /// form `128 + n` is not used: a shell may exit with that by itself.
    pub code: i32,
    /// Where it was told.
    pub witness: Witness,
}

/// Where the kernel told an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Witness {
    /// In its stat file, while it waited to be reaped.
    ProcessTable,
    /// Through its pidfd, after it was reaped (Linux 6.16 and later).
    Pidfd,
}

impl Witness {
    /// Its name, as records keep it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProcessTable => "process table",
            Self::Pidfd => "pidfd",
        }
    }
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The code that a wait status stands for, see `wait(2)`. `None` where it is not that of an end.
#[cfg(any(target_os = "linux", test))]
pub(in crate::liveness) const fn code_of(status: i32) -> Option<i32> {
    // The signal, the mark of a dumped core above it, and the code above both.
    match status & 0x7F {
        _ if status & !0xFFFF != 0 => None,
        0 if status & 0x80 != 0 => None,
        0 => Some(status >> 8),
        0x7F => None,
        signal => Some(-signal),
    }
}

#[cfg(test)]
mod tests {
    use reaper_core::{Timestamp, job::Exit};

    use super::*;

    #[test]
    fn statuses_are_codes_signals_or_nothing() {
        assert_eq!([0, 0x100, 0x700, 0xFF00].map(code_of), [Some(0), Some(1), Some(7), Some(255)]);
        assert_eq!([9, 15, 0x86, 0x40].map(code_of), [Some(-9), Some(-15), Some(-6), Some(-64)]);
        // Stopped, continued, a core of nothing, more than 16 bits.
        assert_eq!([0x137F, 0xFFFF, 0x80, 0x10000, -1, i32::MIN].map(code_of), [None; 6]);
    }

    #[test]
    fn a_signal_is_read_back_from_its_code() {
        for signal in 1..=64 {
            let exit = Exit { code: code_of(signal).unwrap(), at: Timestamp::UNIX_EPOCH };
            assert_eq!(exit.signal(), Some(signal));
        }
    }
}
