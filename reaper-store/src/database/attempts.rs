//! The worker's writes.

use reaper_core::{Attempt, JobId, Mode, ProcessIdentity, RunId, Status, TaskId};

use super::{
    Database, Driver, Failed, Fault, Statement, Texts,
    bisect::{Spoilt, in_halves, is_of_a_row, spoilt},
    books::{Note, int},
    control,
    row::{RawJob, raw_job},
};
use crate::{
    Attempts, StoreError,
    attempts::{
        Enqueued, Launcher, LeftOut, NewJob, NewTask, Recorded, Taken, Testified, Tried, Wants, WitnessedExit,
        Written,
    },
};

/// How many queued rows are looked at together for one that parses.
pub(crate) const LOOKED_AT: i64 = 16;

impl<S: Database> Attempts for S {
    fn add_task(&self, task: &NewTask) -> Result<TaskId, StoreError> {
        let statement = Statement::new(
            S::Driver::ADD_TASK,
            [
                ("work_item", task.work_item.as_deref().into()),
                ("repo", (&task.repo).into()),
                ("branch", task.branch.as_deref().into()),
                ("stage", (&task.stage).into()),
            ],
        );
        self.write(|connection| inserted(connection, &statement, "task").map(TaskId::from))
    }

    fn enqueue(&self, job: &NewJob) -> Result<Enqueued, StoreError> {
        job.check()?;
        let source_key = job.source_key.as_deref();
        let statement = Statement::new(
            S::Driver::ENQUEUE,
            [
                ("agent", (&job.agent).into()),
                ("repo", (&job.repo).into()),
                ("task", job.task.as_ref().map(|task| &task.0).into()),
                ("max_attempts", i64::from(job.max_attempts).into()),
                ("source_key", source_key.into()),
                ("payload", job.payload.as_deref().into()),
            ],
        );
        self.write(|connection| {
            if let Some(id) = connection.insert(&statement)? {
                return Ok(Enqueued::New(JobId::from(id)));
            }
            let known = Statement::new(S::Driver::JOB_OF_SOURCE_KEY, [("source_key", source_key.into())]);
            let known = known.first_row(connection)?.and_then(|mut row| row.next_int());
            Ok(Enqueued::Known(JobId::from(known.ok_or_else(|| not_stored("job"))?)))
        })
    }

    /// Each job is tried in a transaction of its own: one whose take is refused holds up none behind it.
    fn take(&self, wants: &Wants, launcher: &Launcher) -> Result<Option<Taken>, StoreError> {
        let (mut behind, mut refused) = (i64::MIN, None);
        loop {
            let mut chosen = None;
            let failed = match self.take_next(wants, behind, launcher, &mut chosen) {
                Ok(None) => return refused.map_or(Ok(None), Err),
                Ok(taken) => return Ok(taken),
                Err(failed) => failed,
            };
            let is_of_the_job = is_of_a_row::<S>(&failed.error, failed.phase);
            let error = S::failure(failed);
            match (wants, chosen) {
                (Wants::Any | Wants::Agent(_), Some(job)) if is_of_the_job => {
                    behind = job;
                    refused.get_or_insert_with(|| of_job(job, error));
                }
                (Wants::Any | Wants::Agent(_) | Wants::Job(_), _) => return Err(error),
            }
        }
    }

    fn attach(&self, attempt: &Attempt, executor: &ProcessIdentity) -> Result<Written, StoreError> {
        let (pid, executor) = (i64::from(executor.pid), executor.to_string());
        let statement =
            fenced(S::Driver::ATTACH, attempt).with([("executor", (&executor).into()), ("pid", pid.into())]);
        self.write(|connection| written(&statement, connection))
    }

    fn beat(&self, attempt: &Attempt) -> Result<Written, StoreError> {
        self.write(|connection| written(&fenced(S::Driver::BEAT, attempt), connection))
    }

    fn record_exit(&self, run: &RunId, code: i32) -> Result<Recorded, StoreError> {
        self.write(|connection| record(connection, run, code))
    }

    fn try_record_exit(&self, run: &RunId, code: i32) -> Result<Tried, StoreError> {
        let tried = self.write_in_phases(|connection| {
            if connection.is_run_held(run)? {
                return Ok(Tried::LeftOut(LeftOut::Held));
            }
            record(connection, run, code).map(Tried::Recorded)
        });
        match tried.map_err(failed::<S>) {
            Ok(tried) => Ok(tried),
            Err(Spoilt::Whole(error)) => Err(error),
            Err(Spoilt::Row(problem)) => Ok(Tried::LeftOut(LeftOut::Refused(problem))),
        }
    }

