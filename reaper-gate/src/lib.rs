#![doc = include_str!("../README.md")]

pub mod advance;
pub mod gate;
pub mod lease;
pub mod liveness;
pub mod notify;

pub use advance::Advance;
pub use gate::Gate;
pub use lease::Leases;
pub use liveness::{Probe, Stop, watch::Watch};
pub use notify::Notify;
