//! The advance on a PostgreSQL database: one READ COMMITTED transaction an order.

use std::fmt;

use diesel::PgConnection;
use reaper_core::AdvanceOrder;

use super::{Advance, AdvanceError, Advanced, database::Carrier};

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
pub struct PostgresAdvance(Carrier<PgConnection>);

impl PostgresAdvance {
    /// An advance over connections that `connect` makes. None is made yet.
    #[must_use]
    pub fn new(connect: Connect) -> Self {
        // A connection to a server that is gone has ended.
        Self(Carrier::new(Box::new(move || Ok((connect()?, Box::new(|| Ok(())))))))
    }
}

impl fmt::Debug for PostgresAdvance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresAdvance").finish_non_exhaustive()
    }
}

impl Advance for PostgresAdvance {
    fn advance(&self, order: &AdvanceOrder) -> Result<Advanced, AdvanceError> {
        self.0.carry_out(order)
    }
}

#[cfg(test)]
mod tests;
