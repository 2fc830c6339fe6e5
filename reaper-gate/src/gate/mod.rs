//! Quality gates: the read-only check that says whether a task may leave its stage.

use std::fmt::Debug;

use reaper_core::{JobSnapshot, Verdict};

mod command;
mod fields;
mod fixed;
#[cfg(all(unix, not(target_os = "openbsd")))]
mod group;

pub use command::{CommandGate, GateCommand, GateConfigError};
pub use fields::{FIELDS, GATE_VARIABLE, Variable, job_fields};
pub use fixed::FixedGate;

/// Asks gates.
///
/// # Obligations
///
/// A gate is read-only. It answers within its own time limit, and an error is `Undecided`, never a verdict. It may be
/// asked any number of times, from several threads at once, and outside any transaction.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Gate: Debug + Send + Sync {
    /// What the gate of this name says about the job's task.
    fn ask(&self, gate: &str, job: &JobSnapshot) -> Verdict;
}
