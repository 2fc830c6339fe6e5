#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod attempts;
pub mod claims;
#[cfg(feature = "contract")]
pub mod contract;
pub mod control;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
#[macro_use]
mod database;
mod draw;
pub mod error;
pub mod facts;
pub mod foreign;
pub mod guard;
pub mod history;
pub mod instances;
pub mod memory;
pub mod nodes;
pub mod outbox;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod schema;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use attempts::Attempts;
pub use claims::{Claim, Claims, Outcome, Settlement};
pub use control::Control;
pub use error::StoreError;
pub use facts::Facts;
pub use foreign::Foreign;
pub use guard::Standing;
pub use history::History;
pub use instances::Instances;
pub use memory::MemoryStore;
pub use nodes::Nodes;
pub use outbox::Outbox;
pub use schema::Schema;

/// A whole store: what the reaper and its program need of a jobs table. `SqliteStore`, `PostgresStore` and
/// [`MemoryStore`] are ones.
pub trait Store: Facts + Claims + Outbox + Control + History + Attempts + Nodes + Instances {}

impl<S: Facts + Claims + Outbox + Control + History + Attempts + Nodes + Instances> Store for S {}
