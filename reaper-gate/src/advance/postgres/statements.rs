//! The statements of an advance.

use diesel::{
    OptionalExtension as _, PgConnection, QueryResult, QueryableByName, RunQueryDsl as _,
    pg::Pg,
    query_builder::BoxedSqlQuery,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};
use reaper_core::{AdvanceOrder, JobId, TaskId, job::Key};

use crate::advance::database::Steps;

/// A text as the owner's column holds it, which may be an enumeration.
macro_rules! owners {
    ($table:literal, $column:literal, $value:literal) => {
        concat!(
            "(jsonb_populate_record(NULL::",
            $table,
            ", jsonb_build_object('",
            $column,
            "', ",
            $value,
            "))).",
            $column
        )
    };
}

/// For this transaction alone, and never weaker than what the database's owner has set.
const COMMIT_TO_DISK: &str = "SELECT set_config('synchronous_commit', 'on', true) \
     WHERE current_setting('synchronous_commit') = 'off'";

const IS_NOTED: &str = "SELECT 1::bigint AS n FROM reaper_advances WHERE source_key = $1";

const JOB_OF: &str = "SELECT id::bigint AS n FROM jobs WHERE reaper_source_key = $1";

/// A task that was there before Reaper has no version until it moves.
const MOVE_TASK: &str = concat!(
    "UPDATE tasks SET stage = ",
    owners!("tasks", "stage", "$1"),
    " WHERE stage::text = $2 AND id = $3 AND coalesce(reaper_stage_version, 0) = $4"
);

const STAGE_OF: &str = "SELECT stage::text AS stage FROM tasks WHERE id = $1";

const ENQUEUE: &str = concat!(
    "INSERT INTO jobs (agent, repo, status, reaper_source_key, task_id) VALUES (",
    owners!("jobs", "agent", "$1"),
    ", ",
    owners!("jobs", "repo", "$2"),
    ", 'queued', $3, $4) RETURNING id::bigint AS n"
);

const NOTE: &str = "INSERT INTO reaper_advances (source_key, task_id) VALUES ($1, $2)";

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

impl Steps for PgConnection {
    fn in_transaction<T>(&mut self, work: impl FnOnce(&mut Self) -> QueryResult<T>) -> QueryResult<T> {
        self.build_transaction().read_committed().read_write().run(work)
    }

    fn begin(&mut self) -> QueryResult<()> {
        sql_query(COMMIT_TO_DISK).execute(self).map(drop)
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

/// Binds a key as what it is. A text for a column of numbers is an error of the database's: the order is not this
/// database's.
fn bind_key<'q, Q>(query: BoxedSqlQuery<'q, Pg, Q>, key: &Key) -> BoxedSqlQuery<'q, Pg, Q> {
    match key {
        Key::Int(number) => query.bind::<BigInt, _>(*number),
        Key::Text(text) => query.bind::<Text, _>(text.clone()),
    }
}

/// Each statement that searches a table, with the types of what is bound.
#[cfg(test)]
pub(super) const SEARCHES: [(&str, &str); 4] =
    [(IS_NOTED, "text"), (JOB_OF, "text"), (MOVE_TASK, "text, text, bigint, bigint"), (STAGE_OF, "bigint")];
