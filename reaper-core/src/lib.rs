#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

extern crate alloc;
#[cfg(any(test, feature = "proptest"))]
extern crate std;

pub mod backoff;
pub mod beat;
pub mod breaker;
pub mod clock;
pub mod decide;
pub mod effect;
pub mod explain;
pub mod identity;
pub mod instance;
pub mod intensity;
pub mod job;
pub mod liveness;
pub mod mode;
pub mod node;
pub mod observation;
pub mod pipeline;
pub mod plan;
pub mod policy;
#[cfg(test)]
mod sample;
#[cfg(feature = "serde")]
#[cfg(test)]
mod serialised;
pub mod signature;
pub mod span;
#[cfg(any(test, feature = "proptest"))]
pub mod strategy;

pub use backoff::Backoff;
pub use beat::BeatObservations;
pub use breaker::{Breaker, Breakers};
pub use clock::{Clock, ClockJumps, Timestamp};
pub use decide::{Action, Decision, FailCause, Reason, Rule, decide};
pub use effect::{AdvanceOrder, Alert, Effect};
pub use explain::{Explanation, explain};
pub use identity::ProcessIdentity;
pub use instance::Incarnation;
pub use intensity::Intensity;
pub use job::{Attempt, Fence, JobId, JobSnapshot, RunId, StageVersion, Status, TaskId};
pub use liveness::{Certainty, Finding, Liveness, Sighting};
pub use mode::Mode;
pub use node::{Bond, Node, NodeId, NodeObservations, NodeState};
pub use observation::{Observation, Observations, PassKind, Verdict};
pub use pipeline::Pipeline;
pub use plan::Plan;
pub use policy::{OnOverrun, Policy};
pub use signature::Signature;
pub use span::Span;
