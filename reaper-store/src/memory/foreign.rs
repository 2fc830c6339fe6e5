//! The writes of a program that knows nothing of Reaper. The triggers see them as they see any other.

use chrono::TimeDelta;
use reaper_core::{JobId, RunId, TaskId, Timestamp, job::Key};

use super::{
    MemoryStore, later,
    tables::{JobRow, RunRow, Stamp, Tables, TaskRow, missing},
};
use crate::{
    StoreError,
    foreign::{Foreign, ForeignJob, JobColumn, RunColumn, When},
};

impl Foreign for MemoryStore {
    fn insert_task(&self, id: Option<&TaskId>, stage: &str) -> Result<TaskId, StoreError> {
        let mut tables = self.tables();
        let id = match id {
            Some(id) if tables.tasks.contains_key(id) => return Err(taken("task", &id.0)),
            Some(id) => id.clone(),
            None => Tables::next_id(tables.tasks.keys().map(|id| &id.0)).into(),
        };
        let row = TaskRow { repo: "shop".into(), work_item: None, branch: None, stage: stage.into(), version: 0 };
        tables.insert_task(id.clone(), row);
        Ok(id)
    }

    fn set_stage(&self, task: &TaskId, stage: &str) -> Result<(), StoreError> {
        self.tables().update_stage(task, stage)
    }

    fn delete_task(&self, task: &TaskId) -> Result<(), StoreError> {
        self.tables().tasks.remove(task).map(drop).ok_or_else(|| missing("task", &task.0))
    }

    fn insert_job(&self, job: &ForeignJob) -> Result<JobId, StoreError> {
        let mut tables = self.tables();
        match &job.id {
            Some(id) if tables.jobs.contains_key(id) => Err(taken("job", &id.0)),
            Some(_) | None => Ok(insert(&mut tables, job)),
        }
    }

    fn replace_job(&self, job: &ForeignJob) -> Result<JobId, StoreError> {
        let mut tables = self.tables();
        if let Some(id) = &job.id {
            tables.jobs.remove(id);
        }
        Ok(insert(&mut tables, job))
    }

    fn update_job(&self, job: &JobId, columns: &[JobColumn]) -> Result<(), StoreError> {
        let mut tables = self.tables();
        let now = tables.now;
        tables.update_job(job, |row| {
            for column in columns {
                match column {
                    JobColumn::Status(word) => row.status.clone_from(word),
                    JobColumn::Run(run) => row.run.clone_from(run),
                    JobColumn::Pid(pid) => row.pid = *pid,
                    JobColumn::StartedAt(when) => row.started_at = when.stamp(now),
                    JobColumn::Attempts(n) => row.attempts = (*n).into(),
                }
            }
        })
    }

    fn delete_job(&self, job: &JobId) -> Result<(), StoreError> {
        self.tables().jobs.remove(job).map(drop).ok_or_else(|| missing("job", &job.0))
    }

    fn insert_run(&self, exit_code: Option<i32>, finished_at: When) -> Result<RunId, StoreError> {
        let mut tables = self.tables();
        let id = RunId::from(Tables::next_id(tables.runs.keys().map(|id| &id.0)));
        let finished_at = finished_at.stamp(tables.now);
        tables.runs.insert(id.clone(), RunRow { exit_code, finished_at, ..RunRow::default() });
        Ok(id)
    }

    fn update_run(&self, run: &RunId, columns: &[RunColumn]) -> Result<(), StoreError> {
        let mut tables = self.tables();
        let now = tables.now;
        tables.update_run(run, |row| {
            for column in columns {
                match column {
                    RunColumn::ExitCode(code) => row.exit_code = *code,
                    RunColumn::FinishedAt(when) => row.finished_at = when.stamp(now),
                }
            }
        })
    }

    fn spoil_job(&self, job: &JobId) -> Result<(), StoreError> {
        self.tables().update_job(job, |row| row.max_attempts = -1)
    }

    fn refuse_updates(&self, job: &JobId) -> Result<(), StoreError> {
        self.tables().refused.insert(job.clone());
        Ok(())
    }

    fn last_error(&self, job: &JobId) -> Result<Option<String>, StoreError> {
        let tables = self.tables();
        tables.jobs.get(job).map(|row| row.last_error.clone()).ok_or_else(|| missing("job", &job.0))
    }

    fn exit_code(&self, run: &RunId) -> Result<Option<i32>, StoreError> {
        self.tables().runs.get(run).map(|row| row.exit_code).ok_or_else(|| missing("run", &run.0))
    }

    fn dump(&self) -> Result<String, StoreError> {
        let tables = self.tables();
        let Tables { tasks, jobs, runs, events, outbox, mode, breaker, pass, .. } = &*tables;
        Ok(format!("{:#?}", (tasks, jobs, runs, events, outbox, mode, breaker, pass)))
    }
}

impl When {
    fn stamp(self, now: Timestamp) -> Stamp {
        match self {
            Self::Null => Stamp::Null,
            Self::Ago(age) => {
                let age = TimeDelta::from_std(age).ok();
                Stamp::At(age.and_then(|age| now.checked_sub_signed(age)).unwrap_or(Timestamp::MIN_UTC))
            }
            Self::Ahead(by) => Stamp::At(later(now, by)),
            Self::Unreadable => Stamp::Unreadable,
        }
    }
}

fn insert(tables: &mut Tables, job: &ForeignJob) -> JobId {
    let id = job.id.clone().unwrap_or_else(|| Tables::next_id(tables.jobs.keys().map(|id| &id.0)).into());
    let row = JobRow {
        agent: job.agent.clone(),
        repo: job.repo.clone(),
        task: job.task.clone(),
        status: job.status.clone(),
        attempts: job.attempts.into(),
        max_attempts: job.max_attempts.into(),
        run: job.run.clone(),
        pid: job.pid,
        started_at: job.started_at.stamp(tables.now),
        ..JobRow::default()
    };
    tables.insert_job(id.clone(), row);
    id
}

fn taken(what: &str, id: &Key) -> StoreError {
    StoreError::Database(format!("there is a {what} {id} already"))
}
