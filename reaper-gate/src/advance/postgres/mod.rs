//! The advance on a PostgreSQL database: one READ COMMITTED transaction an order.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use diesel::{PgConnection, QueryResult};
use reaper_core::AdvanceOrder;

use super::{Advance, AdvanceError, Advanced};

mod statements;

/// Makes a connection that is ready for use, or says why there is none.
///
/// Its search path leads to the jobs table, and its lock timeout, statement timeout and keepalives are set: diesel sets
/// none, and a delivery would wait for as long as a lock is held or a silent server is not noticed.
pub type Connect = Box<dyn Fn() -> Result<PgConnection, String> + Send + Sync>;

/// Advances tasks in a PostgreSQL database.
///
/// The database is one that Reaper has prepared. The tables of the contract are `tasks(id, stage, …)` and
/// `jobs(id, agent, repo, task_id, status, …)`, where the columns that are not named have defaults, and Reaper's own
/// are:
///
/// | what | is |
/// |---|---|
/// | `tasks.reaper_stage_version` | drawn by a trigger at every INSERT and at every change of `stage`; NULL counts as 0 |
/// | `jobs.reaper_source_key` | unique where it is not NULL; set on a job that an advance enqueues |
/// | `reaper_advances(source_key, task_id, at)` | a row for each order that was carried out, whether it had a next job or not; `source_key` is its primary key, `at` has a default |
///
/// What an order does is one transaction: look whether it was carried out before, move the task if it is still on the
/// same visit to the same stage, enqueue the next job, and note that it was carried out. A crash leaves all of that or
/// none. The guard stands in the UPDATE itself, which PostgreSQL checks again on the newest version of the row when it
/// has waited for another transaction; whoever then finds no row looks anew for what the other one has left. Its commit
/// waits for the disk also where the database's default is `synchronous_commit = off`.
///
/// Rows of `reaper_advances` may be removed when their orders are not delivered any more. An order that is delivered
/// all the same is `AlreadyDone` if its next job is there, and otherwise `Superseded`: the task's stage version is
/// another one.
///
/// A commit with an unknown outcome, where the connection breaks while it is on its way, is an error, and delivering the
/// order again settles it.
///
/// One connection is held. It is made when it is first needed, and dropped and made anew after an error or a panic.
/// Nothing is kept on it between two orders, so that it may lead through a pooler that lends connections for a
/// transaction.
pub struct PostgresAdvance {
    connect: Connect,
    connection: Mutex<Option<PgConnection>>,
}

impl PostgresAdvance {
    /// An advance over connections that `connect` makes. None is made yet.
    #[must_use]
    pub fn new(connect: Connect) -> Self {
        Self { connect, connection: Mutex::new(None) }
    }
}

impl fmt::Debug for PostgresAdvance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresAdvance").finish_non_exhaustive()
    }
}

impl Advance for PostgresAdvance {
    fn advance(&self, order: &AdvanceOrder) -> Result<Advanced, AdvanceError> {
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        // It is put back only after all went well: a connection that saw an error may still be in a transaction.
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => (self.connect)().map_err(|problem| AdvanceError { problem })?,
        };
        let mut inner = None;
        let advanced =
            connection.build_transaction().read_committed().read_write().run(|connection| {
                carry_out(connection, order).inspect_err(|error| inner = Some(error.to_string()))
            });
        match advanced {
            Ok(advanced) => {
                *slot = Some(connection);
                Ok(advanced)
            }
            // A rollback that fails, as on a broken connection, hides the error that led to it: that one is said.
            Err(error) => Err(AdvanceError { problem: inner.unwrap_or_else(|| error.to_string()) }),
        }
    }
}

fn carry_out(connection: &mut PgConnection, order: &AdvanceOrder) -> QueryResult<Advanced> {
    let key = order.source_key();
    statements::commit_to_disk(connection)?;
    if statements::is_noted(connection, &key)? {
        return Ok(Advanced::AlreadyDone);
    }
    if statements::move_task(connection, order)? == 0 {
        // Another delivery of this order may have been under way: each statement sees what was committed before it.
        let done = statements::is_noted(connection, &key)? || statements::job_of(connection, &key)?.is_some();
        return Ok(match done {
            true => Advanced::AlreadyDone,
            false => Advanced::Superseded { stage: statements::stage_of(connection, &order.task)? },
        });
    }
    let next = match (statements::job_of(connection, &key)?, &order.next_agent) {
        // Somebody has enqueued it and left the task where it was.
        (Some(job), _) => Some(job),
        (None, Some(agent)) => Some(statements::enqueue(connection, order, agent, &key)?),
        (None, None) => None,
    };
    statements::note(connection, order, &key)?;
    Ok(Advanced::Advanced { next })
}

#[cfg(test)]
mod tests;
