//! What reapers and people share through the database: the mode, the breaker, the latest pass.

#![expect(clippy::missing_errors_doc, reason = "the trait states the errors of its methods once")]

use std::fmt::Debug;

use reaper_core::{Breakers, Mode, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    StoreError,
    facts::{Page, Wanted},
    nodes::NodeRow,
};

/// What the latest pass of any reaper left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassNote {
    /// When it ended, by the database's clock.
    pub at: Timestamp,
    /// Which reaper: host and pid.
    pub reaper: String,
    /// How many claims it won.
    pub won: u64,
    /// How many it lost.
    pub lost: u64,
    /// The error that ended it, where one did.
    pub error: Option<String>,
    /// What that reaper watches, where it does.
    #[serde(default)]
    pub watch: Option<WatchTally>,
}

/// How many processes a reaper follows, by how it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchTally {
    /// Their deaths wake it.
    pub watched: u64,
    /// They are probed in turn: the kernel offers no better, or file descriptors are used up.
    pub in_turn: u64,
}

/// What a pass has to know before it loads anything, read at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outset {
    /// The database's clock.
    pub now: Timestamp,
    /// The stored mode, as [`Control::mode`].
    pub mode: Mode,
    /// The stored breaker, as [`Control::breaker`].
    pub breaker: Breakers,
    /// Whether any effect in the outbox is due.
    pub effects_due: bool,
    /// Every node, as [`Nodes::nodes`](crate::Nodes::nodes), in any order; `None` where they were not asked for.
    pub nodes: Option<Vec<NodeRow>>,
}

/// Whether a pass has to know the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// It has.
    Nodes,
    /// None of them.
    Nothing,
}

/// What a pass begins with: what it has to know, and the first page of its load.
#[derive(Clone, Debug)]
pub struct Opening {
    /// As [`Facts::version`](crate::Facts::version), from before the page was read.
    pub version: Option<u64>,
    /// What it has to know.
    pub outset: Outset,
    /// The first page, where one was asked for.
    pub page: Option<Page>,
}

/// What a pass wants to load once it knows its outset, and how many rows of each set; `None`: nothing. Asked at most
/// once, inside the store's call, so it calls no store.
pub type Ask<'a> = dyn FnMut(&Outset) -> Option<(Wanted, usize)> + 'a;

/// Reads and writes what is shared.
///
/// # Errors
///
/// Every method fails with a [`StoreError`] where the database does; nothing was changed then.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Control: Debug + Send + Sync {
    /// What a pass has to know first, in one statement. `None` (the default) where the store has no such statement;
    /// then each is asked for by itself.
    fn outset(&self) -> Result<Option<Outset>, StoreError> {
        Ok(None)
    }

    /// The outset and the first page in one call, which is cheaper than two. `None` (the default) where the store
    /// has no such call, and `ask` was not asked then.
    fn open<'a>(&self, follow: Follow, ask: &'a mut Ask<'a>) -> Result<Option<Opening>, StoreError> {
        let _unasked = (follow, ask);
        Ok(None)
    }

    /// The stored mode; `enforce` where none was ever stored.
    fn mode(&self) -> Result<Mode, StoreError>;

    /// Stores the mode, and an event that says so. Answers with the one before.
    fn set_mode(&self, mode: Mode) -> Result<Mode, StoreError>;

    /// The stored breaker; closed where none was ever stored.
    fn breaker(&self) -> Result<Breakers, StoreError>;

    /// Stores the breaker.
    fn set_breaker(&self, breaker: &Breakers) -> Result<(), StoreError>;

    /// The note of the latest pass.
    fn latest_pass(&self) -> Result<Option<PassNote>, StoreError>;

    /// Leaves a note of a pass.
    fn note_pass(&self, note: &PassNote) -> Result<(), StoreError>;
}
