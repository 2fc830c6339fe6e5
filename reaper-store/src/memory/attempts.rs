//! The worker's writes.

use reaper_core::{
    Attempt, JobId, Mode, ProcessIdentity, RunId, Status, TaskId,
    job::{Attach, Beat},
};

use super::{
    MemoryStore,
    tables::{Added, JobRow, RunRow, Stamp, Tables, TaskRow},
};
use crate::{
    Attempts, StoreError,
    attempts::{
        Enqueued, Launcher, NewJob, NewTask, Recorded, Taken, Testified, Tried, Wants, WitnessedExit, Written,
    },
    claims::{Actor, EventId},
    history::Event,
};

impl Attempts for MemoryStore {
    fn add_task(&self, task: &NewTask) -> Result<TaskId, StoreError> {
        let mut tables = self.tables();
        let id = TaskId::from(Tables::next_id(tables.tasks.keys().map(|id| &id.0)));
        let row = TaskRow {
            repo: task.repo.clone(),
            work_item: task.work_item.clone(),
            branch: task.branch.clone(),
            stage: task.stage.clone(),
            version: 0,
        };
        tables.insert_task(id.clone(), row);
        Ok(id)
    }

    fn enqueue(&self, job: &NewJob) -> Result<Enqueued, StoreError> {
        job.check()?;
        let mut tables = self.tables();
        let known = job
            .source_key
            .as_ref()
            .and_then(|key| tables.jobs.iter().find(|(_, row)| row.added.source_key.as_ref() == Some(key)));
        if let Some((id, _)) = known {
            return Ok(Enqueued::Known(id.clone()));
        }
        let id = JobId::from(Tables::next_id(tables.jobs.keys().map(|id| &id.0)));
        let row = JobRow {
            agent: job.agent.clone(),
            repo: job.repo.clone(),
            task: job.task.clone(),
            status: Status::Queued.as_str().into(),
            max_attempts: job.max_attempts.into(),
            added: Added { source_key: job.source_key.clone(), payload: job.payload.clone(), ..Added::default() },
            ..JobRow::default()
        };
        tables.insert_job(id.clone(), row);
        Ok(Enqueued::New(id))
    }

    fn take(&self, wants: &Wants, launcher: &Launcher) -> Result<Option<Taken>, StoreError> {
        let mut tables = self.tables();
        let due = tables.jobs.iter().find(|(id, row)| is_due(&tables, id, row) && is_wanted(wants, id, row));
        let Some((job, row)) = due.map(|(id, row)| (id.clone(), row.clone())) else {
            return Ok(None);
        };
        let now = tables.now;
        let run = RunId::from(Tables::next_id(tables.runs.keys().map(|id| &id.0)));
        tables.update_job(&job, |row| {
            row.status = Status::Running.as_str().into();
            row.attempts = row.attempts.saturating_add(1);
            row.run = Some(run.clone());
            row.pid = None;
            row.started_at = Stamp::At(now);
        })?;
        let record =
            RunRow { task: row.task, agent: Some(row.agent), started_at: Stamp::At(now), ..RunRow::default() };
        tables.runs.insert(run.clone(), record);
        tables.update_job(&job, |row| {
            row.added.monitor = Some(launcher.monitor.clone());
            row.added.bond = launcher.bond;
            row.added.attach = Attach::Pending;
        })?;
        let row = tables.jobs.get(&job);
        let payload = row.and_then(|row| row.added.payload.clone());
        let taken = row.and_then(|row| tables.parse(&job, row).ok());
        Ok(taken.map(|job| Taken { run, job, payload }))
    }

    fn attach(&self, attempt: &Attempt, executor: &ProcessIdentity) -> Result<Written, StoreError> {
        self.tables().write(attempt, |row| {
            row.pid = Some(executor.pid);
            row.added.inherited.pid = false;
            row.added.executor = Some(executor.clone());
            row.added.attach = Attach::Done;
        })
    }

