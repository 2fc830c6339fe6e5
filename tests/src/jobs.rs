//! Jobs and tasks as the seed's helpers make them, by plain SQL.

use crate::database::Database;

/// A job that is already `running`. `started_at` lies `age_s` seconds back; with an exit code a run is made and
/// linked, whose `finished_at` lies `finished_age_s` seconds back.
#[derive(Clone, Copy, Debug)]
pub struct RunningJob {
    /// The agent.
    pub agent: &'static str,
    /// The repository.
    pub repo: &'static str,
    /// The task.
    pub task_id: Option<i64>,
    /// The executor's bare pid.
    pub pid: Option<u32>,
    /// How long it has been running, in seconds.
    pub age_s: i64,
    /// How often it was taken.
    pub attempts: i64,
    /// How often it may be.
    pub max_attempts: i64,
    /// The recorded exit.
    pub exit_code: Option<i64>,
    /// How long ago that was recorded, in seconds.
    pub finished_age_s: i64,
}

impl Default for RunningJob {
    fn default() -> Self {
        Self {
            agent: "developer",
            repo: "orchestrator",
            task_id: None,
            pid: None,
            age_s: 0,
            attempts: 0,
            max_attempts: 2,
            exit_code: None,
            finished_age_s: 600,
        }
    }
}

impl RunningJob {
    /// Inserts it, and answers with its id.
    #[must_use]
    pub fn insert(&self, database: &Database) -> i64 {
        let Self { agent, repo, task_id, pid, age_s, attempts, max_attempts, exit_code, finished_age_s } = self;
        let task_id = sql(*task_id);
        let run_id = exit_code.map(|code| {
            let finished_at = database.ago(*finished_age_s);
            database.insert(&format!(
                "INSERT INTO agent_runs (task_id, agent, finished_at, exit_code)
                 VALUES ({task_id}, '{agent}', {finished_at}, {code})"
            ))
        });
        database.insert(&format!(
            "INSERT INTO jobs (agent, repo, task_id, status, attempts, max_attempts, run_id, pid, started_at)
             VALUES ('{agent}', '{repo}', {task_id}, 'running', {attempts}, {max_attempts}, {}, {}, {})",
            sql(run_id),
            sql(pid.map(i64::from)),
            database.ago(*age_s),
        ))
    }
}

/// Inserts a task of the work item `ORCH-1` on branch `feature/x`, and answers with its id.
#[must_use]
pub fn task(database: &Database, stage: &str) -> i64 {
    database.insert(&format!(
        "INSERT INTO tasks (plane_id, work_item_id, repo, branch, stage)
         VALUES ('ORCH-1', 'ORCH-1', 'orchestrator', 'feature/x', '{stage}')"
    ))
}

fn sql(value: Option<i64>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |value| value.to_string())
}
