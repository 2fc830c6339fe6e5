//! The store on SQLite, on files of its own, beside a program that knows nothing of Reaper.
#![cfg(feature = "sqlite")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by a panic, and says loudly what it skips"
)]

mod adopt;
#[path = "../both/again.rs"]
mod again;
#[path = "../both/at_once.rs"]
mod at_once;
#[path = "../both/lost.rs"]
mod both_lost;
mod claims;
#[cfg(feature = "contract")]
mod contract;
mod database;
#[path = "../both/effects.rs"]
mod effects;
mod errors;
#[path = "../both/exits.rs"]
mod exits;
#[cfg(feature = "contract")]
mod foreign;
mod lost;
mod migrate;
#[path = "../both/nodes.rs"]
mod nodes;
mod python;
mod rows;
mod times;
mod triggers;
mod waiting;
