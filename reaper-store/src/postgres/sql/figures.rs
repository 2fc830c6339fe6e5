//! Figures about the table.

statements! {
    /// Every running row has an exit or none, and each half has an index.
    RUNNING = concat!(
    "SELECT
    (SELECT count(*) FROM (SELECT FROM jobs
        WHERE status = 'running' AND reaper_exit_code IS NULL
        ORDER BY ",
    since!("reaper_started_at"),
    ", id LIMIT :limit) AS unexited)
    + (SELECT count(*) FROM (SELECT FROM jobs
        WHERE status = 'running' AND reaper_exit_code IS NOT NULL
        ORDER BY ",
    since!("reaper_exit_at"),
    ", id LIMIT :limit) AS exited)"
);

    /// The longest payload is [`LONGEST_PAYLOAD`](crate::attempts::LONGEST_PAYLOAD).
    UNREADABLE_PAYLOADS = "SELECT id FROM jobs WHERE status = 'queued' AND octet_length(reaper_payload) > 262144
    ORDER BY id LIMIT :limit";

    /// What beats and is not this host's to probe.
    BEATING = concat!(
    "SELECT count(*) FROM (SELECT FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NULL AND j.reaper_beat_at > :after AND NOT ",
    here!(),
    "
        ORDER BY j.reaper_beat_at, j.id LIMIT :limit) AS beating"
);

    CENSUS = "SELECT status::text, count(*) FROM jobs GROUP BY status";

    OLDEST_RUNNING = concat!(
    "SELECT id, k FROM (
    (SELECT reaper_started_at AS k, id FROM jobs
        WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_started_at IS NOT NULL
        ORDER BY ",
    since!("reaper_started_at"),
    ", id LIMIT 1)
    UNION ALL (SELECT reaper_started_at AS k, id FROM jobs
        WHERE status = 'running' AND reaper_exit_code IS NOT NULL AND reaper_started_at IS NOT NULL
        ORDER BY reaper_started_at, id LIMIT 1)
    ) AS oldest ORDER BY k, id LIMIT 1"
);

    /// Tasks in no final stage that have neither a live job nor an advance on its way. An effect is a text: one that is
    /// no JSON hinders nobody, and a worker in another language has blanks in its own.
    STALLED = "SELECT t.id, t.work_item_id::text, t.stage::text FROM tasks t
    WHERE t.stage::text <> ALL(:final_stages)
        AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.status IN ('queued', 'running') AND j.task_id = t.id)
        AND NOT EXISTS (SELECT 1 FROM reaper_outbox o WHERE o.state = 'pending'
            AND substring(o.effect FROM
                '^\\s*[{]\\s*\"advance\"\\s*.\\s*[{]\\s*\"task\"\\s*.\\s*([0-9]{1,18})\\s*,')::bigint = t.id)
    ORDER BY t.id LIMIT :limit";
}
