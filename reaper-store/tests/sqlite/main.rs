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
#[path = "../both/mod.rs"]
mod both;
mod claims;
mod database;
mod errors;
#[cfg(feature = "contract")]
mod foreign;
mod lost;
mod migrate;
mod python;
mod rows;
mod takes;
mod times;
mod triggers;
mod waiting;
