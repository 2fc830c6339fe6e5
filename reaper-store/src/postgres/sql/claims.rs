//! The claims of a set. Each row is written if its guard holds at that moment, and is left as it is otherwise.

/// The claims as rows, by their columns.
macro_rules! claimed {
    ($($more:literal)*) => {
        concat!(
            " FROM unnest(:event, :job, :status, :fence, :run, :pid, :started_at, :exit_code, :exit_at,
        :attach, :beat, :terminating_at",
            $(", :", $more,)*
            ") AS c (event, job, status, fence, run, pid, started_at, exit_code, exit_at,
        attach, beat, terminating_at",
            $(", ", $more,)*
            ")"
        )
    };
}

/// The guard: the attempt, and every value that the decision rested on. An inherited pid or run counts as NULL, here as
/// in the snapshot.
macro_rules! guard {
    () => {
        "
    WHERE j.id = c.job AND j.status::text = c.status AND coalesce(j.reaper_fence, 0) = c.fence
        AND CASE WHEN coalesce(j.reaper_inherited, 0) & 2 = 0 THEN j.run_id END IS NOT DISTINCT FROM c.run
        AND CASE WHEN coalesce(j.reaper_inherited, 0) & 1 = 0 THEN j.pid END IS NOT DISTINCT FROM c.pid
        AND j.reaper_started_at IS NOT DISTINCT FROM c.started_at
        AND j.reaper_exit_code IS NOT DISTINCT FROM c.exit_code AND j.reaper_exit_at IS NOT DISTINCT FROM c.exit_at
        AND j.reaper_attach IS NOT DISTINCT FROM c.attach AND j.reaper_beat IS NOT DISTINCT FROM c.beat
        AND j.reaper_terminating_at IS NOT DISTINCT FROM c.terminating_at"
    };
}

macro_rules! won {
    () => {
        "
    RETURNING c.event"
    };
}

/// What a trigger would clear on entering `queued` is cleared here already, which spares its call.
macro_rules! requeue {
    () => {
        "UPDATE jobs AS j SET status = 'queued', pid = NULL, reaper_exit_code = NULL, reaper_exit_at = NULL,
        reaper_attach = NULL, reaper_node_bound = NULL, reaper_executor = NULL, reaper_monitor = NULL, reaper_beat = NULL, reaper_beat_at = NULL,
        reaper_terminating_at = NULL"
    };
}

statements! {
    /// The rows of a set, locked in one order, so that two sets never wait for each other. One that somebody else has
    /// locked is being written right now: it is left out, and the claim on it is lost.
    LOCK_FREE = "SELECT id FROM jobs WHERE id = ANY(:jobs) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED";

    /// The same for whoever would not come again: waits for the others.
    LOCK = "SELECT id FROM jobs WHERE id = ANY(:jobs) ORDER BY id FOR NO KEY UPDATE";

    CLAIM_DONE = concat!("UPDATE jobs AS j SET status = 'done'", claimed!(), guard!(), won!());

    CLAIM_FAIL = concat!(
    "UPDATE jobs AS j SET status = 'failed', reaper_last_error = c.reason",
    claimed!("reason"),
    guard!(),
    won!()
);

    /// `keep` is 0 where the rescues begin anew, `add` is 1 where this is one; `cap` is NULL where nothing bounds it.
    CLAIM_REQUEUE = concat!(
    requeue!(),
    ", reaper_available_at = ",
    now!(),
    " + c.wait, reaper_last_error = c.reason,
        reaper_rescues = least(coalesce(j.reaper_rescues, 0) * c.keep + c.add, 4294967295)",
    claimed!("reason" "wait" "keep" "add" "cap"),
    guard!(),
    "
        AND (c.cap IS NULL OR (j.attempts < j.max_attempts AND coalesce(j.reaper_rescues, 0) < c.cap))",
    won!()
);

    /// Nobody stops a process that another running row has as its executor.
    CLAIM_TERMINATE = concat!(
    "UPDATE jobs AS j SET reaper_terminating_at = ",
    now!(),
    claimed!(),
    guard!(),
    "
        AND NOT EXISTS (SELECT 1 FROM jobs o
            WHERE o.status = 'running' AND o.reaper_executor IS NOT NULL AND ",
    host!("o.reaper_executor"),
    " = ",
    host!("j.reaper_executor"),
    "
                AND o.reaper_executor = j.reaper_executor AND o.id <> j.id)",
    won!()
);

    CLAIM_DISMISS = concat!(
    "UPDATE jobs AS j SET reaper_exit_code = NULL, reaper_exit_at = NULL",
    claimed!(),
    guard!(),
    won!()
);

    EVENTS = concat!(
    "INSERT INTO reaper_events
        (id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence, agent, signature,
        run_id, young)
    SELECT c.id, ",
    now!(),
    ", c.job, c.fence, c.actor, c.action, c.rule, c.reason, c.from_status, c.to_status, c.evidence, c.agent, c.signature,
        c.run, c.young
    FROM unnest(:id, :job, :fence, :actor, :action, :rule, :reason, :from_status, :to_status, :evidence, :agent,
        :signature, :run, :young)
        AS c (id, job, fence, actor, action, rule, reason, from_status, to_status, evidence, agent, signature, run,
            young)"
);

    /// After a commit without an answer: waits until whoever writes these rows has ended, so that an event that is not
    /// there by then never will be.
    AWAIT = "SELECT id FROM jobs WHERE id = ANY(:jobs) ORDER BY id FOR SHARE";

    EVENTS_KNOWN = "SELECT count(*) FROM reaper_events WHERE id = ANY(:ids)";

    /// One statement: a row that is requeued has its event, and none else has.
    REQUEUE_ALL = concat!(
    "WITH requeued AS (",
    requeue!(),
    ", reaper_available_at = ",
    now!(),
    "
        WHERE j.status = 'running' RETURNING j.id, coalesce(j.reaper_fence, 0) AS fence)
    INSERT INTO reaper_events
        (id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence)
    SELECT reaper_draw(), ",
    now!(),
    ", id, fence, :actor, 'requeue_all', '', :reason, 'running', 'queued', 'null' FROM requeued ORDER BY id"
);
}
