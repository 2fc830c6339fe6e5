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
#[path = "../both/again.rs"]
mod again;
#[path = "../both/at_once.rs"]
mod at_once;
#[path = "../both/lost.rs"]
mod both_lost;
mod claims;
mod contract;
mod database;
#[path = "../both/effects.rs"]
mod effects;
mod errors;
#[path = "../both/exits.rs"]
mod exits;
mod foreign;
mod lost;
mod migrate;
#[path = "../both/nodes.rs"]
mod nodes;
mod proxy;
mod roles;
mod rows;
mod times;
mod triggers;
mod waiting;
