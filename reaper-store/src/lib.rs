#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod attempts;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod bisect;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod books;
pub mod claims;
#[cfg(feature = "contract")]
pub mod contract;
pub mod control;
mod draw;
pub mod error;
pub mod facts;
pub mod foreign;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod form;
pub mod guard;
pub mod history;
pub mod instances;
pub mod memory;
pub mod nodes;
pub mod outbox;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod parts;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod row;
pub mod schema;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod script;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod values;

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

/// A whole store: what the reaper and its program need of a jobs table.
pub trait Store: Facts + Claims + Outbox + Control + History + Attempts + Nodes + Instances {}

impl<S: Facts + Claims + Outbox + Control + History + Attempts + Nodes + Instances> Store for S {}
