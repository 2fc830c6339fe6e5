//! The worker's writes.

use diesel::SqliteConnection;
use reaper_core::{Attempt, Bond, JobId, JobSnapshot, Mode, ProcessIdentity, RunId, TaskId};

use super::{
    SqliteStore, control,
    events::note_all,
    fault::{Fault, is_whole},
    pool::{Failed, Phase},
    sql,
    statement::{RawRow, Statement, Value},
};
use crate::{
    Attempts, StoreError,
    attempts::{
        Enqueued, Launcher, LeftOut, NewJob, NewTask, Recorded, Taken, Testified, Tried, Wants, WitnessedExit,
        Written,
    },
    bisect::{Spoilt, in_halves},
    books::{Note, int},
    row::{Raw, RawJob, raw_job},
};

/// How many queued rows are looked at together for one that parses.
const LOOKED_AT: i64 = 16;

impl Attempts for SqliteStore {
    fn add_task(&self, task: &NewTask) -> Result<TaskId, StoreError> {
        let statement = Statement::new(
            sql::ADD_TASK,
            [
                ("work_item", task.work_item.as_deref().into()),
                ("repo", (&task.repo).into()),
                ("branch", task.branch.as_deref().into()),
                ("stage", (&task.stage).into()),
            ],
        );
        self.write(|connection| {
            statement.run(connection)?;
            Ok(TaskId::from(last_id(connection)?))
        })
    }

    fn enqueue(&self, job: &NewJob) -> Result<Enqueued, StoreError> {
        job.check()?;
        let source_key = job.source_key.as_deref();
        let statement = Statement::new(
            sql::ENQUEUE,
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
            if statement.run(connection)? > 0 {
                return Ok(Enqueued::New(JobId::from(last_id(connection)?)));
            }
            let known = Statement::new(sql::JOB_OF_SOURCE_KEY, [("source_key", source_key.into())]);
            let known = known.first_row(connection)?.and_then(|mut row| row.next_int());
            let known = known.ok_or_else(|| StoreError::Database("the new job was not stored".into()))?;
            Ok(Enqueued::Known(JobId::from(known)))
        })
    }

    fn take(&self, wants: &Wants, launcher: &Launcher) -> Result<Option<Taken>, StoreError> {
        // Whoever finds nothing has taken no lock.
        if self.read(|connection| next(connection, wants))?.is_none() {
            return Ok(None);
        }
        self.write(|connection| match next(connection, wants)? {
            Some((job, payload)) => take(connection, &job, payload, launcher).map(Some),
            None => Ok(None),
        })
    }

    fn attach(&self, attempt: &Attempt, executor: &ProcessIdentity) -> Result<Written, StoreError> {
        let (pid, executor) = (i64::from(executor.pid), executor.to_string());
        let statement = fenced(sql::ATTACH, attempt).with([("executor", (&executor).into()), ("pid", pid.into())]);
        self.write(|connection| written(&statement, connection))
    }

    fn beat(&self, attempt: &Attempt) -> Result<Written, StoreError> {
        self.write(|connection| written(&fenced(sql::BEAT, attempt), connection))
    }

    fn record_exit(&self, run: &RunId, code: i32) -> Result<Recorded, StoreError> {
        self.write(|connection| record(connection, run, code))
    }

    fn try_record_exit(&self, run: &RunId, code: i32) -> Result<Tried, StoreError> {
        match self.write_in_phases(|connection| record(connection, run, code)) {
            Ok(recorded) => Ok(Tried::Recorded(recorded)),
            Err(failed) => match spoilt(failed) {
                Spoilt::Whole(error) => Err(error),
                Spoilt::Row(problem) => Ok(Tried::LeftOut(LeftOut::Refused(problem))),
            },
        }
    }

    fn record_witnessed(&self, exits: &[WitnessedExit]) -> Result<Vec<Testified>, StoreError> {
        in_halves(exits, &mut |set| {
            self.write_in_phases(|connection| record_witnessed(connection, set)).map_err(spoilt)
        })
    }
}

fn record(connection: &mut SqliteConnection, run: &RunId, code: i32) -> Result<Recorded, Fault> {
    let of = || ("run", Value::from(&run.0));
    let recorded = Statement::new(sql::RECORD_EXIT, [of(), ("code", i64::from(code).into())]);
    if recorded.run(connection)? > 0 {
        return Ok(Recorded::New);
    }
    let exists = int(Statement::new(sql::RUN_EXISTS, [of()]).first_row(connection)?);
    Ok(if exists > 0 { Recorded::Known } else { Recorded::NoSuchRun })
}

fn record_witnessed(connection: &mut SqliteConnection, exits: &[WitnessedExit]) -> Result<Vec<Testified>, Fault> {
    let mode = control::mode(connection)?;
    if mode != Mode::Enforce {
        return Ok(vec![Testified::Forbidden(mode); exits.len()]);
    }
    let (mut answers, mut notes) = (Vec::with_capacity(exits.len()), Vec::new());
    for exit in exits {
        let record = fenced(sql::RECORD_WITNESSED, &exit.attempt).with([("code", i64::from(exit.code).into())]);
        let recorded = record.run(connection)? > 0;
        notes.extend(recorded.then(|| Note::of_witnessed(exit)));
        answers.push(if recorded { Testified::Recorded } else { Testified::NotOpen });
    }
    note_all(connection, &notes)?;
    Ok(answers)
}

