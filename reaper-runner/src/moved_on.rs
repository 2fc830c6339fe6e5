//! Whether the attempt that a process carries is still this database's running one.

use reaper_core::{Attempt, Status};
use reaper_store::{Store, StoreError, history::Query};

/// How an attempt stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is running.
    Running,
    /// It was this database's and runs no more; what became of it.
    MovedOn(String),
    /// Nothing here tells that it was ever this database's. Two queues on one host count their jobs from 1 each: only a
    /// fence, which is random, tells whose an attempt is.
    NotKnown,
}

/// How an attempt stands. It has moved on if and only if its fence is on the job's row and the row is not running, or
/// its fence is no longer there and an event names it.
pub(crate) fn standing(store: &dyn Store, attempt: &Attempt) -> Result<Standing, StoreError> {
    let row = store.job(&attempt.job)?;
    match &row {
        Some(Ok(job)) if job.attempt == *attempt => {
            return Ok(if job.status == Status::Running {
                Standing::Running
            } else {
                Standing::MovedOn(job.status.as_str().to_owned())
            });
        }
        // Its fence is not known, so nothing is.
        Some(Err(_)) => return Ok(Standing::NotKnown),
        Some(Ok(_)) | None => {}
    }
    Ok(match (is_recorded(store, attempt, usize::MAX)?, row) {
        (false, _) => Standing::NotKnown,
        (true, None) => Standing::MovedOn("the job is gone".to_owned()),
        (true, Some(_)) => Standing::MovedOn("taken again".to_owned()),
    })
}

/// Whether one of the latest so many events of its job names the attempt: it was this database's.
pub(crate) fn is_recorded(store: &dyn Store, attempt: &Attempt, latest: usize) -> Result<bool, StoreError> {
    let query = Query { job: Some(attempt.job.clone()), since: None, limit: latest };
    let events = store.events(&query)?;
    Ok(events.iter().any(|event| event.fence.as_ref() == Some(&attempt.fence)))
}

#[cfg(test)]
mod tests;
