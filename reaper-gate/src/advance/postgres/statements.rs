//! The statements of an advance.

use diesel::{OptionalExtension as _, PgConnection, RunQueryDsl as _, result::Error, sql_query};

use crate::advance::database::{Number, Stage, Steps, Texts, Value, bound};

/// For this transaction alone, and never weaker than what the database's owner has set.
const COMMIT_TO_DISK: &str = "SELECT set_config('synchronous_commit', 'on', true) \
     WHERE current_setting('synchronous_commit') = 'off'";

impl Steps for PgConnection {
    /// An owner's column of a text may be an enumeration: what is written is read by the column's own type.
    const TEXTS: Texts = Texts {
        is_noted: "SELECT 1::bigint AS n FROM reaper_advances WHERE source_key = $1",
        job_of: "SELECT id::bigint AS n FROM jobs WHERE reaper_source_key = $1",
        move_task: "UPDATE tasks SET stage = (jsonb_populate_record(NULL::tasks, jsonb_build_object('stage', $1))).stage \
             WHERE stage::text = $2 AND id = $3 AND coalesce(reaper_stage_version, 0) = $4",
        stage_of: "SELECT stage::text AS stage FROM tasks WHERE id = $1",
        enqueue: "INSERT INTO jobs (agent, repo, status, reaper_source_key, task_id) \
             VALUES ((jsonb_populate_record(NULL::jobs, jsonb_build_object('agent', $1))).agent, \
                     (jsonb_populate_record(NULL::jobs, jsonb_build_object('repo', $2))).repo, 'queued', $3, $4) \
             RETURNING id::bigint AS n",
        note: "INSERT INTO reaper_advances (source_key, task_id) VALUES ($1, $2)",
    };

    fn in_transaction<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.build_transaction().read_committed().read_write().run(work)
    }

    fn begin(&mut self) -> Result<(), Error> {
        sql_query(COMMIT_TO_DISK).execute(self).map(drop)
    }

    fn run(&mut self, text: &'static str, values: &[Value<'_>]) -> Result<usize, Error> {
        bound(text, values).execute(self)
    }

    fn number(&mut self, text: &'static str, values: &[Value<'_>]) -> Result<Option<Number>, Error> {
        bound(text, values).get_result(self).optional()
    }

    fn stage(&mut self, text: &'static str, values: &[Value<'_>]) -> Result<Option<Stage>, Error> {
        bound(text, values).get_result(self).optional()
    }
}

/// Each statement that searches a table, with the types of what is bound.
#[cfg(test)]
pub(super) const SEARCHES: [(&str, &str); 4] = {
    let Texts { is_noted, job_of, move_task, stage_of, .. } = PgConnection::TEXTS;
    [(is_noted, "text"), (job_of, "text"), (move_task, "text, text, bigint, bigint"), (stage_of, "bigint")]
};