    fn beat(&self, attempt: &Attempt) -> Result<Written, StoreError> {
        let mut tables = self.tables();
        let at = tables.now;
        tables.write(attempt, |row| {
            let count = row.added.beat.map_or(0, |beat| beat.count).saturating_add(1);
            row.added.beat = Some(Beat { count, at });
        })
    }

    fn record_exit(&self, run: &RunId, code: i32) -> Result<Recorded, StoreError> {
        let mut tables = self.tables();
        let now = tables.now;
        match tables.runs.get(run) {
            None => Ok(Recorded::NoSuchRun),
            Some(row) if row.exit_code.is_some() => Ok(Recorded::Known),
            Some(_) => {
                tables.update_run(run, |row| {
                    row.exit_code = Some(code);
                    row.finished_at = Stamp::At(now);
                })?;
                Ok(Recorded::New)
            }
        }
    }

    /// Nobody holds a row here, and nothing is refused.
    fn try_record_exit(&self, run: &RunId, code: i32) -> Result<Tried, StoreError> {
        self.record_exit(run, code).map(Tried::Recorded)
    }

    fn record_witnessed(&self, exits: &[WitnessedExit]) -> Result<Vec<Testified>, StoreError> {
        let mut tables = self.tables();
        if tables.mode != Mode::Enforce {
            return Ok(vec![Testified::Forbidden(tables.mode); exits.len()]);
        }
        exits.iter().map(|exit| tables.record_witnessed(exit)).collect()
    }
}

impl Tables {
    fn record_witnessed(&mut self, exit: &WitnessedExit) -> Result<Testified, StoreError> {
        let now = self.now;
        let open = self.jobs.get(&exit.attempt.job).filter(|row| {
            row.is(Status::Running)
                && exit.attempt.fence.as_int() == Some(row.added.fence)
                && row.added.exit.is_none()
        });
        let run = open
            .and_then(JobRow::own_run)
            .filter(|run| self.runs.get(run).is_some_and(|run| run.exit_code.is_none()));
        let Some(run) = run.cloned() else { return Ok(Testified::NotOpen) };
        self.update_run(&run, |row| {
            row.exit_code = Some(exit.code);
            row.finished_at = Stamp::At(now);
        })?;
        let running = || Some(Status::Running.as_str().into());
        self.events.push(Event {
            id: EventId::draw(),
            at: now,
            job: Some(exit.attempt.job.clone()),
            fence: Some(exit.attempt.fence.clone()),
            by: Actor::Reaper.as_str().into(),
            action: "exit".into(),
            rule: String::new(),
            reason: exit.reason(),
            from: running(),
            to: running(),
            evidence: exit.evidence(),
            agent: None,
            signature: None,
            late: None,
        });
        Ok(Testified::Recorded)
    }

    /// A write under the fence of an attempt that runs.
    fn write(&mut self, attempt: &Attempt, change: impl FnOnce(&mut JobRow)) -> Result<Written, StoreError> {
        let standing = self.jobs.get(&attempt.job).and_then(|row| row.standing(&attempt.job));
        if !standing.is_some_and(|row| row.runs_as(attempt)) {
            return Ok(Written::NotMine);
        }
        self.update_job(&attempt.job, change)?;
        Ok(Written::Yes)
    }
}

/// Whether a worker may take a row: queued, not waiting, no late finish. One that does not parse is left alone, so
/// that it hinders none behind it.
fn is_due(tables: &Tables, id: &JobId, row: &JobRow) -> bool {
    row.is(Status::Queued)
        && row.added.available_at.is_none_or(|at| at <= tables.now)
        && row.added.exit.is_none_or(|exit| exit.code != 0)
        && tables.parse(id, row).is_ok()
}

fn is_wanted(wants: &Wants, id: &JobId, row: &JobRow) -> bool {
    match wants {
        Wants::Any => true,
        Wants::Agent(agent) => row.agent == *agent,
        Wants::Job(job) => id == job,
    }
}
