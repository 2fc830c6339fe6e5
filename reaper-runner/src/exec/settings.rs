//! How a worker is set.

use std::{ffi::OsString, time::Duration};

use reaper_core::{Policy, node::NodeTiming};
use reaper_gate::gate::GateCommand;

use super::Spool;

/// A program with its arguments. No shell reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The program. Without `/` it is looked up in `PATH`.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl Program {
    /// A program with its arguments.
    pub fn new(program: impl Into<OsString>, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self { program: program.into(), arguments: arguments.into_iter().map(Into::into).collect() }
    }
}

/// Where the commands' standard output goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prints {
    /// To the monitor's standard output.
    #[default]
    ToOutput,
    /// To the monitor's standard error, beside the commands' own.
    ToError,
}

/// How a worker is set.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// The command that does the work.
    pub command: Program,
    /// The supervisor, to which `--` and the command are added: `reaper hold`, by the path of the program.
    pub hold: Program,
    /// What finishing goes by. Its graces are for others and do not count.
    pub policy: Policy,
    /// Where exits are spooled; the reaper of this host imports from the same folder.
    pub spool: Spool,
    /// How long a command may run. Default: as long as it likes, up to the ceiling that reapers go by.
    pub limit: Option<Duration>,
    /// How long a command may take to end when it is stopped, before it is killed. Default 10 s.
    pub grace: Duration,
    /// The time between two beats. Default 30 s.
    pub beat: Duration,
    /// What runs after the exit is recorded, in this order.
    pub hooks: Vec<GateCommand>,
    /// Whether attempts are bound to the beat of this host's node, and its timing. Default: they are not.
    pub bond: Option<NodeTiming>,
    /// How long a database that does not answer is tried to be told of an exit, before that is left to the reaper of
    /// this host. A pool of workers tries until it is told to end, unless the database refuses. Default 1 min.
    pub patience: Duration,
    /// How long a delivery of what follows from a finish may take before a reaper may try it. Default 1 min.
    pub delivery_lease: Duration,
    /// The longest wait between two looks for a job where there is none. Default 5 s.
    pub idle: Duration,
    /// Where the commands' standard output goes.
    pub prints: Prints,
}

impl WorkerSettings {
    /// The default settings for a command under a supervisor.
    #[must_use]
    pub fn new(command: Program, hold: Program, spool: Spool) -> Self {
        Self {
            command,
            hold,
            policy: Policy::default(),
            spool,
            limit: None,
            grace: Duration::from_secs(10),
            beat: Duration::from_secs(30),
            hooks: Vec::new(),
            bond: None,
            patience: Duration::from_secs(60),
            delivery_lease: Duration::from_secs(60),
            idle: Duration::from_secs(5),
            prints: Prints::default(),
        }
    }
}
