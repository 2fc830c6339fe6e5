//! The probe of this host.

use reaper_core::{Certainty, Finding, Liveness, NodeId, ProcessIdentity, Sighting, instance::Place};

use super::{Cgroups, Probe, bare, sys};

/// Looks at the processes of this host.
///
/// | platform | an identity | a bare pid, where they are trusted |
/// |---|---|---|
/// | Linux 5.3 and later | through a pidfd and the process table; told apart by inode (Linux 6.9) and start time | through a pidfd, else by `kill(pid, 0)` |
/// | other Unixes | `Unknown`: a recycled pid could not be noticed | by `kill(pid, 0)`: a zombie counts as alive |
/// | Windows and others | `Unknown` | `Unknown` |
///
/// Facts about this host (its boot, our PID namespace, what the process table shows) are read once, by
/// [`LocalProbeBuilder::build`].
#[derive(Clone, Debug)]
pub struct LocalProbe {
    here: sys::Here,
    trust_bare_pids: bool,
    cgroups: Option<Cgroups>,
}

/// Sets a [`LocalProbe`] up.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct LocalProbeBuilder {
    host: Option<String>,
    trust_bare_pids: bool,
    cgroups: Option<Cgroups>,
}

/// Why there is no name for this host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// Nothing on this machine names it.
    #[error("this machine has no id and no name; set the host's name in the configuration")]
    Nameless,
    /// The configured name cannot stand in an identity.
    #[error("the host's name {0:?} is empty, or holds a slash or a control character")]
    Name(String),
}

/// Why a process could not be identified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentifyError {
    /// It is not there, or has ended.
    #[error("no process with this pid is running")]
    Gone,
    /// The operating system did not say, for this reason.
    #[error("could not be read: {0}")]
    Unreadable(String),
    /// This platform offers nothing to tell processes apart by.
    #[error("this platform offers nothing to identify a process by")]
    Unsupported,
}

impl LocalProbe {
    /// A builder: the host is named by the machine itself, bare pids are not trusted.
    pub fn builder() -> LocalProbeBuilder {
        LocalProbeBuilder::default()
    }

    /// The identity of the process that has this pid now, for [`Probe::probe`] later.
    ///
    /// Its caller must know that the pid still is the process that it means: its parent does, until it waits for it.
    ///
    /// # Errors
    ///
    /// Where the process has ended or cannot be told from another one; on platforms other than Linux always.
    pub fn identify(&self, pid: u32) -> Result<ProcessIdentity, IdentifyError> {
        self.here.identify(pid)
    }

    /// The identity of this very process.
    ///
    /// # Errors
    ///
    /// As [`Self::identify`].
    pub fn identify_self(&self) -> Result<ProcessIdentity, IdentifyError> {
        self.identify(std::process::id())
    }

    /// Whether bare pids are said to be of this host and PID namespace.
    #[cfg(target_os = "linux")]
    pub(super) const fn trusts_bare_pids(&self) -> bool {
        self.trust_bare_pids
    }

    /// The cgroups of executors, where there are any.
    #[must_use]
    pub const fn cgroups(&self) -> Option<&Cgroups> {
        self.cgroups.as_ref()
    }

    /// Looks for what is left in the cgroups of those that are dead; in order.
    pub(super) fn with_cgroups(&self, identities: &[&ProcessIdentity], seen: &mut [Sighting]) {
        let Some(cgroups) = &self.cgroups else { return };
        for (identity, seen) in identities.iter().zip(seen) {
            // Whatever was in the groups of another boot has ended with it.
            if seen.liveness == Liveness::Dead(Certainty::Verified) && seen.finding != Finding::Rebooted {
                cgroups.amend(identity, seen);
            }
        }
    }

    /// What identities are compared with.
    pub(super) const fn here(&self) -> &sys::Here {
        &self.here
    }
}

impl Probe for LocalProbe {
    fn host(&self) -> &str {
        &self.here.host
    }

