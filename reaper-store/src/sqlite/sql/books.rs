//! Settings and events.

macro_rules! event_columns {
    () => {
        "SELECT id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence FROM reaper_events "
    };
}

statements! {
    SETTING = "SELECT value FROM reaper_settings WHERE key = :key";

    /// What a pass has to know first, beside each node, if those are wanted.
    OUTSET = concat!(
    "SELECT c.*, n.host, n.boot, n.state, n.beat, n.beat_at, n.ttl_ms, n.reaper FROM (SELECT ",
    now!(),
    ", (SELECT value FROM reaper_settings WHERE key = :mode), (SELECT value FROM reaper_settings WHERE key = :breaker),
    EXISTS (SELECT 1 FROM reaper_outbox WHERE ",
    due!(),
    ")) c LEFT JOIN reaper_nodes n ON :nodes"
);

    /// Another number whenever another connection has written.
    DATA_VERSION = "PRAGMA data_version";

    SET = "INSERT INTO reaper_settings (key, value) VALUES (:key, :value)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value";

    HISTORY = concat!(event_columns!(), "WHERE at >= :since ORDER BY seq DESC LIMIT :limit + 0");

    HISTORY_OF_JOB = concat!(event_columns!(), "WHERE job_id = :job AND at >= :since ORDER BY seq DESC LIMIT :limit + 0");

    PRUNE_EVENTS = "DELETE FROM reaper_events WHERE at < :before";

    PRUNE_OUTBOX = "DELETE FROM reaper_outbox WHERE state = 'done' AND done_at < :before";

    /// What was advanced is remembered as long as anything may be delivered once more.
    PRUNE_ADVANCES = "DELETE FROM reaper_advances WHERE at < :before
        AND NOT EXISTS (SELECT 1 FROM reaper_outbox WHERE state IN ('pending', 'dead'))";
}
