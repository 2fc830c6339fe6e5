//! The take: SQLite has one writer, which looks, and takes what it found.

use diesel::SqliteConnection;
use reaper_core::{Bond, JobSnapshot};

use super::{SqliteStore, sql};
use crate::{
    attempts::{Launcher, Taken, Wants},
    database::{
        Database as _, Failed, Fault, Statement,
        attempts::{LOOKED_AT, inserted, taken},
        row::{Raw, RawRow, raw_job},
    },
};

/// Takes the oldest job behind an id that may be taken and parses.
pub(super) fn take_next(
    store: &SqliteStore,
    wants: &Wants,
    behind: i64,
    launcher: &Launcher,
    chosen: &mut Option<i64>,
) -> Result<Option<Taken>, Failed> {
    // Whoever finds nothing has taken no lock.
    if store.read(|connection| next(connection, wants, behind)).map_err(Failed::before)?.is_none() {
        return Ok(None);
    }
    store.write_in_phases(|connection| {
        let Some((job, payload)) = next(connection, wants, behind)? else {
            return Ok(None);
        };
        *chosen = job.attempt.job.as_int();
        take(connection, &job, payload, launcher).map(Some)
    })
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

/// The oldest job behind an id that may be taken and parses, with its payload.
fn next(
    connection: &mut SqliteConnection,
    wants: &Wants,
    behind: i64,
) -> Result<Option<(JobSnapshot, Option<String>)>, Fault> {
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
    let mut after = behind;
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
    let begin = Statement::new(sql::BEGIN_RUN, [("task", task), ("agent", (&job.agent).into())]);
    let run = inserted(connection, &begin, "run")?;
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
    taken(connection, id, run, payload)
}
