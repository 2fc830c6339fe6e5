//! The take: several workers take at once, each another job, and pass by what is locked.

use diesel::PgConnection;
use reaper_core::{Attempt, Bond, JobId};

use super::{PostgresStore, sql};
use crate::{
    StoreError,
    attempts::{Launcher, Taken, Wants},
    database::{
        Database as _, Failed, Fault, Phase, Statement, Value,
        attempts::{LOOKED_AT, fenced, inserted, taken},
        books::int,
        row::{RawRow, raw_job},
    },
};

/// Takes the oldest job behind an id that may be taken, parses, and is not being taken by another worker.
pub(super) fn take_next(
    store: &PostgresStore,
    wants: &Wants,
    behind: i64,
    launcher: &Launcher,
    chosen: &mut Option<i64>,
) -> Result<Option<Taken>, Failed> {
    // Whoever finds nothing has begun no transaction.
    let first = store.read(|connection| page(connection, wants, behind)).map_err(Failed::before)?;
    if first.parsed.is_empty() && first.next.is_none() {
        return Ok(None);
    }
    let mut taken = None;
    let written = store.write_in_phases(|connection| {
        if let Some(job) = lock_next(connection, wants, behind)? {
            *chosen = Some(job.id);
            taken = Some(take(connection, &job, launcher)?);
        }
        Ok(())
    });
    match (written, taken) {
        // Whoever does not know that it has taken a job leaves it running for as long as itself.
        (Err(Failed { error, phase: Phase::Commit }), Some(taken)) => match has_begun(store, &taken.job.attempt) {
            Ok(true) => Ok(Some(taken)),
            Ok(false) => Err(Failed::before(error)),
            Err(second) => {
                let error = StoreError::OutcomeUnknown(format!("{error}; then {second}"));
                Err(Failed::before(error))
            }
        },
        (written, taken) => written.map(|()| taken),
    }
}

/// After a COMMIT of a take that failed: whether it took effect, by a look from a new connection.
fn has_begun(store: &PostgresStore, attempt: &Attempt) -> Result<bool, StoreError> {
    store.pool.apart(|connection| {
        store.await_end(connection, Value::Ints(vec![attempt.job.as_int()]))?;
        Ok(int(fenced(sql::HAS_BEGUN, attempt).first_row(connection)?) > 0)
    })
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
            let rows = Statement::new(sql::TAKEABLE_JOB, [("job", (&job.0).into())]).rows(connection)?;
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

/// Locks the oldest job behind an id that may be taken, parses, and is not being taken by another worker.
fn lock_next(connection: &mut PgConnection, wants: &Wants, behind: i64) -> Result<Option<Locked>, Fault> {
    let mut after = Some(behind);
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
    let run = inserted(connection, &begin, "run")?;
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
    taken(connection, &JobId::from(job.id), run, payload)
}
