//! An order on a database: what it does in one transaction, and the connection that is kept for it. The databases share it.

use std::sync::{Mutex, PoisonError};

use diesel::{
    QueryableByName,
    backend::Backend,
    query_builder::{BoxedSqlQuery, SqlQuery},
    result::Error,
    serialize::ToSql,
    sql_query,
    sql_types::{BigInt, HasSqlType, Nullable, Text},
};
use reaper_core::{AdvanceOrder, JobId, TaskId, job::Key};

use super::{AdvanceError, Advanced};

/// The statements of one database. Each is given its values in the order that is told here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Texts {
    /// A number, where the order of this key was carried out.
    pub(super) is_noted: &'static str,
    /// The id of the job that was enqueued under this key.
    pub(super) job_of: &'static str,
    /// Moves a task to a stage, from a stage, by its id and the version of its stage: a task that was there before Reaper
    /// has none until it moves, which counts as 0.
    pub(super) move_task: &'static str,
    /// The stage of the task of this id.
    pub(super) stage_of: &'static str,
    /// Enqueues a job for an agent, in a repo, under a key, for a task, and says its id.
    pub(super) enqueue: &'static str,
    /// Notes that the order of this key was carried out, for a task.
    pub(super) note: &'static str,
}

/// What a statement is given.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'v> {
    Int(i64),
    Text(&'v str),
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(text)
    }
}

/// A key is bound as what it is. SQLite does not take `'7'` for `7` in a column without a type; for PostgreSQL a text for a
/// column of numbers is an error: the order is not this database's.
impl<'v> From<&'v Key> for Value<'v> {
    fn from(key: &'v Key) -> Self {
        match key {
            Key::Int(number) => Self::Int(*number),
            Key::Text(text) => Self::Text(text),
        }
    }
}

/// A statement with its values.
pub(super) fn bound<'q, B>(text: &'static str, values: &[Value<'q>]) -> BoxedSqlQuery<'q, B, SqlQuery>
where
    B: Backend + HasSqlType<BigInt> + HasSqlType<Text>,
    i64: ToSql<BigInt, B>,
    str: ToSql<Text, B>,
{
    values.iter().fold(sql_query(text).into_boxed(), |query, value| match *value {
        Value::Int(number) => query.bind::<BigInt, _>(number),
        Value::Text(text) => query.bind::<Text, _>(text),
    })
}

/// A row that is a number, named `n`.
#[derive(QueryableByName)]
pub(super) struct Number {
    #[diesel(sql_type = BigInt)]
    pub(super) n: i64,
}

/// A row that is a stage, named `stage`.
#[derive(QueryableByName)]
pub(super) struct Stage {
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) stage: Option<String>,
}

/// A connection to one database, and what is done on it, each step by a statement of its own.
pub(super) trait Steps: Sized {
    /// The statements.
    const TEXTS: Texts;

    /// Does something all or not at all.
    fn in_transaction<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error>;

    /// Sets what holds for the transaction that it is in.
    fn begin(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// How many rows a statement changes.
    fn run(&mut self, text: &'static str, values: &[Value<'_>]) -> Result<usize, Error>;

    /// The row that a statement finds.
    fn number(&mut self, text: &'static str, values: &[Value<'_>]) -> Result<Option<Number>, Error>;

    /// The row that a statement finds.
    fn stage(&mut self, text: &'static str, values: &[Value<'_>]) -> Result<Option<Stage>, Error>;

    /// Whether the order of this key was carried out.
    fn is_noted(&mut self, key: &str) -> Result<bool, Error> {
        Ok(self.number(Self::TEXTS.is_noted, &[key.into()])?.is_some())
    }

    /// The job that was enqueued under this key.
    fn job_of(&mut self, key: &str) -> Result<Option<JobId>, Error> {
        Ok(self.number(Self::TEXTS.job_of, &[key.into()])?.map(|job| job.n.into()))
    }

    /// Moves the task if it is still on the order's visit to its stage, and says how many rows that were.
    fn move_task(&mut self, order: &AdvanceOrder) -> Result<usize, Error> {
        let (to, from) = (order.to.as_str().into(), order.from.as_str().into());
        self.run(Self::TEXTS.move_task, &[to, from, (&order.task.0).into(), (&order.version.0).into()])
    }

    /// Where a task stands; `None` if its row is gone.
    fn stage_of(&mut self, task: &TaskId) -> Result<Option<String>, Error> {
        let found = self.stage(Self::TEXTS.stage_of, &[(&task.0).into()])?;
        Ok(found.map(|task| task.stage.unwrap_or_default()))
    }

    /// Enqueues the next job.
    fn enqueue(&mut self, order: &AdvanceOrder, agent: &str, key: &str) -> Result<JobId, Error> {
        let values = [agent.into(), order.repo.as_str().into(), key.into(), (&order.task.0).into()];
        let job = self.number(Self::TEXTS.enqueue, &values)?;
        Ok(job.ok_or(diesel::NotFound)?.n.into())
    }

    /// Notes that the order was carried out.
    fn note(&mut self, order: &AdvanceOrder, key: &str) -> Result<(), Error> {
        self.run(Self::TEXTS.note, &[key.into(), (&order.task.0).into()]).map(drop)
    }
}

/// Says why a connection does not lead to its database any more, where that is so.
pub type Check = Box<dyn Fn() -> Result<(), String> + Send>;

/// Makes a connection, with its check.
type Connect<C> = Box<dyn Fn() -> Result<(C, Check), String> + Send + Sync>;

/// Carries orders out, one at a time. The connection is made when it is first needed, and dropped and made anew after an
/// error or a panic, and where it does not lead to its database any more.
pub(super) struct Carrier<C> {
    connect: Connect<C>,
    connection: Mutex<Option<(C, Check)>>,
}

impl<C: Steps> Carrier<C> {
    pub(super) fn new(connect: Connect<C>) -> Self {
        Self { connect, connection: Mutex::new(None) }
    }

    pub(super) fn carry_out(&self, order: &AdvanceOrder) -> Result<Advanced, AdvanceError> {
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        // It is put back only after all went well: a connection that saw an error may still be in a transaction.
        let kept = slot.take().filter(|(_, check)| check().is_ok());
        let (mut connection, check) = match kept {
            Some(kept) => kept,
            None => (self.connect)().map_err(|problem| AdvanceError { problem })?,
        };
        let mut inner = None;
        let advanced = connection.in_transaction(|connection| {
            let advanced = carry_out(connection, order).inspect_err(|error| inner = Some(error.to_string()))?;
            // What is not to be found there any more must not be told as done.
            check().map_err(|problem| {
                inner = Some(problem);
                Error::RollbackTransaction
            })?;
            Ok(advanced)
        });
        match advanced {
            Ok(advanced) => {
                *slot = Some((connection, check));
                Ok(advanced)
            }
            // A rollback that fails, as after a full disk or on a broken connection, hides the error that led to it:
            // that one is said.
            Err(error) => Err(AdvanceError { problem: inner.unwrap_or_else(|| error.to_string()) }),
        }
    }
}

fn carry_out(connection: &mut impl Steps, order: &AdvanceOrder) -> Result<Advanced, Error> {
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