    fn node(&self) -> Option<NodeId> {
        let boot = self.here.boot()?;
        Some(NodeId { host: self.here.host.clone(), boot: boot.to_owned() })
    }

    fn place(&self) -> Option<Place> {
        let (boot, pid_namespace) = (self.here.boot()?.to_owned(), self.here.own_pid_namespace()?);
        Some(Place { host: self.here.host.clone(), boot, pid_namespace })
    }

    fn probe(&self, identity: &ProcessIdentity) -> Sighting {
        let mut seen = self.here.probe(identity);
        self.with_cgroups(&[identity], std::slice::from_mut(&mut seen));
        seen
    }

    fn probe_all(&self, identities: &[&ProcessIdentity]) -> Vec<Sighting> {
        let mut seen = self.here.probe_all(identities);
        self.with_cgroups(identities, &mut seen);
        seen
    }

    /// A bare pid is compared only where the operator says that the reaper shares host and PID namespace with the
    /// workers ([`LocalProbeBuilder::trust_bare_pids`]). A pid of 0 counts as none; what no process can have, as dead.
    fn probe_pid(&self, pid: u32) -> Sighting {
        if pid == 0 {
            Sighting::NOTHING_RECORDED
        } else if self.trust_bare_pids {
            bare::probe(pid)
        } else {
            Sighting::new(Liveness::Unknown, Finding::PidNotTrusted)
        }
    }
}

impl LocalProbeBuilder {
    /// Names the host, where the machine's own id must not be told or is not its own (a cloned image). The name must
    /// be the same for every reaper and worker of this machine, after a reboot too, and no other machine's.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.host = Some(name.into());
        self
    }

    /// Whether pids that are recorded without an identity are those of this host and PID namespace.
    pub const fn trust_bare_pids(mut self, trusted: bool) -> Self {
        self.trust_bare_pids = trusted;
        self
    }

    /// Where executors have cgroups of their own: an executor is dead only if its group is empty as well, and a stop ends all
    /// that is in it. Default: they have none.
    pub fn cgroups(mut self, cgroups: Cgroups) -> Self {
        self.cgroups = Some(cgroups);
        self
    }

    /// Looks around on this host. What cannot be read makes later answers `Unknown`; it is no error here.
    ///
    /// # Errors
    ///
    /// Where there is no usable name for the host.
    pub fn build(self) -> Result<LocalProbe, HostError> {
        let host = self.host.or_else(sys::host_name).ok_or(HostError::Nameless)?;
        if host.is_empty() || host.contains(|c: char| c == '/' || c.is_control()) {
            return Err(HostError::Name(host));
        }
        Ok(LocalProbe { here: sys::Here::new(host), trust_bare_pids: self.trust_bare_pids, cgroups: self.cgroups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_break_an_identity_is_refused() {
        for name in ["", "a/b", "a\nb"] {
            let built = LocalProbe::builder().host(name).build();
            assert_eq!(built.unwrap_err(), HostError::Name(name.to_owned()));
        }
    }

    #[test]
    fn the_name_given_is_the_one_in_identities() {
        let probe = LocalProbe::builder().host("mine").build().unwrap();
        assert_eq!(probe.host(), "mine");
        if cfg!(target_os = "linux") {
            assert_eq!(probe.identify_self().unwrap().host, "mine");
        }
    }

    #[test]
    fn bare_pids_are_not_trusted_unless_it_is_said() {
        let seen = LocalProbe::builder().build().unwrap().probe_pid(std::process::id());
        assert_eq!(seen, Sighting::new(Liveness::Unknown, Finding::PidNotTrusted));
    }

    #[test]
    fn zero_is_no_pid_whoever_is_trusted() {
        for trusted in [false, true] {
            let probe = LocalProbe::builder().trust_bare_pids(trusted).build().unwrap();
            assert_eq!(probe.probe_pid(0), Sighting::NOTHING_RECORDED);
        }
    }
}
