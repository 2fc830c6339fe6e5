//! What the whole-system tests share: a database of their own each, jobs made with plain SQL, fakes behind the traits.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "what tests share fails as tests do: by a panic"
)]

#[cfg(target_os = "linux")]
pub mod cgroup;
#[cfg(target_os = "linux")]
pub mod clock;
#[cfg(unix)]
pub mod cluster;
pub mod database;
#[cfg(unix)]
pub mod disk;
pub mod fakes;
#[cfg(target_os = "linux")]
pub mod fuzz;
pub mod jobs;
pub mod processes;
pub mod program;
pub mod proof;
pub mod proxy;
pub mod setting;
pub mod stories;
