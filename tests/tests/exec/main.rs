//! `reaper exec` with real processes: what becomes of a job whichever of the three processes ends first, and how.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by a panic, its helpers too")]

mod beats;
mod bond;
mod cgroups;
mod ends;
mod ground;
mod hold;
mod left;
mod lost;
mod memory;
mod overrun;
mod pool;
mod said;
mod spool;
mod stopped;
mod stops;

pub(crate) use reaper_tests::on_both;
