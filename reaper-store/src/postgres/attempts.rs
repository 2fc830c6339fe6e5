//! The worker's writes.

use diesel::PgConnection;
use reaper_core::{Attempt, Bond, JobId, Mode, ProcessIdentity, RunId, TaskId};

use super::{
    PostgresStore,
    claims::note_all,
    control,
    fault::{Fault, is_whole},
    pool::{Failed, Phase},
    sql,
    statement::{RawRow, Statement, Value, int_key},
};
use crate::{
    Attempts, StoreError,
    attempts::{
        Enqueued, Launcher, LeftOut, NewJob, NewTask, Recorded, Taken, Testified, Tried, Wants, WitnessedExit,
        Written,
    },
    bisect::{Spoilt, in_halves},
    books::{Note, int},
    row::{RawJob, raw_job},
};

/// How many queued rows are looked at together for one that parses.
const LOOKED_AT: i64 = 16;

impl Attempts for PostgresStore {
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
        self.write(|connection| Ok(TaskId::from(id(&statement, connection)?.unwrap_or_default())))
    }

    fn enqueue(&self, job: &NewJob) -> Result<Enqueued, StoreError> {
        job.check()?;
        let source_key = job.source_key.as_deref();
        let statement = Statement::new(
            sql::ENQUEUE,
            [
                ("agent", (&job.agent).into()),
                ("repo", (&job.repo).into()),
                ("task", job.task.as_ref().and_then(|task| int_key(&task.0)).into()),
                ("max_attempts", i64::from(job.max_attempts).into()),
                ("source_key", source_key.into()),
                ("payload", job.payload.as_deref().into()),
            ],
        );
        self.write(|connection| {
            if let Some(id) = id(&statement, connection)? {
                return Ok(Enqueued::New(JobId::from(id)));
            }
            let known = Statement::new(sql::JOB_OF_SOURCE_KEY, [("source_key", source_key.into())]);
            let known = id(&known, connection)?
                .ok_or_else(|| StoreError::Database("the new job was not stored".into()))?;
            Ok(Enqueued::Known(JobId::from(known)))
        })
    }

    fn take(&self, wants: &Wants, launcher: &Launcher) -> Result<Option<Taken>, StoreError> {
        // Whoever finds nothing has begun no transaction.
        let first = self.read(|connection| page(connection, wants, i64::MIN))?;
        if first.parsed.is_empty() && first.next.is_none() {
            return Ok(None);
        }
        let mut taken = None;
        let written = self.write(|connection| {
            if let Some(job) = lock_next(connection, wants)? {
                taken = Some(take(connection, &job, launcher)?);
            }
            Ok(())
        });
        match (written, taken) {
            // Whoever does not know that it has taken a job leaves it running for as long as itself.
            (Err(StoreError::OutcomeUnknown(problem)), Some(taken)) => match self.has_begun(&taken.job.attempt) {
                Ok(true) => Ok(Some(taken)),
                Ok(false) => Err(StoreError::Database(problem)),
                Err(second) => Err(StoreError::OutcomeUnknown(format!("{problem}; then {second}"))),
            },
            (written, taken) => written.map(|()| taken),
        }
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
        let tried = self.write_in_phases(|connection| {
            let held = Statement::new(sql::HOLD_RUN, [("run", int_key(&run.0).into())]);
            if is_held(held, connection)? {
                return Ok(Tried::LeftOut(LeftOut::Held));
            }
            record(connection, run, code).map(Tried::Recorded)
        });
        match tried.map_err(spoilt) {
            Ok(tried) => Ok(tried),
            Err(Spoilt::Whole(error)) => Err(error),
            Err(Spoilt::Row(problem)) => Ok(Tried::LeftOut(LeftOut::Refused(problem))),
        }
    }

    fn record_witnessed(&self, exits: &[WitnessedExit]) -> Result<Vec<Testified>, StoreError> {
        in_halves(exits, &mut |set| {
            self.write_in_phases(|connection| record_witnessed(connection, set)).map_err(spoilt)
        })
    }
}

fn record(connection: &mut PgConnection, run: &RunId, code: i32) -> Result<Recorded, Fault> {
    let of = || ("run", int_key(&run.0).into());
    let recorded = Statement::new(sql::RECORD_EXIT, [of(), ("code", i64::from(code).into())]);
    if recorded.run(connection)? > 0 {
        return Ok(Recorded::New);
    }
    let exists = int(Statement::new(sql::RUN_EXISTS, [of()]).first_row(connection)?);
    Ok(if exists > 0 { Recorded::Known } else { Recorded::NoSuchRun })
}

fn record_witnessed(connection: &mut PgConnection, exits: &[WitnessedExit]) -> Result<Vec<Testified>, Fault> {
    let mode = control::mode(connection)?;
    if mode != Mode::Enforce {
        return Ok(vec![Testified::Forbidden(mode); exits.len()]);
    }
    let (mut answers, mut notes) = (Vec::with_capacity(exits.len()), Vec::new());
    for exit in exits {
        if is_held(fenced(sql::HOLD_WITNESSED, &exit.attempt), connection)? {
            answers.push(Testified::LeftOut(LeftOut::Held));
            continue;
        }
        let record = fenced(sql::RECORD_WITNESSED, &exit.attempt).with([("code", i64::from(exit.code).into())]);
        let recorded = record.run(connection)? > 0;
        notes.extend(recorded.then(|| Note::of_witnessed(exit)));
        answers.push(if recorded { Testified::Recorded } else { Testified::NotOpen });
    }
    if !notes.is_empty() {
        note_all(connection, &notes)?;
    }
    Ok(answers)
}

/// Locks what an exit is written to, and says whether somebody else has locked some of it.
fn is_held(hold: Statement<'_>, connection: &mut PgConnection) -> Result<bool, Fault> {
    Ok(int(hold.first_row(connection)?) > 0)
}

