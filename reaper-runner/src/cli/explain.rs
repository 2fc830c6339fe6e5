//! `reaper explain JOB`: which rule fires, on what figures, and when the answer would change.

use clap::Args;
use reaper_core::job::Key;

use super::{Context, Failure};

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The job's id.
    job: Key,
}

pub(super) fn explain(_context: &Context, _args: &ExplainArgs) -> Result<(), Failure> {
    Ok(())
}
