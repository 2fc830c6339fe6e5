//! How an attempt ended badly, in one word to group by and to name in a policy.

use alloc::string::String;
use core::{fmt, str::FromStr};

use crate::{Observation, Reason, job::Exit};

#[cfg(test)]
mod tests;

/// How an attempt ended badly. Written `code:3`, `signal:SEGV`, `oom`, `vanished`, `overrun`, `never_started`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signature {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it: `-n` or `128 + n` was recorded.
    Signal(i32),
    /// The kernel killed it for want of memory.
    OutOfMemory,
    /// It is dead, and nobody has recorded an exit.
    Vanished,
    /// It ran past its ceiling.
    Overrun,
    /// It never showed a sign of having started.
    NeverStarted,
}

/// The signal by which the kernel kills for want of memory.
const KILL: i32 = 9;

/// Signals by their customary names, as Linux numbers them on x86 and ARM.
const SIGNALS: [(i32, &str); 31] = [
    (1, "HUP"),
    (2, "INT"),
    (3, "QUIT"),
    (4, "ILL"),
    (5, "TRAP"),
    (6, "ABRT"),
    (7, "BUS"),
    (8, "FPE"),
    (9, "KILL"),
    (10, "USR1"),
    (11, "SEGV"),
    (12, "USR2"),
    (13, "PIPE"),
    (14, "ALRM"),
    (15, "TERM"),
    (16, "STKFLT"),
    (17, "CHLD"),
    (18, "CONT"),
    (19, "STOP"),
    (20, "TSTP"),
    (21, "TTIN"),
    (22, "TTOU"),
    (23, "URG"),
    (24, "XCPU"),
    (25, "XFSZ"),
    (26, "VTALRM"),
    (27, "PROF"),
    (28, "WINCH"),
    (29, "IO"),
    (30, "PWR"),
    (31, "SYS"),
];

impl Signature {
    /// What a recorded exit says; `None` of an exit 0.
    #[must_use]
    pub fn of_exit(exit: &Exit) -> Option<Self> {
        match (exit.code, exit.signal()) {
            (0, _) => None,
            (_, Some(signal)) => Some(Self::Signal(signal)),
            (code, None) => Some(Self::Code(code)),
        }
    }

    /// How an attempt ended that is to be requeued or failed for this reason; `None` where it did not end badly: its gate
    /// is red, say.
    #[must_use]
    pub fn of(reason: Reason, exit: Option<&Exit>, seen: &Observation) -> Option<Self> {
        match reason {
            Reason::ExitNonzero => match exit.and_then(Self::of_exit) {
                Some(Self::Signal(KILL)) if seen.out_of_memory => Some(Self::OutOfMemory),
                signature => signature,
            },
            Reason::NobodyLeft | Reason::ExecutorDead if seen.out_of_memory => Some(Self::OutOfMemory),
            Reason::NobodyLeft | Reason::ExecutorDead => Some(Self::Vanished),
            Reason::OverCeiling => Some(Self::Overrun),
            Reason::NeverStarted => Some(Self::NeverStarted),
            Reason::NotRunning
            | Reason::Finalizing
            | Reason::NoTask
            | Reason::AlreadyAdvanced
            | Reason::NoGate
            | Reason::GateNotAsked
            | Reason::GateGreen
            | Reason::GateRed
            | Reason::GateUndecided
            | Reason::UnknownAgent
            | Reason::UnknownStage
            | Reason::StageBefore
            | Reason::TaskMissing
            | Reason::OverCeilingElsewhere
            | Reason::Held
            | Reason::Terminating
            | Reason::ShortStreak
            | Reason::Alive
            | Reason::Leftovers
            | Reason::NotLetGo
            | Reason::Elsewhere
            | Reason::Unknown => None,
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "code:{code}"),
            Self::Signal(signal) => match SIGNALS.iter().find(|(number, _)| number == signal) {
                Some((_, name)) => write!(f, "signal:{name}"),
                None => write!(f, "signal:{signal}"),
            },
            Self::OutOfMemory => f.write_str("oom"),
            Self::Vanished => f.write_str("vanished"),
            Self::Overrun => f.write_str("overrun"),
            Self::NeverStarted => f.write_str("never_started"),
        }
    }
}

/// A word that is no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no signature: write code:3, signal:SEGV or signal:11, oom, vanished, overrun or never_started")]
pub struct UnknownSignature(pub String);

impl FromStr for Signature {
    type Err = UnknownSignature;

    fn from_str(text: &str) -> Result<Self, UnknownSignature> {
        let unknown = || UnknownSignature(text.into());
        match text.split_once(':') {
            Some(("code", code)) => {
                code.parse().ok().filter(|code| *code != 0).map(Self::Code).ok_or_else(unknown)
            }
            Some(("signal", name)) => {
                let bare = name.strip_prefix("SIG").unwrap_or(name);
                let named = SIGNALS.iter().find(|(_, known)| *known == bare).map(|(number, _)| *number);
                let number = named.or_else(|| name.parse().ok().filter(|number| (1..=64).contains(number)));
                number.map(Self::Signal).ok_or_else(unknown)
            }
            Some(_) => Err(unknown()),
            None => [Self::OutOfMemory, Self::Vanished, Self::Overrun, Self::NeverStarted]
                .into_iter()
                .find(|signature| alloc::format!("{signature}") == text)
                .ok_or_else(unknown),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
