#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod beats;
mod breaker;
pub mod claim;
#[cfg(feature = "program")]
pub mod cli;
#[cfg(feature = "program")]
pub mod config;
mod courier;
#[cfg(all(feature = "program", feature = "sqlite"))]
mod demo;
mod elsewhere;
mod engine;
pub mod exec;
mod gates;
mod instance;
mod intensity;
mod leases;
mod look;
mod moved_on;
mod node;
mod parts;
mod pool;
mod reaper;
pub mod report;
mod rest;
mod spooled;
mod stops;
mod time;
mod verdicts;
mod watching;

pub use courier::{Courier, Deliveries};
pub use parts::{Parts, Settings};
pub use reaper::{Reaper, StartError, StillRunning};
pub use report::{Counters, PassReport};
pub use time::{SystemTime, Time};
