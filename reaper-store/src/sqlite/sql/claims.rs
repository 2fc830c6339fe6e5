//! The claims. Each writes one row if the guard holds at that moment, and no row otherwise.

/// The guard: the attempt, and every value that the decision rested on. `IS` takes NULL for a value. An inherited pid
/// or run counts as NULL, here as in the snapshot.
macro_rules! guard {
    () => {
        " WHERE id = :job AND status = :status AND coalesce(reaper_fence, 0) = :fence
    AND CASE WHEN coalesce(reaper_inherited, 0) & 2 = 0 THEN run_id END IS :run
    AND CASE WHEN coalesce(reaper_inherited, 0) & 1 = 0 THEN pid END IS :pid
    AND reaper_started_at IS :started_at AND reaper_exit_code IS :exit_code AND reaper_exit_at IS :exit_at
    AND reaper_attach IS :attach AND reaper_beat IS :beat AND reaper_terminating_at IS :terminating_at"
    };
}

/// What a trigger would clear on entering `queued` is cleared here already, which spares it the second write.
macro_rules! requeue {
    () => {
        "UPDATE jobs SET status = 'queued', pid = NULL, reaper_exit_code = NULL, reaper_exit_at = NULL,
    reaper_attach = NULL, reaper_node_bound = NULL, reaper_executor = NULL, reaper_monitor = NULL, reaper_beat = NULL, reaper_beat_at = NULL,
    reaper_terminating_at = NULL"
    };
}

statements! {
    CLAIM_DONE = concat!("UPDATE jobs SET status = 'done'", guard!());

    CLAIM_FAIL = concat!("UPDATE jobs SET status = 'failed', reaper_last_error = :reason", guard!());

    /// `keep` is 0 where the rescues begin anew, `add` is 1 where this is one; `cap` is NULL where nothing bounds it.
    CLAIM_REQUEUE = concat!(
    requeue!(),
    ", reaper_available_at = ",
    now!(),
    " + :wait, reaper_last_error = :reason,
    reaper_rescues = min(coalesce(reaper_rescues, 0) * :keep + :add, 4294967295)",
    guard!(),
    "
    AND (:cap IS NULL OR (attempts < max_attempts AND coalesce(reaper_rescues, 0) < :cap))"
);

    /// Nobody stops a process that another running row has as its executor.
    CLAIM_TERMINATE = concat!(
    "UPDATE jobs SET reaper_terminating_at = ",
    now!(),
    guard!(),
    "
    AND NOT EXISTS (SELECT 1 FROM jobs o INDEXED BY reaper_jobs_executor
        WHERE o.status = 'running' AND o.reaper_executor IS NOT NULL AND ",
    host!("o.reaper_executor"),
    " = ",
    host!("jobs.reaper_executor"),
    "
            AND o.reaper_executor = jobs.reaper_executor AND o.id <> jobs.id)"
);

    CLAIM_DISMISS = concat!("UPDATE jobs SET reaper_exit_code = NULL, reaper_exit_at = NULL", guard!());

    EVENT = concat!(
    "INSERT INTO reaper_events
        (id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence)
    VALUES (:id, ",
    now!(),
    ", :job, :fence, :actor, :action, :rule, :reason, :from_status, :to_status, :evidence)"
);

    EVENTS_KNOWN = "SELECT count(*) FROM reaper_events WHERE id IN (SELECT value FROM json_each(:ids))";

    /// The events of a requeue of everything, written before it.
    REQUEUE_ALL_EVENTS = concat!(
    "INSERT INTO reaper_events
        (id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence)
    SELECT max(1, random() & 9223372036854775807), ",
    now!(),
    ", id, coalesce(reaper_fence, 0), :actor, 'requeue_all', '', :reason, 'running', 'queued', 'null'
    FROM jobs WHERE status = 'running' ORDER BY id"
);

    REQUEUE_ALL = concat!(requeue!(), ", reaper_available_at = ", now!(), " WHERE status = 'running'");
}
