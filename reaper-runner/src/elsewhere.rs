//! What is known of processes that cannot be probed from here: by their nodes, and by their instances.

use reaper_core::{
    JobSnapshot, NodeId, NodeObservations, ProcessIdentity, Sighting, instance::Incarnations, node::Lost,
};

/// The nodes, as a reaper on one of them has heard them, and the instances. Without a node of its own, or where they are
/// not followed, nothing is known of any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elsewhere<'n> {
    heard: Option<(&'n NodeId, &'n NodeObservations)>,
    incarnations: &'n Incarnations,
}

impl<'n> Elsewhere<'n> {
    /// What the node `here`, if there is one, has heard of the others, and what is known of the instances.
    pub(crate) fn new(
        here: Option<&'n NodeId>,
        nodes: &'n NodeObservations,
        incarnations: &'n Incarnations,
    ) -> Self {
        Self { heard: here.map(|here| (here, nodes)), incarnations }
    }

    /// What is known of a process of a job, beside what a probe saw.
    pub(crate) fn judge(self, identity: &ProcessIdentity, job: &JobSnapshot, seen: Sighting) -> Sighting {
        let seen = match self.heard {
            Some((here, nodes)) => nodes.judge(here, identity, job.bond, seen),
            None => seen,
        };
        self.incarnations.judge(identity, seen)
    }

    /// The nodes and places whose attempts may have to be settled although nothing of them can be probed from here.
    pub(crate) fn lost(self) -> Vec<Lost> {
        let heard = self.heard.map_or_else(Vec::new, |(here, nodes)| {
            // This host's own attempts are looked at anyway.
            nodes.lost(here).into_iter().filter(|lost| lost.host != here.host).collect()
        });
        heard.into_iter().chain(self.incarnations.lost()).collect()
    }

    /// Other boots of this very host that beat.
    pub(crate) fn doubles(self) -> Vec<NodeId> {
        self.heard.map_or_else(Vec::new, |(here, nodes)| nodes.doubles(here))
    }
}
