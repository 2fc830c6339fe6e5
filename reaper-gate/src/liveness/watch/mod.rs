//! Being told of deaths, instead of looking for them.
//!
//! A process is reported if and only if it was registered and is gone: it was so when it was registered, or has ended
//! since, all of its threads, reaped or not. It is reported once for its registration. What is reported as `Dead`
//! and verified is so by the rule of [`crate::liveness`]; a leader that is gone while its session lives on is
//! reported too, as `Leftovers`, and asked for again by [`Watch::sighting`]. Nothing is ever reported of a process
//! that merely has the number of the registered one.
//!
//! Of a registered process that lives nothing is read, however often somebody waits.

mod exit;
#[cfg(unix)]
mod limit;
mod poll;

use std::{fmt, fmt::Debug, sync::Arc, time::Duration};

use reaper_core::{Attempt, Finding, ProcessIdentity, Sighting};

#[cfg(target_os = "linux")]
pub(in crate::liveness) use self::exit::code_of;
#[cfg(target_os = "linux")]
pub(in crate::liveness) use self::limit::room;
#[cfg(unix)]
pub use self::limit::{DescriptorLimit, raise_descriptor_limit};
pub use self::{
    exit::{Witness, WitnessedExit},
    poll::PollWatch,
};
use super::LocalProbe;
#[cfg(target_os = "linux")]
pub use super::sys::PidfdWatch;

/// Watches the processes of attempts.
///
/// # Obligations
///
/// - A registration is `(attempt, role)`. Registering the same subject again changes nothing, and reports nothing
///   again; another subject takes the place of the first, whose death is not reported any more. What could not be
///   watched is tried anew.
/// - A death wakes whoever waits, is returned by one `wait`, and is returned for a registration that still stands.
/// - What cannot be watched is said at once, with the reason, and is its caller's to probe in turn. It is never
///   reported.
/// - Everything may be called from any thread while another one waits. One thread waits at a time: of several, each
///   death is told to one.
/// - Nothing is signalled, and nobody is reaped.
///
/// Nothing is stored: after a crash the next program registers what it finds running, and learns then what died
/// meanwhile.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Watch: Debug + Send + Sync {
    /// Registers a process of an attempt.
    fn watch(&self, attempt: &Attempt, role: Role, subject: &Subject) -> Watching;

    /// Drops what is registered of an attempt, both roles: it is settled. Unknown attempts are no error.
    fn unwatch(&self, attempt: &Attempt);

    /// Waits until a process that is registered has died, somebody calls [`Self::wake`], or the limit is over; without
    /// a limit, for ever. It may return early with nothing, for instance when a signal came; deaths that are known
    /// already are returned at once.
    ///
    /// # Errors
    ///
    /// Where waiting itself does not work. It would not work the next time either: probe in turn.
    fn wait(&self, limit: Option<Duration>) -> Result<Vec<Death>, WatchError>;

    /// Makes the `wait` that is under way return, or the next one.
    fn wake(&self);

    /// What is known now of a registered process. `None` where it is not registered or cannot be watched. Of one that
    /// was reported dead this is what was reported; where something of its session was left, it is looked for again.
    fn sighting(&self, attempt: &Attempt, role: Role) -> Option<Sighting>;

    /// As [`Self::sighting`], of many; in order. Where a look is dear, this shares what can be shared.
    fn sightings(&self, registered: &[(Attempt, Role)]) -> Vec<Option<Sighting>> {
        registered.iter().map(|(attempt, role)| self.sighting(attempt, *role)).collect()
    }

    /// With which code a registered executor has ended, where the kernel still tells; asked again if it did not tell
    /// when the death was reported.
    fn exit(&self, attempt: &Attempt, role: Role) -> Option<WitnessedExit>;

    /// What is registered, counted.
    fn counts(&self) -> WatchCounts;
}

/// What a process is to its attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It does the work.
    Executor,
    /// It waits for the executor and finalises.
    Monitor,
}

/// Which process is to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The one with this identity.
    Identity(ProcessIdentity),
    /// Whoever has this pid at first sight. Its death is never verified.
    Pid(u32),
}

/// What became of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Watching {
    /// It runs, and its death will wake who waits.
    Held,
    /// It runs, and is looked at every now and then while somebody waits.
    Polled,
    /// It is gone. A `wait` reports it, or has.
    Gone,
    /// It is not watched: probe it in turn.
    NotWatched(Unwatched),
}

/// Why a process is not watched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unwatched {
    /// File descriptors, or what the kernel allows of watches, are used up.
    NoRoom,
    /// There are no pidfds here: an old kernel, or a filter on system calls.
    NoPidfds,
    /// Whether it lives cannot be told from here.
    NotTold(Finding),
}

impl fmt::Display for Unwatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoom => f.write_str("no file descriptor is left for it"),
            Self::NoPidfds => f.write_str("the kernel offers no pidfds here"),
            Self::NotTold(finding) => write!(f, "it cannot be told from here: {finding}"),
        }
    }
}

/// A registered process is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// Whose it was.
    pub attempt: Attempt,
    /// What it was to its attempt.
    pub role: Role,
    /// `Dead`, `Leftovers`, or `Unknown` where it is gone and nobody could see whether its session is.
    pub sighting: Sighting,
    /// The exit code that the kernel told, of executors only.
    pub exit: Option<WitnessedExit>,
}

/// What is registered, in numbers of processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchCounts {
    /// Running, their deaths wake who waits.
    pub held: usize,
    /// Running, looked at every now and then.
    pub polled: usize,
    /// Gone, their attempts not yet dropped.
    pub gone: usize,
    /// Not watched for want of file descriptors or kernel watches.
    pub no_room: usize,
    /// Not watched for want of pidfds.
    pub no_pidfds: usize,
    /// Not watched because nothing can be told of them from here.
    pub not_told: usize,
}

impl WatchCounts {
    /// How many are registered and not watched, for whatever reason.
    #[must_use]
    pub const fn not_watched(&self) -> usize {
        self.no_room.saturating_add(self.no_pidfds).saturating_add(self.not_told)
    }

    pub(in crate::liveness) const fn add_unwatched(&mut self, why: &Unwatched) {
        let count = match why {
            Unwatched::NoRoom => &mut self.no_room,
            Unwatched::NoPidfds => &mut self.no_pidfds,
            Unwatched::NotTold(_) => &mut self.not_told,
        };
        *count = count.saturating_add(1);
    }
}

/// Why there is no watching.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The operating system refused this call.
    #[error("{call}: {why}")]
    System {
        /// Which call.
        call: &'static str,
        /// What it answered.
        why: String,
    },
}

/// The best watch of this host: by pidfds where the kernel has them, otherwise one that looks every `every`.
///
/// # Errors
///
/// Where the kernel has pidfds, but an epoll or an eventfd could not be opened.
pub fn local_watch(probe: &LocalProbe, every: Duration) -> Result<Arc<dyn Watch>, WatchError> {
    #[cfg(target_os = "linux")]
    if PidfdWatch::is_supported() {
        return Ok(Arc::new(PidfdWatch::new(probe.clone())?));
    }
    Ok(Arc::new(PollWatch::new(Arc::new(probe.clone()), every)))
}

#[cfg(test)]
mod tests;
