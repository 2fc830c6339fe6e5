//! The section `[node]`.

use std::time::Duration;

use reaper_core::node::NodeTiming;
use serde::{Deserialize, Serialize};

use super::span::duration;

/// This host among others: what proves to them that its reaper is there.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// Whether `run` beats, and the beats of other hosts are followed. Where it is not said: on PostgreSQL.
    pub follow: Option<bool>,
    /// The time between two beats.
    #[serde(with = "duration")]
    pub beat: Duration,
    /// For how long a node's silence is no loss; at least three beats.
    #[serde(with = "duration")]
    pub ttl: Duration,
}

impl Default for NodeConfig {
    fn default() -> Self {
        let NodeTiming { interval, ttl } = NodeTiming::default();
        Self { follow: None, beat: interval, ttl }
    }
}
