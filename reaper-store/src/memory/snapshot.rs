//! From a row to what `decide` sees, or to what is wrong with it.

use reaper_core::{
    Attempt, JobId, JobSnapshot, RunId, StageVersion, TaskId, Timestamp,
    job::{BadRow, Basis, Place, Task},
};

use super::tables::{JobRow, Tables};
use crate::{Standing, facts::Row};

impl JobRow {
    /// The run, unless the attempt before left it behind.
    pub(super) fn own_run(&self) -> Option<&RunId> {
        self.run.as_ref().filter(|_| !self.added.inherited.run)
    }

    /// The bare pid, unless the attempt before left it behind.
    pub(super) fn own_pid(&self) -> Option<u32> {
        self.pid.filter(|_| !self.added.inherited.pid)
    }

    /// When the attempt began, as far as it can be said.
    pub(super) fn began(&self) -> Option<Timestamp> {
        let entered = self.added.entered?;
        Some(if self.added.inherited.started_at { entered } else { self.started_at.seen(entered) })
    }

    /// The facts of this row that a claim can rest on; `None` where its status is no status.
    pub(super) fn basis(&self) -> Option<Basis> {
        Some(Basis {
            status: self.status.parse().ok()?,
            run: self.own_run().cloned(),
            pid: self.own_pid(),
            started_at: self.began(),
            exit: self.added.exit.map(|exit| exit.exit()),
            attach: self.added.attach,
            beat: self.added.beat.map(|beat| beat.count),
            terminating_at: self.added.terminating_at,
        })
    }

    /// What a guard looks at; `None` where its status is no status. Other rows are not looked at.
    pub(super) fn standing(&self, id: &JobId) -> Option<Standing> {
        Some(Standing {
            attempt: Attempt { job: id.clone(), fence: self.added.fence.into() },
            basis: self.basis()?,
            attempts: self.attempts,
            max_attempts: self.max_attempts,
            rescues: self.added.rescues,
            executor_is_shared: false,
        })
    }
}

impl Tables {
    /// Parses a row.
    pub(super) fn parse(&self, id: &JobId, row: &JobRow) -> Row {
        let bad = |column: &str, problem: String| BadRow { job: id.clone(), column: column.into(), problem };
        let count =
            |column, n: i64| u32::try_from(n).map_err(|_| bad(column, format!("is {n}, which is no count")));
        let status = row.status.parse().map_err(|error| bad("status", format!("is {:?}: {error}", row.status)))?;
        Ok(JobSnapshot {
            attempt: Attempt { job: id.clone(), fence: row.added.fence.into() },
            status,
            agent: row.agent.clone(),
            repo: row.repo.clone(),
            task: row.task.as_ref().map(|id| self.task_of(id)),
            attempts: count("attempts", row.attempts)?,
            max_attempts: count("max_attempts", row.max_attempts)?,
            rescues: row.added.rescues,
            run: row.own_run().cloned(),
            pid: row.own_pid(),
            started_at: row.began(),
            exit: row.added.exit.map(|exit| exit.exit()),
            executor: row.added.executor.clone(),
            monitor: row.added.monitor.clone(),
            attach: row.added.attach,
            bond: row.added.bond,
            beat: row.added.beat,
            terminating_at: row.added.terminating_at,
        })
    }

    fn task_of(&self, id: &TaskId) -> Task {
        let row = self.tasks.get(id);
        Task {
            id: id.clone(),
            place: row.map(|row| Place { stage: row.stage.clone(), version: StageVersion::from(row.version) }),
            branch: row.and_then(|row| row.branch.clone()),
            work_item: row.and_then(|row| row.work_item.clone()),
        }
    }
}
