//! `reaper run` with real processes and an hour between its ticks: what it settles, it settles because it was woken.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by a panic, its helpers too")]

mod deaths;
mod exits;
mod ground;
mod limits;

pub(crate) use reaper_tests::on_both;
