//! What a reaper is composed of, and how it is set.

use std::{sync::Arc, time::Duration};

use reaper_core::{Mode, Policy, beat::BeatTiming, node::NodeTiming};
use reaper_gate::{Advance, Gate, Leases, Notify, Probe, Stop, Watch};
use reaper_store::Store;

use crate::{Courier, Time, exec::Spool};

/// The layers that a reaper is composed of.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The jobs table.
    pub store: Arc<dyn Store>,
    /// Looks at processes.
    pub probe: Arc<dyn Probe>,
    /// Stops executors.
    pub stop: Arc<dyn Stop>,
    /// Quality gates.
    pub gate: Arc<dyn Gate>,
    /// Moves tasks.
    pub advance: Arc<dyn Advance>,
    /// Tells people.
    pub notify: Arc<dyn Notify>,
    /// Lease files, where there are any to watch.
    pub leases: Option<Arc<dyn Leases>>,
    /// Tells the loop of [`start`](crate::Reaper::start) of deaths; it registers what runs on this host. Without one every
    /// tick probes all of that. One watch is one reaper's.
    pub watch: Option<Arc<dyn Watch>>,
    /// The clocks.
    pub time: Arc<dyn Time>,
}

impl Parts {
    /// A courier between these parts, that leases an effect for so long and tries to deliver it so often.
    pub(crate) fn courier(&self, lease: Duration, tries: u32) -> Courier {
        Courier {
            store: Arc::clone(&self.store),
            advance: Arc::clone(&self.advance),
            notify: Arc::clone(&self.notify),
            lease,
            tries,
        }
    }
}

/// How a reaper is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What the rules go by.
    pub policy: Policy,
    /// The configured mode. The stricter of this and the stored one wins.
    pub mode: Mode,
    /// The time between two ticks. Default 10 s.
    pub interval: Duration,
    /// How often a loop with a watch loads all attempts of this host all the same, in a tick: what another program has
    /// written into an old row shows then. Default 2 min.
    pub reconcile: Duration,
    /// How many jobs are acted on in one pass at most. Default 1000; what is beyond it follows at once in the next.
    pub budget: usize,
    /// How many rows of each set are read at a time. Default 1000.
    pub page: usize,
    /// How this reaper's node beats, and that nodes are followed at all. Default: neither. Only the loop of
    /// [`start`](crate::Reaper::start) beats.
    pub node: Option<NodeTiming>,
    /// How attempts beat, and that a beat which stopped is a death where nothing else is known of the executor. Default: it is
    /// none. Whoever sets it promises that a worker which cannot beat stops its work.
    pub beat: Option<BeatTiming>,
    /// The instance that this reaper runs as, where it is in a container. Default: none.
    pub instance: Option<String>,
    /// Whether bare pids are believed to be of this host and namespace. Default true.
    pub bare_pids: bool,
    /// How many gates (and stops) run at once. Default 4.
    pub workers: usize,
    /// Whether stale lease files are removed; has nothing to do with the mode. Default true.
    pub reclaim_leases: bool,
    /// Every how many ticks lease files are looked at. Default 6.
    pub lease_ticks: u64,
    /// How long a delivery may take before another reaper may try it. Default 60 s.
    pub delivery_lease: Duration,
    /// How often a delivery is tried. Default 10.
    pub delivery_tries: u32,
    /// Where workers of this host spool exits, which each pass imports. Default: nowhere.
    pub spool: Option<Spool>,
    /// What this reaper is called in notes: host and pid, say.
    pub name: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            mode: Mode::Enforce,
            interval: Duration::from_secs(10),
            reconcile: Duration::from_secs(120),
            budget: 1000,
            page: 1000,
            node: None,
            beat: None,
            instance: None,
            bare_pids: true,
            workers: 4,
            reclaim_leases: true,
            lease_ticks: 6,
            delivery_lease: Duration::from_secs(60),
            delivery_tries: 10,
            spool: None,
            name: String::from("reaper"),
        }
    }
}
