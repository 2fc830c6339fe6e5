//! Platforms without pidfds: nothing there tells a process from a later one with its pid.

use std::{path::Path, time::Duration};

use reaper_core::{Attempt, Finding, Liveness, ProcessIdentity, Sighting};

use super::{Carrier, CgroupError, Cgroups, IdentifyError, Stopped};

/// This host, of which only its name is known.
#[derive(Clone, Debug)]
pub(super) struct Here {
    /// The host's name in identities.
    pub(super) host: String,
}

impl Here {
    /// This host under this name.
    pub(super) const fn new(host: String) -> Self {
        Self { host }
    }

    /// Another host's process is that; of our own nothing can be told.
    pub(super) fn probe(&self, identity: &ProcessIdentity) -> Sighting {
        let finding = if identity.host == self.host { Finding::Unsupported } else { Finding::OtherHost };
        Sighting::new(Liveness::Unknown, finding)
    }

    /// Boots cannot be told apart here.
    #[expect(clippy::unused_self, reason = "the same shape as on Linux")]
    pub(super) const fn boot(&self) -> Option<&str> {
        None
    }

    /// Namespaces are Linux's.
    #[expect(clippy::unused_self, reason = "the same shape as on Linux")]
    pub(super) const fn own_pid_namespace(&self) -> Option<u64> {
        None
    }

    /// None can be told from another process here.
    #[expect(clippy::unused_self, reason = "the same shape as on Linux")]
    pub(super) const fn executors(&self) -> Vec<(Attempt, ProcessIdentity)> {
        Vec::new()
    }

    /// As [`Self::executors`].
    #[expect(clippy::unused_self, reason = "the same shape as on Linux")]
    pub(super) const fn carriers(&self) -> Vec<Carrier> {
        Vec::new()
    }

    /// As [`Self::probe`], of each.
    pub(super) fn probe_all(&self, identities: &[&ProcessIdentity]) -> Vec<Sighting> {
        identities.iter().map(|identity| self.probe(identity)).collect()
    }

    /// Not here.
    #[expect(clippy::unused_self, reason = "the same shape as on Linux")]
    pub(super) const fn identify(&self, _: u32) -> Result<ProcessIdentity, IdentifyError> {
        Err(IdentifyError::Unsupported)
    }

    /// What cannot be verified is not signalled.
    #[expect(clippy::unused_self, reason = "the same shape as on Linux")]
    pub(super) const fn stop(
        &self,
        _: &Attempt,
        _: &ProcessIdentity,
        _: Duration,
        _: Option<&Cgroups>,
    ) -> Stopped {
        Stopped::NotVerified
    }
}

/// Cgroups are Linux's.
pub(super) const fn check_cgroups(_: &Path) -> Result<(), CgroupError> {
    Err(CgroupError::Unsupported)
}

/// A group that is nowhere.
#[derive(Clone, Debug)]
pub(super) struct Group;

impl Group {
    /// Of nobody.
    pub(super) const fn of(_: &Path, _: &ProcessIdentity) -> Self {
        Self
    }

    /// There is none to enter.
    #[expect(clippy::unused_self, reason = "the same shape as on Linux")]
    pub(super) const fn enter(&self, _: u32) -> Result<(), CgroupError> {
        Err(CgroupError::Unsupported)
    }

    /// There is none to remove.
    #[expect(clippy::unused_self, reason = "the same shape as on Linux")]
    pub(super) const fn remove(&self) {}

    /// Nobody is in it.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the same shape as on Linux")]
    pub(super) const fn left(&self) -> Result<u32, String> {
        Ok(0)
    }
}

/// The node's name.
#[cfg(unix)]
pub(super) fn host_name() -> Option<String> {
    let node = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    (!node.is_empty()).then_some(node)
}

/// The machine's name.
#[cfg(not(unix))]
pub(super) fn host_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}
