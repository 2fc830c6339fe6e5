//! Every kind of fault.

use reaper_tests::database::Kind;

use crate::ground::Ground;

/// Which faults a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Killed processes alone: a soak.
    Processes,
    All,
}

/// One kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A pool of workers, the monitor of up to four attempts, is killed.
    MonitorKilled,
    /// The leader of an attempt's session is killed.
    ExecutorKilled,
    /// A command, or a child of one.
    CommandKilled,
    /// All processes of an attempt.
    GroupKilled,
    /// A pool with all that carries an attempt.
    PoolAndWorkKilled,
    ReaperKilled,
    MonitorStopped,
    ExecutorStopped,
    CommandStopped,
    ReaperStopped,
    PythonKilled,
    ClockForward,
    ClockBack,
    DiskFull,
    /// Another program holds the database (SQLite) or its table of jobs (PostgreSQL).
    TableLocked,
    /// A connection is cut, and the server still does what it was asked.
    AnswerLost,
    /// A connection is cut before the server hears.
    RequestLost,
    /// A connection is cut between a commit and its answer.
    CommitLost,
    /// An administrator ends all connections.
    BackendsEnded,
    /// The server falls and comes back.
    ServerKilled,
    /// Somebody sends a task back, with a job for it.
    TaskSentBack,
    /// A program takes a job by its status alone, and puts it back.
    ForeignTake,
    /// A program writes to rows that are not its own, and means no harm.
    ForeignTouch,
    /// A row holds what nobody can read.
    RowSpoilt,
    /// Somebody switches to `report`, and back.
    ModeReport,
    /// A gate's command does not end by itself.
    GateHangs,
    /// An alert is not accepted.
    NotifyFails,
}

impl Fault {
    /// Those that can be had here, and those of the scope that cannot.
    pub fn had_on(ground: &Ground, scope: Scope) -> (Vec<Self>, Vec<Self>) {
        let wanted = ALL.iter().filter(|fault| scope == Scope::All || fault.is_of_processes());
        let wanted = wanted.filter(|fault| ground.kind == Kind::Postgres || !fault.is_of_servers());
        wanted.copied().partition(|fault| {
            let moves_clock = [Self::ClockForward, Self::ClockBack].contains(fault);
            (!moves_clock || ground.clock.is_some()) && (*fault != Self::DiskFull || ground.disk.is_some())
        })
    }

    fn is_of_processes(self) -> bool {
        self <= Self::ReaperKilled
    }

    fn is_of_servers(self) -> bool {
        use Fault::{AnswerLost, BackendsEnded, CommitLost, RequestLost, ServerKilled};
        [AnswerLost, RequestLost, CommitLost, BackendsEnded, ServerKilled].contains(&self)
    }
}

const ALL: [Fault; 27] = [
    Fault::MonitorKilled,
    Fault::ExecutorKilled,
    Fault::CommandKilled,
    Fault::GroupKilled,
    Fault::PoolAndWorkKilled,
    Fault::ReaperKilled,
    Fault::MonitorStopped,
    Fault::ExecutorStopped,
    Fault::CommandStopped,
    Fault::ReaperStopped,
    Fault::PythonKilled,
    Fault::ClockForward,
    Fault::ClockBack,
    Fault::DiskFull,
    Fault::TableLocked,
    Fault::AnswerLost,
    Fault::RequestLost,
    Fault::CommitLost,
    Fault::BackendsEnded,
    Fault::ServerKilled,
    Fault::TaskSentBack,
    Fault::ForeignTake,
    Fault::ForeignTouch,
    Fault::RowSpoilt,
    Fault::ModeReport,
    Fault::GateHangs,
    Fault::NotifyFails,
];