/// Whether a row alone can be why a write failed.
fn spoilt(failed: Failed) -> Spoilt {
    if matches!(failed.phase, Phase::Before | Phase::Refused) && !is_whole(&failed.error) {
        return Spoilt::Row(failed.error.to_string());
    }
    Spoilt::Whole(PostgresStore::failure(failed))
}

impl PostgresStore {
    /// After a COMMIT of a take that failed: whether it took effect, by a look from a new connection.
    fn has_begun(&self, attempt: &Attempt) -> Result<bool, StoreError> {
        self.pool.apart(|connection| {
            let job = attempt.job.clone();
            self.await_end(connection, Value::ints(&[job], |job| int_key(&job.0)))?;
            Ok(int(fenced(sql::HAS_BEGUN, attempt).first_row(connection)?) > 0)
        })
    }
}

fn fenced<'a>(sql: &'static str, attempt: &'a Attempt) -> Statement<'a> {
    let values = [("job", int_key(&attempt.job.0).into()), ("fence", int_key(&attempt.fence.0).into())];
    Statement::new(sql, values)
}

fn written(statement: &Statement<'_>, connection: &mut PgConnection) -> Result<Written, Fault> {
    Ok(if statement.run(connection)? > 0 { Written::Yes } else { Written::NotMine })
}

/// The id that a statement gives, where it gives one.
fn id(statement: &Statement<'_>, connection: &mut PgConnection) -> Result<Option<i64>, Fault> {
    Ok(statement.first_row(connection)?.and_then(|mut row| row.next_int()))
}

/// Some queued jobs, the oldest first.
struct Queued {
    /// Those that parse.
    parsed: Vec<Option<i64>>,
    /// Where the next page begins, if there may be one.
    next: Option<i64>,
}

fn page(connection: &mut PgConnection, wants: &Wants, after: i64) -> Result<Queued, Fault> {
    let agent = match wants {
        Wants::Job(job) => {
            let rows = Statement::new(sql::TAKEABLE_JOB, [("job", int_key(&job.0).into())]).rows(connection)?;
            return Ok(Queued { parsed: parsed(rows), next: None });
        }
        Wants::Any => None,
        Wants::Agent(agent) => Some(agent.as_str()),
    };
    let values = [("after", after.into()), ("agent", agent.into()), ("limit", LOOKED_AT.into())];
    let rows = Statement::new(sql::TAKEABLE, values).rows(connection)?;
    let is_last = i64::try_from(rows.len()).is_ok_and(|rows| rows < LOOKED_AT);
    let raws: Vec<_> = rows.into_iter().filter_map(|mut row| raw_job(&mut row)).collect();
    let next = raws.last().map(|raw| raw.id).filter(|_| !is_last);
    let parsed =
        raws.into_iter().filter_map(|raw| Some(raw.id).filter(|_| raw.parse().is_ok()).map(Some)).collect();
    Ok(Queued { parsed, next })
}

fn parsed(rows: Vec<RawRow>) -> Vec<Option<i64>> {
    let raws = rows.into_iter().filter_map(|mut row| raw_job(&mut row));
    raws.filter_map(|raw| Some(raw.id).filter(|_| raw.parse().is_ok()).map(Some)).collect()
}

/// A queued job that is locked.
struct Locked {
    id: i64,
    task: Option<i64>,
    /// The run of the attempt before.
    run: Option<i64>,
    agent: String,
}

/// Locks the oldest job that may be taken, parses, and is not being taken by another worker.
fn lock_next(connection: &mut PgConnection, wants: &Wants) -> Result<Option<Locked>, Fault> {
    let mut after = Some(i64::MIN);
    while let Some(from) = after {
        let page = page(connection, wants, from)?;
        if !page.parsed.is_empty() {
            let one = Statement::new(sql::TAKE_ONE, [("jobs", Value::Ints(page.parsed))]).first_row(connection)?;
            let locked = one.and_then(|mut row| {
                Some(Locked {
                    id: row.next_int()?,
                    task: row.next_int(),
                    run: row.next_int(),
                    agent: row.next_text()?,
                })
            });
            if locked.is_some() {
                return Ok(locked);
            }
        }
        after = page.next;
    }
    Ok(None)
}

fn take(connection: &mut PgConnection, job: &Locked, launcher: &Launcher) -> Result<Taken, Fault> {
    let begin = Statement::new(sql::BEGIN_RUN, [("task", job.task.into()), ("agent", (&job.agent).into())]);
    let run = id(&begin, connection)?.unwrap_or_default();
    if job.run == Some(run) {
        Statement::new(sql::FORGET_RUN, [("job", job.id.into())]).run(connection)?;
    }
    let (monitor, bound) = (launcher.monitor.to_string(), (launcher.bond == Bond::NodeBound).then_some(1));
    let values = [
        ("job", job.id.into()),
        ("run", run.into()),
        ("monitor", (&monitor).into()),
        ("node_bound", bound.into()),
    ];
    Statement::new(sql::TAKE, values).run(connection)?;
    let payload = Statement::new(sql::PAYLOAD, [("job", job.id.into())]).first_row(connection)?;
    let payload = payload.and_then(|mut row| row.next_text());
    let row = Statement::new(sql::JOB, [("job", job.id.into())]).first_row(connection)?;
    match row.and_then(|mut row| raw_job(&mut row)).map(RawJob::parse) {
        Some(Ok(job)) => Ok(Taken { run: RunId::from(run), job, payload }),
        Some(Err(bad)) => {
            Err(StoreError::Database(format!("the job does not parse once it is taken: {bad}")).into())
        }
        None => Err(StoreError::Database(format!("job {} is gone once it is taken", job.id)).into()),
    }
}
