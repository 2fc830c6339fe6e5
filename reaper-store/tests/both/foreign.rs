//! The suite's foreign program, in SQL.

use std::fmt::Display;

use reaper_core::{JobId, RunId, TaskId};
use reaper_store::{
    StoreError,
    foreign::{Foreign, ForeignJob, JobColumn, RunColumn, When},
};

use crate::{
    database::{Program, refuses, replace},
    foreign::{NO_COUNT, time},
};

/// The columns of a job beside its id.
const JOB: &str = "agent, repo, task_id, status, attempts, max_attempts, run_id, pid, started_at";

impl Foreign for Program {
    fn insert_task(&self, id: Option<&TaskId>, stage: &str) -> Result<TaskId, StoreError> {
        Ok(self.insert("tasks", id, "repo, stage", &format!("'shop', '{stage}'"))?.into())
    }

    fn set_stage(&self, task: &TaskId, stage: &str) -> Result<(), StoreError> {
        self.change_one(&format!("UPDATE tasks SET stage = '{stage}' WHERE id = {task}"))
    }

    fn delete_task(&self, task: &TaskId) -> Result<(), StoreError> {
        self.change_one(&format!("DELETE FROM tasks WHERE id = {task}"))
    }

    fn insert_job(&self, job: &ForeignJob) -> Result<JobId, StoreError> {
        Ok(self.insert("jobs", job.id.as_ref(), JOB, &values(job))?.into())
    }

    fn replace_job(&self, job: &ForeignJob) -> Result<JobId, StoreError> {
        let id = job.id.clone().expect("a job that is replaced has an id");
        self.try_run(&replace("jobs", &id, JOB, &values(job)))?;
        Ok(id)
    }

    fn update_job(&self, job: &JobId, columns: &[JobColumn]) -> Result<(), StoreError> {
        let set: Vec<_> = columns
            .iter()
            .map(|column| match column {
                JobColumn::Status(word) => format!("status = '{word}'"),
                JobColumn::Run(run) => format!("run_id = {}", literal(run.as_ref())),
                JobColumn::Pid(pid) => format!("pid = {}", literal(pid.as_ref())),
                JobColumn::StartedAt(when) => format!("started_at = {}", time(*when)),
                JobColumn::Attempts(n) => format!("attempts = {n}"),
            })
            .collect();
        self.change_one(&format!("UPDATE jobs SET {} WHERE id = {job}", set.join(", ")))
    }

    fn delete_job(&self, job: &JobId) -> Result<(), StoreError> {
        self.change_one(&format!("DELETE FROM jobs WHERE id = {job}"))
    }

    fn insert_run(&self, exit_code: Option<i32>, finished_at: When) -> Result<RunId, StoreError> {
        let values = format!("{}, {}", literal(exit_code), time(finished_at));
        Ok(self.insert("agent_runs", None::<i64>, "exit_code, finished_at", &values)?.into())
    }

    fn update_run(&self, run: &RunId, columns: &[RunColumn]) -> Result<(), StoreError> {
        let set: Vec<_> = columns
            .iter()
            .map(|column| match column {
                RunColumn::ExitCode(code) => format!("exit_code = {}", literal(code.as_ref())),
                RunColumn::FinishedAt(when) => format!("finished_at = {}", time(*when)),
            })
            .collect();
        self.change_one(&format!("UPDATE agent_runs SET {} WHERE id = {run}", set.join(", ")))
    }

    fn spoil_job(&self, job: &JobId) -> Result<(), StoreError> {
        self.change_one(&format!("UPDATE jobs SET max_attempts = {NO_COUNT} WHERE id = {job}"))
    }

    fn refuse_updates(&self, job: &JobId) -> Result<(), StoreError> {
        let (name, of_job) = (format!("owner_{job}"), format!("OLD.id = {job}"));
        self.try_run(&refuses(&name, "UPDATE ON jobs", &of_job, "the owner says no"))
    }

    fn last_error(&self, job: &JobId) -> Result<Option<String>, StoreError> {
        Ok(self.text(&format!("SELECT reaper_last_error AS x FROM jobs WHERE id = {job}")))
    }

    fn exit_code(&self, run: &RunId) -> Result<Option<i32>, StoreError> {
        let code = self.number(&format!("SELECT exit_code AS x FROM agent_runs WHERE id = {run}"));
        Ok(code.map(|code| i32::try_from(code).unwrap()))
    }

    fn dump(&self) -> Result<String, StoreError> {
        Ok(self.dump_all())
    }
}

impl Program {
    fn change_one(&self, sql: &str) -> Result<(), StoreError> {
        match self.try_changed(sql)? {
            1 => Ok(()),
            n => Err(StoreError::Database(format!("{n} rows were changed: {sql}"))),
        }
    }

    /// Inserts a row, under this id or the next one.
    fn insert(
        &self,
        table: &str,
        id: Option<impl Display>,
        columns: &str,
        values: &str,
    ) -> Result<i64, StoreError> {
        self.inserted(&match id {
            Some(id) => format!("{table} (id, {columns}) VALUES ({id}, {values})"),
            None => format!("{table} ({columns}) VALUES ({values})"),
        })
    }
}

fn values(job: &ForeignJob) -> String {
    let ForeignJob { agent, repo, status, attempts, max_attempts, .. } = job;
    let (task, run, pid) = (literal(job.task.as_ref()), literal(job.run.as_ref()), literal(job.pid));
    let began = time(job.started_at);
    format!("'{agent}', '{repo}', {task}, '{status}', {attempts}, {max_attempts}, {run}, {pid}, {began}")
}

/// A number, or NULL.
fn literal(number: Option<impl ToString>) -> String {
    number.map_or_else(|| "NULL".into(), |number| number.to_string())
}
