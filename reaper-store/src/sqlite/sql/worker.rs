//! The worker's side.

macro_rules! takeable {
    () => {
        concat!(
            "status = 'queued' AND reaper_exit_code IS NOT 0
        AND (reaper_available_at IS NULL OR reaper_available_at <= ",
            now!(),
            ")"
        )
    };
}

statements! {
    ADD_TASK = "INSERT INTO tasks (work_item_id, repo, branch, stage)
    VALUES (:work_item, :repo, :branch, :stage)";

    LAST_ID = "SELECT last_insert_rowid()";

    ENQUEUE = "INSERT INTO jobs
        (agent, repo, task_id, status, attempts, max_attempts, reaper_source_key, reaper_payload)
    VALUES (:agent, :repo, :task, 'queued', 0, :max_attempts, :source_key, :payload)
    ON CONFLICT (reaper_source_key) WHERE reaper_source_key IS NOT NULL DO NOTHING";

    /// The next queued jobs that may be taken, after an id; `agent` and `job` narrow it where they are not NULL.
    TAKEABLE = concat!(
    "SELECT ",
    job_columns!(),
    " FROM (SELECT * FROM jobs INDEXED BY reaper_jobs_queued WHERE ",
    takeable!(),
    " AND id > :after AND (:agent IS NULL OR agent = :agent)
        ORDER BY id LIMIT :limit + 0) j LEFT JOIN tasks t ON t.id = j.task_id ORDER BY j.id"
);

    TAKEABLE_JOB = concat!(
    "SELECT ",
    job_columns!(),
    " FROM (SELECT * FROM jobs WHERE id = :job AND ",
    takeable!(),
    ") j LEFT JOIN tasks t ON t.id = j.task_id"
);

    BEGIN_RUN = "INSERT INTO agent_runs (task_id, agent, started_at) VALUES (:task, :agent, datetime('now'))";

    /// The id of a run that was deleted comes again. One that stands on the row unchanged would count as inherited.
    FORGET_RUN = "UPDATE jobs SET run_id = NULL WHERE id = :job AND run_id = :run";

    /// The fence is drawn by a trigger, which sees the monitor and `pending` as this statement's own.
    TAKE = "UPDATE jobs SET status = 'running', attempts = min(attempts + 1, 4294967295),
    run_id = :run, pid = NULL, started_at = datetime('now'), reaper_attach = 'pending', reaper_monitor = :monitor,
    reaper_node_bound = :node_bound
    WHERE id = :job AND status = 'queued'";

    RECORD_EXIT = "UPDATE agent_runs SET exit_code = :code, finished_at = datetime('now')
    WHERE id = :run AND exit_code IS NULL";

    RECORD_WITNESSED = concat!(
    "UPDATE agent_runs SET exit_code = :code, finished_at = datetime('now')
    WHERE exit_code IS NULL AND id = (SELECT run_id FROM jobs",
    fenced!(),
    " AND reaper_exit_code IS NULL AND coalesce(reaper_inherited, 0) & 2 = 0)"
);

    RUN_EXISTS = "SELECT EXISTS (SELECT 1 FROM agent_runs WHERE id = :run)";
}
