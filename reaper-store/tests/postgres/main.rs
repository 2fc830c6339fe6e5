//! The store on PostgreSQL, on databases of its own, beside a program that knows nothing of Reaper.
#![cfg(all(feature = "postgres", feature = "contract"))]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

mod adopt;
#[path = "../both/mod.rs"]
mod both;
mod claims;
mod database;
mod errors;
mod foreign;
mod lost;
mod migrate;
mod proxy;
mod roles;
mod rows;
mod takes;
mod times;
mod triggers;
mod waiting;
