//! The statements of an advance.

use diesel::{
    OptionalExtension as _, QueryResult, QueryableByName, RunQueryDsl as _, SqliteConnection,
    query_builder::BoxedSqlQuery,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
    sqlite::Sqlite,
};
use reaper_core::{AdvanceOrder, JobId, TaskId, job::Key};

use crate::advance::database::Steps;

const IS_NOTED: &str = "SELECT 1 AS n FROM reaper_advances WHERE source_key = ?";

const JOB_OF: &str = "SELECT id AS n FROM jobs WHERE reaper_source_key = ?";

/// A task that was there before Reaper has no version until it moves.
const MOVE_TASK: &str =
    "UPDATE tasks SET stage = ? WHERE stage = ? AND id = ? AND coalesce(reaper_stage_version, 0) = ?";

const STAGE_OF: &str = "SELECT stage FROM tasks WHERE id = ?";

const ENQUEUE: &str = "INSERT INTO jobs (agent, repo, status, reaper_source_key, task_id) \
     VALUES (?, ?, 'queued', ?, ?) RETURNING id AS n";

const NOTE: &str = "INSERT INTO reaper_advances (source_key, task_id) VALUES (?, ?)";

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct Stage {
    #[diesel(sql_type = Nullable<Text>)]
    stage: Option<String>,
}

impl Steps for SqliteConnection {
    fn in_transaction<T>(&mut self, work: impl FnOnce(&mut Self) -> QueryResult<T>) -> QueryResult<T> {
        self.immediate_transaction(work)
    }

    fn is_noted(&mut self, key: &str) -> QueryResult<bool> {
        let found = sql_query(IS_NOTED).bind::<Text, _>(key).get_result::<Number>(self).optional()?;
        Ok(found.is_some())
    }

    fn job_of(&mut self, key: &str) -> QueryResult<Option<JobId>> {
        let found = sql_query(JOB_OF).bind::<Text, _>(key).get_result::<Number>(self).optional()?;
        Ok(found.map(|job| job.n.into()))
    }

    fn move_task(&mut self, order: &AdvanceOrder) -> QueryResult<usize> {
        let query = sql_query(MOVE_TASK).into_boxed().bind::<Text, _>(&order.to).bind::<Text, _>(&order.from);
        bind_key(bind_key(query, &order.task.0), &order.version.0).execute(self)
    }

    fn stage_of(&mut self, task: &TaskId) -> QueryResult<Option<String>> {
        let query = bind_key(sql_query(STAGE_OF).into_boxed(), &task.0);
        let found = query.get_result::<Stage>(self).optional()?;
        Ok(found.map(|task| task.stage.unwrap_or_default()))
    }

    fn enqueue(&mut self, order: &AdvanceOrder, agent: &str, key: &str) -> QueryResult<JobId> {
        let query = sql_query(ENQUEUE).into_boxed();
        let query = query.bind::<Text, _>(agent).bind::<Text, _>(&order.repo).bind::<Text, _>(key);
        let job: Number = bind_key(query, &order.task.0).get_result(self)?;
        Ok(job.n.into())
    }

    fn note(&mut self, order: &AdvanceOrder, key: &str) -> QueryResult<()> {
        let query = sql_query(NOTE).into_boxed().bind::<Text, _>(key);
        bind_key(query, &order.task.0).execute(self).map(drop)
    }
}

/// Binds a key as what it is: SQLite does not take `'7'` for `7` in a column without a type.
fn bind_key<'q, Q>(query: BoxedSqlQuery<'q, Sqlite, Q>, key: &Key) -> BoxedSqlQuery<'q, Sqlite, Q> {
    match key {
        Key::Int(number) => query.bind::<BigInt, _>(*number),
        Key::Text(text) => query.bind::<Text, _>(text.clone()),
    }
}

#[cfg(test)]
pub(super) const ALL: [&str; 6] = [IS_NOTED, JOB_OF, MOVE_TASK, STAGE_OF, ENQUEUE, NOTE];
