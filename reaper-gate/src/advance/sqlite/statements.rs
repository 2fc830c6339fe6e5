//! The statements of an advance.

use diesel::{OptionalExtension as _, RunQueryDsl as _, SqliteConnection, result::Error};

use crate::advance::database::{Number, Stage, Steps, Texts, Value, bound};

impl Steps for SqliteConnection {
    const TEXTS: Texts = Texts {
        is_noted: "SELECT 1 AS n FROM reaper_advances WHERE source_key = ?",
        job_of: "SELECT id AS n FROM jobs WHERE reaper_source_key = ?",
        move_task: "UPDATE tasks SET stage = ? WHERE stage = ? AND id = ? AND coalesce(reaper_stage_version, 0) = ?",
        stage_of: "SELECT stage FROM tasks WHERE id = ?",
        enqueue: "INSERT INTO jobs (agent, repo, status, reaper_source_key, task_id) \
     VALUES (?, ?, 'queued', ?, ?) RETURNING id AS n",
        note: "INSERT INTO reaper_advances (source_key, task_id) VALUES (?, ?)",
    };

    fn in_transaction<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.immediate_transaction(work)
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
