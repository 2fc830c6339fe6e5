//! The advance on a SQLite database: one immediate transaction an order.

use std::fmt;

use diesel::SqliteConnection;
use reaper_core::AdvanceOrder;

use super::{
    Advance, AdvanceError, Advanced,
    database::{Carrier, Check},
};

mod statements;

/// Makes a connection that is ready for use, or says why there is none.
///
/// Its busy timeout is set, since diesel sets none and a busy database is an error at once without; foreign keys and
/// all else are as the database's owner wants them. The check says whether the file that was opened is still the one
/// that is meant: SQLite goes on with a file that was replaced, and a task that is moved there is moved for nobody.
pub type Connect = Box<dyn Fn() -> Result<(SqliteConnection, Check), String> + Send + Sync>;

/// Advances tasks in a SQLite database.
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
/// What an order does is one `BEGIN IMMEDIATE` transaction: look whether it was carried out before, move the task if
/// it is still on the same visit to the same stage, enqueue the next job, and note that it was carried out. A crash
/// leaves all of that or none.
///
/// Rows of `reaper_advances` may be removed when their orders are not delivered any more. An order that is delivered
/// all the same is `AlreadyDone` if its next job is there, and otherwise `Superseded`: the task's stage version is
/// another one.
///
/// One connection is held. It is made when it is first needed, and dropped and made anew after an error or a panic, and
/// where its check fails, which is asked before each order and again before its COMMIT.
pub struct SqliteAdvance(Carrier<SqliteConnection>);

impl SqliteAdvance {
    /// An advance over connections that `connect` makes. None is made yet.
    #[must_use]
    pub fn new(connect: Connect) -> Self {
        Self(Carrier::new(connect))
    }
}

impl fmt::Debug for SqliteAdvance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteAdvance").finish_non_exhaustive()
    }
}

impl Advance for SqliteAdvance {
    fn advance(&self, order: &AdvanceOrder) -> Result<Advanced, AdvanceError> {
        self.0.carry_out(order)
    }
}

#[cfg(test)]
mod tests;
