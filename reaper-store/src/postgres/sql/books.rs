//! Settings and events.

macro_rules! event_columns {
    () => {
        "SELECT id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence,
    agent, signature, late_code, late_at FROM reaper_events "
    };
}

statements! {
    SETTING = "SELECT value FROM reaper_settings WHERE key = :key";

    /// What a pass has to know first, beside each node, if those are wanted.
    OUTSET = concat!(
    "SELECT c.*, n.host, n.boot, n.state, n.beat, n.beat_at, n.ttl_ms, n.reaper FROM (SELECT ",
    checked!(),
    ",
    ",
    now!(),
    ", (SELECT value FROM reaper_settings WHERE key = :mode), (SELECT value FROM reaper_settings WHERE key = :breaker),
    CASE WHEN EXISTS (SELECT FROM reaper_outbox WHERE ",
    due!(),
    ") THEN 1 ELSE 0 END) AS c (version, triggers, now, mode, breaker, due) LEFT JOIN reaper_nodes n ON :nodes = 1"
);

    SET = "INSERT INTO reaper_settings (key, value) VALUES (:key, :value)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value";

    HISTORY = concat!(event_columns!(), "WHERE at >= :since ORDER BY seq DESC LIMIT :limit");

    HISTORY_OF_JOB = concat!(event_columns!(), "WHERE job_id = :job AND at >= :since ORDER BY seq DESC LIMIT :limit");

    CRASHES = "SELECT at FROM reaper_events WHERE young = 1 AND agent = :agent AND at >= :since
    ORDER BY at DESC LIMIT :limit";

    /// The figures of each group stand beside each of its examples. An end of the time that is asked about, however late,
    /// makes the planner go by the instants.
    DEATHS = "SELECT agent, signature, n, first_at, last_at, job_id FROM (
        SELECT agent, signature, job_id, count(*) OVER whole AS n, min(at) OVER whole AS first_at,
            max(at) OVER whole AS last_at, row_number() OVER (PARTITION BY agent, signature ORDER BY seq DESC) AS place
        FROM reaper_events WHERE at >= :since AND at <= :until AND signature IS NOT NULL AND (:agent IS NULL OR agent = :agent)
        WINDOW whole AS (PARTITION BY agent, signature)) AS d
    WHERE place <= :examples ORDER BY n DESC, agent, signature, place";

    RESCUES = "SELECT
        (SELECT count(*) FROM reaper_events WHERE at >= :since AND at <= :until AND action = 'requeue'
            AND actor = 'reaper'),
        (SELECT count(*) FROM reaper_events WHERE action = 'done' AND from_status = 'queued' AND at >= :since)";

    LATE_EXITS = concat!(event_columns!(), "WHERE late_at >= :since ORDER BY late_at DESC, seq DESC LIMIT :limit");

    PRUNE_EVENTS = "DELETE FROM reaper_events WHERE at < :before";

    PRUNE_OUTBOX = "DELETE FROM reaper_outbox WHERE state = 'done' AND done_at < :before";

    /// What was advanced is remembered as long as anything may be delivered once more.
    PRUNE_ADVANCES = "DELETE FROM reaper_advances WHERE at < :before
        AND NOT EXISTS (SELECT 1 FROM reaper_outbox WHERE state IN ('pending', 'dead'))";
}
