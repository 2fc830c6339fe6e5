//! How the program ends: its exit codes, and what a failure says.

use std::process::ExitCode;

use reaper_store::StoreError;

use crate::config::ConfigError;

/// The exit codes, for `--help`.
pub(super) const HELP: &str = "\
Exit codes:
  0  done
  1  it failed: the database, a process or a check said no
  2  the arguments or the configuration are wrong
  3  nothing was changed, though something was to be
  4  the database is not prepared, or by a newer version: run `reaper migrate`, or upgrade
  5  there is no such job, or it does not parse
  6  exec: the command did not end well, or its gate is red: the job is queued again, or failed
  7  exec: the attempt was taken away, and its command was stopped
  8  exec: there is nothing to be taken
  9  exec: the exit is kept, and finishing the job is left to the reapers";

/// An exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// It failed.
    Failed,
    /// The arguments or the configuration are wrong.
    Usage,
    /// Nothing was changed, though something was to be.
    Unchanged,
    /// The database is not prepared for this version.
    NotPrepared,
    /// There is no such job.
    NoSuchJob,
    /// A command did not end well, and its job was settled so.
    NotWell,
    /// An attempt was taken away from its worker.
    TakenAway,
    /// There is nothing to be taken.
    NothingQueued,
    /// An exit is kept, and the reapers have to finish its job.
    Left,
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unchanged => 3,
            Self::NotPrepared => 4,
            Self::NoSuchJob => 5,
            Self::NotWell => 6,
            Self::TakenAway => 7,
            Self::NothingQueued => 8,
            Self::Left => 9,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command did not do what it was asked, and how the program ends with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What, where, and what to do.
    pub message: String,
}

impl Failure {
    /// A failure.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let unprepared = matches!(error, StoreError::NotMigrated { .. } | StoreError::NewerSchema { .. });
        let exit = if unprepared { Exit::NotPrepared } else { Exit::Failed };
        Self::new(exit, error.to_string())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Usage, error.to_string())
    }
}
