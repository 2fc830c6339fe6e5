//! The suite that every store has to pass.
//!
//! A store is right if all [`CASES`] pass on it. Whoever writes an adapter implements [`Subject`] (the store, and
//! the plain writes of a program that knows nothing of Reaper) and lets [`contract_tests!`](crate::contract_tests)
//! make a test of each case. Each case gets a subject of its own: a fresh, empty database.
//!
//! No case waits and none moves a clock: an age is made by back-dating a column, an expired lease by leasing for no
//! time at all. So a store with a real clock passes them as one with a made-up clock does. Instants are compared
//! with a tolerance of [`SLACK`], because databases may keep whole seconds.
//!
//! ```
//! use reaper_store::{Store, contract::{CASES, Subject}, foreign::Foreign, memory::MemoryStore};
//!
//! #[derive(Debug)]
//! struct Memory(MemoryStore);
//!
//! impl Subject for Memory {
//!     fn store(&self) -> &dyn Store {
//!         &self.0
//!     }
//!     fn foreign(&self) -> &dyn Foreign {
//!         &self.0
//!     }
//! }
//!
//! for (name, case) in CASES {
//!     println!("{name}");
//!     case(&Memory(MemoryStore::new("2026-05-04T10:00:00Z".parse().unwrap())));
//! }
//! ```

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a case of a test suite fails by a panic, and says so once, here"
)]

use std::{fmt::Debug, time::Duration};

use crate::{Store, foreign::Foreign};

pub mod beats;
pub mod books;
pub mod effects;
pub mod fence;
pub mod guard;
pub mod hidden;
pub mod instances;
pub mod late;
pub mod load;
pub mod mirror;
pub mod nodes;
pub mod pages;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod quiet;
pub mod race;
pub mod settle;
pub mod stage;
pub mod statements;
pub mod witnessed;
pub mod worker;

mod cases;
mod scene;

pub use cases::CASES;

/// A store under test with its database.
pub trait Subject: Debug + Send + Sync {
    /// The store.
    fn store(&self) -> &dyn Store;

    /// A program without Reaper, on the same tables, through a connection of its own.
    fn foreign(&self) -> &dyn Foreign;
}

/// By how much an instant that a store gives may differ from the one that is expected.
pub const SLACK: Duration = Duration::from_secs(5);

/// A case: it panics where the subject is wrong.
pub type Case = fn(&dyn Subject);
