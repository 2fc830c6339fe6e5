//! The worker's side.

use diesel::SqliteConnection;
use reaper_core::{Attempt, JobId, ProcessIdentity, RunId, TaskId};

use super::{
    SqliteStore,
    facts::read_job,
    fault::Fault,
    sql::{Bind, execute, first, now_ms},
};
use crate::{
    Attempts, StoreError,
    attempts::{Enqueued, NewJob, NewTask, Recorded, Taken, Wants, Written},
};

const LAST_ID: &str = "SELECT last_insert_rowid()";
const ADD_TASK: &str = "INSERT INTO tasks (work_item_id, repo, branch, stage) VALUES (?, ?, ?, ?)";
const KNOWN: &str = "SELECT id FROM jobs WHERE reaper_source_key = ?";
const ENQUEUE: &str = "INSERT INTO jobs (agent, repo, task_id, status, max_attempts, reaper_source_key) \
                       VALUES (?, ?, ?, 'queued', ?, ?)";
/// The oldest that is due, no late finish, and wanted.
macro_rules! due {
    ($wanted:literal) => {
        concat!(
            "SELECT id FROM jobs INDEXED BY reaper_queue WHERE status = 'queued' ",
            "AND (reaper_available_at IS NULL OR reaper_available_at <= ?) AND reaper_exit_code IS NOT 0 ",
            $wanted,
            " AND id > ? ORDER BY id LIMIT 1"
        )
    };
}
pub(super) const DUE: &str = due!("");
pub(super) const DUE_FOR: &str = due!("AND agent = ?");
pub(super) const DUE_ID: &str = due!("AND id = ?");
const NEW_RUN: &str = "INSERT INTO agent_runs (task_id, agent, started_at) \
                       SELECT task_id, agent, datetime('now') FROM jobs WHERE id = ?";
const TAKE: &str = "UPDATE jobs SET status = 'running', attempts = attempts + 1, started_at = datetime('now'), \
                    run_id = ?, pid = NULL WHERE id = ? AND status = 'queued'";
// A statement of its own: entering `running` clears what the attempt before left.
const LAUNCH: &str =
    "UPDATE jobs SET reaper_attach = 'pending', reaper_monitor = ?, reaper_monitor_host = ? WHERE id = ?";
const ATTACH: &str = "UPDATE jobs SET pid = ?, reaper_executor = ?, reaper_host = ?, reaper_attach = 'done' \
                      WHERE id = ? AND status = 'running' AND reaper_fence = ?";
const BEAT: &str = "UPDATE jobs SET reaper_beat = coalesce(reaper_beat, 0) + 1, reaper_beat_at = ? \
                    WHERE id = ? AND status = 'running' AND reaper_fence = ?";
const RECORD: &str = "UPDATE agent_runs SET exit_code = ?, finished_at = datetime('now') \
                      WHERE id = ? AND exit_code IS NULL";
const RUN: &str = "SELECT 1 FROM agent_runs WHERE id = ?";

fn last_id(connection: &mut SqliteConnection) -> Result<i64, Fault> {
    let id = first(connection, LAST_ID, &[])?.and_then(|row| row.int(0));
    id.ok_or(Fault::Database(diesel::result::Error::NotFound))
}

/// The job that is taken next. One that does not parse is passed over, so that it hinders none behind it.
fn find(connection: &mut SqliteConnection, wants: &Wants) -> Result<Option<i64>, Fault> {
    let now = now_ms(connection)?;
    let mut after = i64::MIN;
    loop {
        let (text, mut binds) = match wants {
            Wants::Any => (DUE, vec![now.into()]),
            Wants::Agent(agent) => (DUE_FOR, vec![now.into(), agent.as_str().into()]),
            Wants::Job(job) => (DUE_ID, vec![now.into(), job.as_int().into()]),
        };
        binds.push(after.into());
        let Some(id) = first(connection, text, &binds)?.and_then(|row| row.int(0)) else {
            return Ok(None);
        };
        if read_job(connection, id)?.is_some_and(|job| job.is_ok()) {
            return Ok(Some(id));
        }
        after = id;
    }
}

fn written(rows: usize) -> Written {
    if rows > 0 { Written::Yes } else { Written::NotMine }
}

impl Attempts for SqliteStore {
    fn add_task(&self, task: &NewTask) -> Result<TaskId, StoreError> {
        let NewTask { repo, work_item, branch, stage } = task;
        let binds =
            [work_item.clone().into(), repo.as_str().into(), branch.clone().into(), Bind::from(stage.as_str())];
        self.connections.write(|connection| {
            execute(connection, ADD_TASK, &binds)?;
            Ok(TaskId::from(last_id(connection)?))
        })
    }

    fn enqueue(&self, job: &NewJob) -> Result<Enqueued, StoreError> {
        let task = job.task.as_ref().and_then(TaskId::as_int);
        let binds = [
            job.agent.as_str().into(),
            job.repo.as_str().into(),
            task.into(),
            i64::from(job.max_attempts).into(),
            job.source_key.clone().into(),
        ];
        self.connections.write(|connection| {
            if let Some(key) = &job.source_key
                && let Some(id) = first(connection, KNOWN, &[key.as_str().into()])?.and_then(|row| row.int(0))
            {
                return Ok(Enqueued::Known(JobId::from(id)));
            }
            execute(connection, ENQUEUE, &binds)?;
            Ok(Enqueued::New(JobId::from(last_id(connection)?)))
        })
    }

    fn take(&self, wants: &Wants, monitor: &ProcessIdentity) -> Result<Option<Taken>, StoreError> {
        // An empty queue is seen without the write lock.
        if self.connections.read(|connection| find(connection, wants))?.is_none() {
            return Ok(None);
        }
        self.connections.write(|connection| {
            let Some(id) = find(connection, wants)? else {
                return Ok(None);
            };
            execute(connection, NEW_RUN, &[id.into()])?;
            let run = last_id(connection)?;
            execute(connection, TAKE, &[run.into(), id.into()])?;
            execute(connection, LAUNCH, &[monitor.to_string().into(), monitor.host.as_str().into(), id.into()])?;
            let job = read_job(connection, id)?.and_then(Result::ok);
            Ok(job.map(|job| Taken { run: RunId::from(run), job }))
        })
    }

    fn attach(&self, attempt: &Attempt, executor: &ProcessIdentity) -> Result<Written, StoreError> {
        let binds = [
            i64::from(executor.pid).into(),
            executor.to_string().into(),
            executor.host.as_str().into(),
            attempt.job.as_int().into(),
            attempt.fence.as_int().into(),
        ];
        self.connections.write(|connection| Ok(written(execute(connection, ATTACH, &binds)?)))
    }

    fn beat(&self, attempt: &Attempt) -> Result<Written, StoreError> {
        self.connections.write(|connection| {
            let now = now_ms(connection)?;
            let binds = [now.into(), attempt.job.as_int().into(), attempt.fence.as_int().into()];
            Ok(written(execute(connection, BEAT, &binds)?))
        })
    }

    fn record_exit(&self, run: &RunId, code: i32) -> Result<Recorded, StoreError> {
        self.connections.write(|connection| {
            if execute(connection, RECORD, &[i64::from(code).into(), run.as_int().into()])? > 0 {
                return Ok(Recorded::New);
            }
            let there = first(connection, RUN, &[run.as_int().into()])?.is_some();
            Ok(if there { Recorded::Known } else { Recorded::NoSuchRun })
        })
    }
}
