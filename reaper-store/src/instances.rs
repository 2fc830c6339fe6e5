//! The instances: names of which each stands for one container at a time.

#![expect(clippy::missing_errors_doc, reason = "the trait states the errors of its methods once")]

use std::fmt::Debug;

use reaper_core::{Incarnation, instance::Place};

use crate::StoreError;

/// Reads and writes the incarnations: one row for each place that an instance runs at, or ran at and has attempts left.
///
/// # Obligations
///
/// A registration is one transaction. After it the place is the latest of that instance alone, and every other place of
/// the instance is superseded, with an event each; what another instance had registered at the very place is forgotten,
/// since its inode came back. A place that was superseded before, and that no
/// running job names any more, is forgotten too.
///
/// # Errors
///
/// Every method fails with a [`StoreError`] where the database does; nothing was changed then.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Instances: Debug + Send + Sync {
    /// Registers where an instance runs from now on. The same again is nothing new.
    fn register(&self, instance: &str, place: &Place) -> Result<(), StoreError>;

    /// Notes that the reaper at this place has seen a process alive there that started then, in clock ticks since boot. What
    /// is noted only grows, and begins anew with each registration that is something new.
    fn note_start(&self, place: &Place, start: u64) -> Result<(), StoreError>;

    /// Every incarnation, by instance and then the earliest first.
    fn incarnations(&self) -> Result<Vec<Incarnation>, StoreError>;
}
