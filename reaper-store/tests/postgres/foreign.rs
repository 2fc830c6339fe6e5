//! The suite's foreign program, in SQL.

use std::time::Duration;

use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types::BigInt};
use reaper_core::{JobId, RunId, TaskId};
use reaper_store::{
    StoreError,
    foreign::{Foreign, ForeignJob, JobColumn, RunColumn, When},
};

use crate::database::Program;

impl Foreign for Program {
    fn insert_task(&self, id: Option<&TaskId>, stage: &str) -> Result<TaskId, StoreError> {
        let id = id.map_or_else(|| "DEFAULT".into(), ToString::to_string);
        Ok(self.inserted(&format!("tasks (id, repo, stage) VALUES ({id}, 'shop', '{stage}')"))?.into())
    }

    fn set_stage(&self, task: &TaskId, stage: &str) -> Result<(), StoreError> {
        self.changed(&format!("UPDATE tasks SET stage = '{stage}' WHERE id = {task}"))
    }

    fn delete_task(&self, task: &TaskId) -> Result<(), StoreError> {
        self.changed(&format!("DELETE FROM tasks WHERE id = {task}"))
    }

    fn insert_job(&self, job: &ForeignJob) -> Result<JobId, StoreError> {
        self.inserted(&values(job)).map(JobId::from)
    }

    fn replace_job(&self, job: &ForeignJob) -> Result<JobId, StoreError> {
        let id = literal(job.id.as_ref());
        self.try_run(&format!("BEGIN; DELETE FROM jobs WHERE id = {id}; INSERT INTO {}; COMMIT", values(job)))?;
        Ok(job.id.clone().expect("a job that is replaced has an id"))
    }

    fn update_job(&self, job: &JobId, columns: &[JobColumn]) -> Result<(), StoreError> {
        let set: Vec<_> = columns
            .iter()
            .map(|column| match column {
                JobColumn::Status(word) => format!("status = '{word}'"),
                JobColumn::Run(run) => {
                    format!("run_id = {}", literal(run.as_ref()))
                }
                JobColumn::Pid(pid) => format!("pid = {}", literal(pid.as_ref())),
                JobColumn::StartedAt(when) => format!("started_at = {}", time(*when)),
                JobColumn::Attempts(n) => format!("attempts = {n}"),
            })
            .collect();
        self.changed(&format!("UPDATE jobs SET {} WHERE id = {job}", set.join(", ")))
    }

    fn delete_job(&self, job: &JobId) -> Result<(), StoreError> {
        self.changed(&format!("DELETE FROM jobs WHERE id = {job}"))
    }

    fn insert_run(&self, exit_code: Option<i32>, finished_at: When) -> Result<RunId, StoreError> {
        let code = literal(exit_code);
        let values = format!("agent_runs (exit_code, finished_at) VALUES ({code}, {})", time(finished_at));
        Ok(self.inserted(&values)?.into())
    }

    fn update_run(&self, run: &RunId, columns: &[RunColumn]) -> Result<(), StoreError> {
        let set: Vec<_> = columns
            .iter()
            .map(|column| match column {
                RunColumn::ExitCode(code) => {
                    format!("exit_code = {}", literal(code.as_ref()))
                }
                RunColumn::FinishedAt(when) => format!("finished_at = {}", time(*when)),
            })
            .collect();
        self.changed(&format!("UPDATE agent_runs SET {} WHERE id = {run}", set.join(", ")))
    }

    fn spoil_job(&self, job: &JobId) -> Result<(), StoreError> {
        self.changed(&format!("UPDATE jobs SET max_attempts = -1 WHERE id = {job}"))
    }

    fn refuse_updates(&self, job: &JobId) -> Result<(), StoreError> {
        self.try_run(&format!(
            "CREATE OR REPLACE FUNCTION owner_no() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE EXCEPTION 'the owner says no'; END $$;
             CREATE TRIGGER owner_{job} BEFORE UPDATE ON jobs FOR EACH ROW WHEN (OLD.id = {job})
                EXECUTE FUNCTION owner_no()"
        ))
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
    fn changed(&self, sql: &str) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let changed = sql_query(sql).execute(&mut *connection);
        match changed.map_err(|error| StoreError::Database(error.to_string()))? {
            1 => Ok(()),
            n => Err(StoreError::Database(format!("{n} rows were changed: {sql}"))),
        }
    }

    fn inserted(&self, into: &str) -> Result<i64, StoreError> {
        let inserted = sql_query(format!("INSERT INTO {into} RETURNING id::bigint"));
        let id = inserted.get_result::<Id>(&mut *self.connection());
        Ok(id.map_err(|error| StoreError::Database(error.to_string()))?.id)
    }
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// The table, columns and values of a job's INSERT.
fn values(job: &ForeignJob) -> String {
    let id = job.id.as_ref().map_or_else(|| "DEFAULT".into(), ToString::to_string);
    let task = literal(job.task.as_ref());
    let run = literal(job.run.as_ref());
    let pid = literal(job.pid);
    let ForeignJob { agent, repo, status, attempts, max_attempts, .. } = job;
    format!(
        "jobs (id, agent, repo, task_id, status, attempts, max_attempts, run_id, pid, started_at)
         VALUES ({id}, '{agent}', '{repo}', {task}, '{status}', {attempts}, {max_attempts}, {run}, {pid}, {})",
        time(job.started_at)
    )
}

/// A number, or NULL.
fn literal(number: Option<impl ToString>) -> String {
    number.map_or_else(|| "NULL".into(), |number| number.to_string())
}

/// A time as an expression of the program's.
fn time(when: When) -> String {
    let shifted = |sign, by: Duration| format!("now() {sign} interval '{} seconds'", by.as_secs());
    match when {
        When::Null | When::Unreadable => "NULL".into(),
        When::Ago(age) => shifted('-', age),
        When::Ahead(by) => shifted('+', by),
    }
}
