//! The worker's side.

/// The longest payload is [`LONGEST_PAYLOAD`](crate::attempts::LONGEST_PAYLOAD).
macro_rules! takeable {
    () => {
        concat!(
            "j.status = 'queued' AND j.reaper_exit_code IS DISTINCT FROM 0
        AND (j.reaper_available_at IS NULL OR j.reaper_available_at <= ",
            now!(),
            ") AND (j.reaper_payload IS NULL OR octet_length(j.reaper_payload) <= 262144)"
        )
    };
}

/// Locks a run, and the job on which its exit shows, as the trigger would; how many of these rows somebody else has
/// locked. Nobody is waited for.
macro_rules! hold {
    ($run:expr) => {
        concat!(
            "SELECT (SELECT count(*) FROM agent_runs WHERE id = ",
            $run,
            ")
        - (SELECT count(*) FROM (SELECT 1 FROM agent_runs WHERE id = ",
            $run,
            " FOR NO KEY UPDATE SKIP LOCKED) AS free)
        + (SELECT count(*) FROM jobs WHERE status IN ('queued', 'running') AND run_id = ",
            $run,
            ")
        - (SELECT count(*) FROM (SELECT 1 FROM jobs WHERE status IN ('queued', 'running') AND run_id = ",
            $run,
            " FOR NO KEY UPDATE SKIP LOCKED) AS free)"
        )
    };
}

statements! {
    ADD_TASK = concat!(
    "INSERT INTO tasks (work_item_id, repo, branch, stage) VALUES (",
    owners!("tasks", "work_item_id", ":work_item"),
    ", ",
    owners!("tasks", "repo", ":repo"),
    ", ",
    owners!("tasks", "branch", ":branch"),
    ", ",
    owners!("tasks", "stage", ":stage"),
    ") RETURNING id"
);

    ENQUEUE = concat!(
    "INSERT INTO jobs
        (agent, repo, task_id, status, attempts, max_attempts, reaper_source_key, reaper_payload)
    VALUES (",
    owners!("jobs", "agent", ":agent"),
    ", ",
    owners!("jobs", "repo", ":repo"),
    ", :task, 'queued', 0, :max_attempts, :source_key, :payload)
    ON CONFLICT (reaper_source_key) WHERE reaper_source_key IS NOT NULL DO NOTHING RETURNING id"
);

    /// The next queued jobs that may be taken, after an id; `agent` narrows it where it is not NULL.
    TAKEABLE = concat!(
    "SELECT ",
    job_columns!(),
    ", ",
    task_columns!(),
    " FROM jobs j",
    task_of!("j"),
    "
    WHERE ",
    takeable!(),
    " AND j.id > :after AND (:agent IS NULL OR j.agent::text = :agent)
    ORDER BY j.id LIMIT :limit"
);

    TAKEABLE_JOB = concat!(
    "SELECT ",
    job_columns!(),
    ", ",
    task_columns!(),
    " FROM jobs j",
    task_of!("j"),
    " WHERE j.id = :job AND ",
    takeable!()
);

    /// The first of these that nobody else is taking at this moment. The guard is looked at again once it is locked.
    TAKE_ONE = concat!(
    "SELECT j.id, j.task_id, j.run_id, j.agent::text FROM jobs j WHERE j.id = ANY(:jobs) AND ",
    takeable!(),
    " ORDER BY j.id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"
);

    BEGIN_RUN = concat!(
    "INSERT INTO agent_runs (task_id, agent, started_at) VALUES (:task, ",
    owners!("agent_runs", "agent", ":agent"),
    ", ",
    owners_now!("agent_runs", "started_at"),
    ") RETURNING id"
);

    /// The id of a run comes again where its sequence was set back. One that stands on the row unchanged would count as
    /// inherited.
    FORGET_RUN = "UPDATE jobs SET run_id = NULL WHERE id = :job";

    /// The fence is drawn by a trigger, which sees the monitor and `pending` as this statement's own. A count that
    /// stands at the end of `integer`, which the column may be, stays there.
    TAKE = concat!(
    "UPDATE jobs AS j SET status = 'running',
        attempts = least(j.attempts::bigint + 1, greatest(j.attempts::bigint, 2147483647)),
        run_id = :run, pid = NULL, started_at = ",
    owners_now!("jobs", "started_at"),
    ",
        reaper_attach = 'pending', reaper_monitor = :monitor, reaper_node_bound = :node_bound
    WHERE j.id = :job AND ",
    takeable!()
);

    HAS_BEGUN = "SELECT count(*) FROM jobs WHERE id = :job AND reaper_fence = :fence";

    RECORD_EXIT = concat!(
    "UPDATE agent_runs SET exit_code = :code, finished_at = ",
    owners_now!("agent_runs", "finished_at"),
    " WHERE id = :run AND exit_code IS NULL"
);

    HOLD_RUN = hold!(":run");

    HOLD_WITNESSED = hold!(concat!("(SELECT run_id FROM jobs", fenced!(), ")"));

    /// Run and job are locked in the order in which a monitor that records an exit locks them. A job that moves on
    /// meanwhile has its exit in its own run, as after a late monitor.
    RECORD_WITNESSED = concat!(
    "UPDATE agent_runs SET exit_code = :code, finished_at = ",
    owners_now!("agent_runs", "finished_at"),
    " WHERE exit_code IS NULL AND id = (SELECT run_id FROM jobs",
    fenced!(),
    " AND reaper_exit_code IS NULL AND coalesce(reaper_inherited, 0) & 2 = 0)"
);

    RUN_EXISTS = "SELECT count(*) FROM agent_runs WHERE id = :run";
}