/// Whether a row alone can be why a write failed. Who holds the file's lock holds up all of them.
fn spoilt(failed: Failed) -> Spoilt {
    if failed.phase == Phase::Before && !is_whole(&failed.error) {
        return Spoilt::Row(failed.error.to_string());
    }
    Spoilt::Whole(SqliteStore::failure(failed))
}

fn fenced<'a>(sql: &'static str, attempt: &'a Attempt) -> Statement<'a> {
    Statement::new(sql, [("job", (&attempt.job.0).into()), ("fence", (&attempt.fence.0).into())])
}

fn written(statement: &Statement<'_>, connection: &mut SqliteConnection) -> Result<Written, Fault> {
    Ok(if statement.run(connection)? > 0 { Written::Yes } else { Written::NotMine })
}

fn last_id(connection: &mut SqliteConnection) -> Result<i64, Fault> {
    let row = Statement::new(sql::LAST_ID, []).first_row(connection)?;
    Ok(row.and_then(|mut row| row.next_int()).unwrap_or_default())
}

fn parsed(mut row: RawRow) -> Option<(i64, Option<JobSnapshot>)> {
    let raw = raw_job(&mut row)?;
    Some((raw.id, raw.parse().ok()))
}

/// A job with its payload; `None` where that cannot be read.
fn with_payload(
    connection: &mut SqliteConnection,
    job: JobSnapshot,
) -> Result<Option<(JobSnapshot, Option<String>)>, Fault> {
    let row = Statement::new(sql::PAYLOAD, [("job", (&job.attempt.job.0).into())]).first_row(connection)?;
    Ok(match row.map(|mut row| row.next()) {
        None | Some(Raw::Null) => Some((job, None)),
        Some(Raw::Text(payload)) => Some((job, Some(payload))),
        Some(Raw::Int(_) | Raw::Real(_) | Raw::Bytes(..) | Raw::Long(_)) => None,
    })
}

/// The oldest job that may be taken and parses, with its payload.
fn next(connection: &mut SqliteConnection, wants: &Wants) -> Result<Option<(JobSnapshot, Option<String>)>, Fault> {
    let agent = match wants {
        Wants::Job(job) => {
            let row = Statement::new(sql::TAKEABLE_JOB, [("job", (&job.0).into())]).first_row(connection)?;
            let Some((_, Some(job))) = row.and_then(parsed) else {
                return Ok(None);
            };
            return with_payload(connection, job);
        }
        Wants::Any => None,
        Wants::Agent(agent) => Some(agent.as_str()),
    };
    let mut after = i64::MIN;
    loop {
        let values = [("after", after.into()), ("agent", agent.into()), ("limit", LOOKED_AT.into())];
        let rows = Statement::new(sql::TAKEABLE, values).rows(connection)?;
        let mut last = None;
        for (id, job) in rows.into_iter().filter_map(parsed) {
            let found = job.map(|job| with_payload(connection, job)).transpose()?.flatten();
            if found.is_some() {
                return Ok(found);
            }
            last = Some(id);
        }
        match last {
            Some(id) => after = id,
            None => return Ok(None),
        }
    }
}

fn take(
    connection: &mut SqliteConnection,
    job: &JobSnapshot,
    payload: Option<String>,
    launcher: &Launcher,
) -> Result<Taken, Fault> {
    let task = job.task.as_ref().map(|task| &task.id.0).into();
    Statement::new(sql::BEGIN_RUN, [("task", task), ("agent", (&job.agent).into())]).run(connection)?;
    let run = last_id(connection)?;
    let id = &job.attempt.job;
    let (monitor, bound) = (launcher.monitor.to_string(), (launcher.bond == Bond::NodeBound).then_some(1));
    Statement::new(sql::FORGET_RUN, [("job", (&id.0).into()), ("run", run.into())]).run(connection)?;
    let values = [
        ("job", (&id.0).into()),
        ("run", run.into()),
        ("monitor", (&monitor).into()),
        ("node_bound", bound.into()),
    ];
    Statement::new(sql::TAKE, values).run(connection)?;
    // The trigger has drawn the fence by now; what the statement itself could return would not have it.
    let row = Statement::new(sql::JOB, [("job", (&id.0).into())]).first_row(connection)?;
    let taken = row.and_then(|mut row| raw_job(&mut row)).map(RawJob::parse);
    match taken {
        Some(Ok(job)) => Ok(Taken { run: RunId::from(run), job, payload }),
        Some(Err(bad)) => {
            Err(StoreError::Database(format!("the job does not parse once it is taken: {bad}")).into())
        }
        None => Err(StoreError::Database(format!("job {id} is gone once it is taken")).into()),
    }
}
