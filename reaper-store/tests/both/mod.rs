//! What is told once for both databases. Each crate that includes this has a `Database` and a `Program` of its own, and says
//! beside them how the SQL is written in which the two differ. A test that both have in full stands here; of one that
//! differs, the body does.

pub(crate) mod adopt;
pub(crate) mod again;
pub(crate) mod at_once;
pub(crate) mod claims;
#[cfg(feature = "contract")]
mod contract;
pub(crate) mod errors;
pub(crate) mod exits;
#[cfg(feature = "contract")]
mod foreign;
pub(crate) mod lost;
pub(crate) mod migrate;
mod nodes;
mod program;
pub(crate) mod rows;
pub(crate) mod takes;
pub(crate) mod times;
pub(crate) mod triggers;
