//! An order on a database: what it does in one transaction, and the connection that is kept for it. The databases share it.

use std::sync::{Mutex, PoisonError};

use diesel::QueryResult;
use reaper_core::{AdvanceOrder, JobId, TaskId};

use super::{AdvanceError, Advanced};

/// What is done on a database, each step by a statement of its own.
pub(super) trait Steps: Sized {
    /// Does something all or not at all.
    fn in_transaction<T>(&mut self, work: impl FnOnce(&mut Self) -> QueryResult<T>) -> QueryResult<T>;

    /// Sets what holds for the transaction that it is in.
    fn begin(&mut self) -> QueryResult<()> {
        Ok(())
    }

    /// Whether the order of this key was carried out.
    fn is_noted(&mut self, key: &str) -> QueryResult<bool>;

    /// The job that was enqueued under this key.
    fn job_of(&mut self, key: &str) -> QueryResult<Option<JobId>>;

    /// Moves the task if it is still on the order's visit to its stage, and says how many rows that were.
    fn move_task(&mut self, order: &AdvanceOrder) -> QueryResult<usize>;

    /// Where a task stands; `None` if its row is gone.
    fn stage_of(&mut self, task: &TaskId) -> QueryResult<Option<String>>;

    /// Enqueues the next job.
    fn enqueue(&mut self, order: &AdvanceOrder, agent: &str, key: &str) -> QueryResult<JobId>;

    /// Notes that the order was carried out.
    fn note(&mut self, order: &AdvanceOrder, key: &str) -> QueryResult<()>;
}

/// Makes a connection.
type Connect<C> = Box<dyn Fn() -> Result<C, String> + Send + Sync>;

/// Carries orders out, one at a time. The connection is made when it is first needed, and dropped and made anew after an
/// error or a panic.
pub(super) struct Carrier<C> {
    connect: Connect<C>,
    connection: Mutex<Option<C>>,
}

impl<C: Steps> Carrier<C> {
    pub(super) fn new(connect: Connect<C>) -> Self {
        Self { connect, connection: Mutex::new(None) }
    }

    pub(super) fn carry_out(&self, order: &AdvanceOrder) -> Result<Advanced, AdvanceError> {
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        // It is put back only after all went well: a connection that saw an error may still be in a transaction.
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => (self.connect)().map_err(|problem| AdvanceError { problem })?,
        };
        let mut inner = None;
        let advanced = connection.in_transaction(|connection| {
            carry_out(connection, order).inspect_err(|error| inner = Some(error.to_string()))
        });
        match advanced {
            Ok(advanced) => {
                *slot = Some(connection);
                Ok(advanced)
            }
            // A rollback that fails, as after a full disk or on a broken connection, hides the error that led to it:
            // that one is said.
            Err(error) => Err(AdvanceError { problem: inner.unwrap_or_else(|| error.to_string()) }),
        }
    }
}

fn carry_out(connection: &mut impl Steps, order: &AdvanceOrder) -> QueryResult<Advanced> {
    let key = order.source_key();
    connection.begin()?;
    if connection.is_noted(&key)? {
        return Ok(Advanced::AlreadyDone);
    }
    if connection.move_task(order)? == 0 {
        // Another delivery of this order may have been under way: where each statement sees what was committed before it,
        // this one sees more than the first did.
        let done = connection.is_noted(&key)? || connection.job_of(&key)?.is_some();
        return Ok(match done {
            true => Advanced::AlreadyDone,
            false => Advanced::Superseded { stage: connection.stage_of(&order.task)? },
        });
    }
    let next = match (connection.job_of(&key)?, &order.next_agent) {
        // Somebody has enqueued it and left the task where it was.
        (Some(job), _) => Some(job),
        (None, Some(agent)) => Some(connection.enqueue(order, agent, &key)?),
        (None, None) => None,
    };
    connection.note(order, &key)?;
    Ok(Advanced::Advanced { next })
}

#[cfg(test)]
pub(super) mod tests;
