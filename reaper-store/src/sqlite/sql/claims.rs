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

macro_rules! event_into {
    () => {
        "INSERT INTO reaper_events
    (id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence, agent, signature,
    run_id, young)
VALUES "
    };
}

/// The places of one event; those of several are told apart by how their names end.
macro_rules! event_row {
    ($end:literal) => {
        concat!(
            "(:id",
            $end,
            ", ",
            now!(),
            ", :job",
            $end,
            ", :fence",
            $end,
            ", :actor",
            $end,
            ", :action",
            $end,
            ", :rule",
            $end,
            ", :reason",
            $end,
            ", :from_status",
            $end,
            ", :to_status",
            $end,
            ", :evidence",
            $end,
            ", :agent",
            $end,
            ", :signature",
            $end,
            ", :run",
            $end,
            ", :young",
            $end,
            ")"
        )
    };
}

macro_rules! event_names {
    ($end:literal) => {
        [
            concat!("id", $end),
            concat!("job", $end),
            concat!("fence", $end),
            concat!("actor", $end),
            concat!("action", $end),
            concat!("rule", $end),
            concat!("reason", $end),
            concat!("from_status", $end),
            concat!("to_status", $end),
            concat!("evidence", $end),
            concat!("agent", $end),
            concat!("signature", $end),
            concat!("run", $end),
            concat!("young", $end),
        ]
    };
}

/// The names of `EVENT`, in the order of its columns.
pub(in crate::sqlite) const EVENT_NAMES: [&str; 14] = event_names!("");

/// How many rows `EVENTS` has.
pub(in crate::sqlite) const EVENTS_AT_ONCE: usize = 16;

/// The names of each row of `EVENTS`.
pub(in crate::sqlite) const EVENTS_NAMES: [[&str; 14]; EVENTS_AT_ONCE] = [
    event_names!("_a"),
    event_names!("_b"),
    event_names!("_c"),
    event_names!("_d"),
    event_names!("_e"),
    event_names!("_f"),
    event_names!("_g"),
    event_names!("_h"),
    event_names!("_i"),
    event_names!("_j"),
    event_names!("_k"),
    event_names!("_l"),
    event_names!("_m"),
    event_names!("_n"),
    event_names!("_o"),
    event_names!("_p"),
];

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

    EVENT = concat!(event_into!(), event_row!(""));

    /// Sixteen at once: a statement for each row costs more than the row.
    EVENTS = concat!(event_into!(), event_row!("_a"), ", ", event_row!("_b"), ", ", event_row!("_c"), ", ", event_row!("_d"), ", ", event_row!("_e"), ", ", event_row!("_f"), ", ", event_row!("_g"), ", ", event_row!("_h"), ", ", event_row!("_i"), ", ", event_row!("_j"), ", ", event_row!("_k"), ", ", event_row!("_l"), ", ", event_row!("_m"), ", ", event_row!("_n"), ", ", event_row!("_o"), ", ", event_row!("_p"));

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