    fn record_witnessed(&self, exits: &[WitnessedExit]) -> Result<Vec<Testified>, StoreError> {
        in_halves(exits, &mut |set| {
            self.write_in_phases(|connection| record_witnessed(connection, set)).map_err(failed::<S>)
        })
    }
}

fn record<D: Driver>(connection: &mut D, run: &RunId, code: i32) -> Result<Recorded, Fault> {
    let of = || ("run", (&run.0).into());
    let recorded = Statement::new(D::RECORD_EXIT, [of(), ("code", i64::from(code).into())]);
    if recorded.run(connection)? > 0 {
        return Ok(Recorded::New);
    }
    let exists = int(Statement::new(D::RUN_EXISTS, [of()]).first_row(connection)?);
    Ok(if exists > 0 { Recorded::Known } else { Recorded::NoSuchRun })
}

fn record_witnessed<D: Driver>(connection: &mut D, exits: &[WitnessedExit]) -> Result<Vec<Testified>, Fault> {
    let mode = control::binding_mode(connection)?;
    if mode != Mode::Enforce {
        return Ok(vec![Testified::Forbidden(mode); exits.len()]);
    }
    let (mut answers, mut notes) = (Vec::with_capacity(exits.len()), Vec::new());
    for exit in exits {
        if connection.is_attempt_held(&exit.attempt)? {
            answers.push(Testified::LeftOut(LeftOut::Held));
            continue;
        }
        let record = fenced(D::RECORD_WITNESSED, &exit.attempt).with([("code", i64::from(exit.code).into())]);
        let recorded = record.run(connection)? > 0;
        notes.extend(recorded.then(|| Note::of_witnessed(exit)));
        answers.push(if recorded { Testified::Recorded } else { Testified::NotOpen });
    }
    connection.note_all(&notes)?;
    Ok(answers)
}

/// What a write of exits that failed is to the set.
fn failed<S: Database>(Failed { error, phase }: Failed) -> Spoilt {
    match spoilt::<S>(error, phase) {
        Spoilt::Whole(error) => Spoilt::Whole(S::failure(Failed { error, phase })),
        row @ Spoilt::Row(_) => row,
    }
}

/// An error that names the job that was not taken.
fn of_job(job: i64, error: StoreError) -> StoreError {
    if let StoreError::Database(problem) = &error {
        StoreError::Database(format!("job {job}: {problem}"))
    } else {
        error
    }
}

/// Inserts one row, and says its id. A trigger of the owner's can leave it out without a word.
pub(crate) fn inserted<D: Driver>(connection: &mut D, insert: &Statement<'_>, what: &str) -> Result<i64, Fault> {
    connection.insert(insert)?.ok_or_else(|| not_stored(what).into())
}

fn not_stored(what: &str) -> StoreError {
    StoreError::Database(format!("the new {what} was not stored"))
}

/// A statement about one attempt.
pub(crate) fn fenced<'a>(sql: &'static str, attempt: &'a Attempt) -> Statement<'a> {
    Statement::new(sql, [("job", (&attempt.job.0).into()), ("fence", (&attempt.fence.0).into())])
}

fn written(statement: &Statement<'_>, connection: &mut impl Driver) -> Result<Written, Fault> {
    Ok(if statement.run(connection)? > 0 { Written::Yes } else { Written::NotMine })
}

/// A job as it is once it was taken.
pub(crate) fn taken<D: Driver>(
    connection: &mut D,
    job: &JobId,
    run: i64,
    payload: Option<String>,
) -> Result<Taken, Fault> {
    // The trigger has drawn the fence by now; what the take itself could return would not have it.
    let row = Statement::new(D::JOB, [("job", (&job.0).into())]).first_row(connection)?;
    match row.and_then(|mut row| raw_job(&mut row)).map(RawJob::parse) {
        Some(Ok(job)) if job.status != Status::Running => {
            let status = job.status.as_str();
            Err(StoreError::Database(format!("the job does not run once it is taken: it is {status}")).into())
        }
        Some(Ok(job)) => Ok(Taken { run: RunId::from(run), job, payload }),
        Some(Err(bad)) => {
            Err(StoreError::Database(format!("the job does not parse once it is taken: {bad}")).into())
        }
        None => Err(StoreError::Database(format!("job {job} is gone once it is taken")).into()),
    }
}
