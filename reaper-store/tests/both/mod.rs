//! What is told once for both databases. Each crate that includes this has a `Database` and a `Program` of its own, and says
//! beside them how the SQL is written in which the two differ. A test that both have in full stands here; of one that
//! differs, the body does.

pub(crate) mod again;
pub(crate) mod at_once;
pub(crate) mod claims;
#[cfg(feature = "contract")]
mod contract;
pub(crate) mod exits;
#[cfg(feature = "contract")]
mod foreign;
pub(crate) mod lost;
mod nodes;
mod program;
pub(crate) mod times;
pub(crate) mod triggers;
