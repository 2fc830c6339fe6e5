//! The texts that are the same on every database, in what each has of its own for the words of which they are made: `now!`
//! and `limit!`.

/// Constants, and the list of them for the tests. They are for the database's own module, two above this one.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)*) => {
        $($(#[$doc])* pub(in super::super) const $name: &str = $text;)*

        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $text)),*];
    };
}

/// Which effects are due.
macro_rules! due {
    () => {
        concat!(
            "state = 'pending' AND due_at <= ",
            now!(),
            " AND (leased_until IS NULL OR leased_until <= ",
            now!(),
            ")"
        )
    };
}

/// An effect that is leased by whoever asks.
macro_rules! leased {
    () => {
        " WHERE key = :key AND state = 'pending' AND lease_token = :token"
    };
}

/// An attempt that runs, by its fence.
macro_rules! fenced {
    () => {
        " WHERE id = :job AND status = 'running' AND reaper_fence = :fence"
    };
}

macro_rules! event_columns {
    () => {
        "SELECT id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence,
    agent, signature, late_code, late_at FROM reaper_events "
    };
}

/// Declares them.
macro_rules! same_texts {
    () => {
statements! {
    // What a pass begins with.

    NOW = concat!("SELECT ", now!());

    // Settings.

    SETTING = "SELECT value FROM reaper_settings WHERE key = :key";

    /// It stays as it is until the transaction has ended.
    SETTING_HELD = concat!("SELECT value FROM reaper_settings WHERE key = :key", held!());

    SET = "INSERT INTO reaper_settings (key, value) VALUES (:key, :value)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value";

    // Events.

    HISTORY = concat!(event_columns!(), "WHERE at >= :since ORDER BY seq DESC LIMIT ", limit!());

    HISTORY_OF_JOB = concat!(event_columns!(), "WHERE job_id = :job AND at >= :since ORDER BY seq DESC LIMIT ", limit!());

    CRASHES = concat!(
    "SELECT at FROM reaper_events WHERE young = 1 AND agent = :agent AND at >= :since
    ORDER BY at DESC LIMIT ",
    limit!()
);

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

    LATE_EXITS = concat!(event_columns!(), "WHERE late_at >= :since ORDER BY late_at DESC, seq DESC LIMIT ", limit!());

    PRUNE_EVENTS = "DELETE FROM reaper_events WHERE at < :before";

    // The outbox.

    DELIVERED = concat!(
    "UPDATE reaper_outbox SET state = 'done', note = :note, lease_token = NULL, leased_until = NULL, done_at = ",
    now!(),
    leased!()
);

    DELIVER_AGAIN = concat!(
    "UPDATE reaper_outbox SET note = :note, lease_token = NULL, leased_until = NULL, due_at = ",
    now!(),
    " + :wait",
    leased!()
);

    DELIVERY_DEAD = concat!(
    "UPDATE reaper_outbox SET state = 'dead', note = :note, lease_token = NULL, leased_until = NULL",
    leased!()
);

    REVIVE = concat!("UPDATE reaper_outbox SET state = 'pending', tries = 0, due_at = ", now!(), " WHERE key = :key AND state = 'dead'");

    DISCARD = concat!(
    "UPDATE reaper_outbox SET state = 'done', note = 'dropped by a person', lease_token = NULL, leased_until = NULL, done_at = ",
    now!(),
    " WHERE key = :key AND state IN ('pending', 'dead')"
);

    UNDELIVERED = concat!(
    "SELECT key, effect, state, tries, created_at, due_at, note FROM reaper_outbox
    WHERE state IN ('pending', 'dead') ORDER BY seq LIMIT ",
    limit!()
);

    PRUNE_OUTBOX = "DELETE FROM reaper_outbox WHERE state = 'done' AND done_at < :before";

    /// What was advanced is remembered as long as anything may be delivered once more.
    PRUNE_ADVANCES = "DELETE FROM reaper_advances WHERE at < :before
        AND NOT EXISTS (SELECT 1 FROM reaper_outbox WHERE state IN ('pending', 'dead'))";

    // The nodes and the instances.

    RETIRE_NODE = "UPDATE reaper_nodes SET state = 'retired' WHERE host = :host AND boot = :boot AND state = 'up'";

    REVIVE_NODE = "UPDATE reaper_nodes SET state = 'up'
    WHERE host = :host AND boot = :boot AND state = 'declared_dead'";

    NODE_STATE = "SELECT state FROM reaper_nodes WHERE host = :host AND boot = :boot";

    DECLARE_NODE = concat!(
    "INSERT INTO reaper_nodes (host, boot, state, beat, beat_at, ttl_ms, reaper)
    VALUES (:host, :boot, 'declared_dead', 0, ",
    now!(),
    ", :ttl, '')
    ON CONFLICT (host, boot) DO UPDATE SET state = 'declared_dead'"
);

    SUPERSEDE = concat!(
    "UPDATE reaper_incarnations SET superseded_at = ",
    now!(),
    "
    WHERE instance = :instance AND superseded_at IS NULL
        AND NOT (host = :host AND boot = :boot AND pid_namespace = :pid_namespace)
    RETURNING host, boot, pid_namespace"
);

    NOTE_START = "UPDATE reaper_incarnations SET seen_start = :start
    WHERE host = :host AND boot = :boot AND pid_namespace = :pid_namespace
        AND (seen_start IS NULL OR seen_start < :start)";

    // The worker's side.

    JOB_OF_SOURCE_KEY = "SELECT id FROM jobs WHERE reaper_source_key = :source_key";

    PAYLOAD = "SELECT reaper_payload FROM jobs WHERE id = :job";

    ATTACH = concat!("UPDATE jobs SET reaper_executor = :executor, reaper_attach = 'done', pid = :pid", fenced!());

    BEAT = concat!(
    "UPDATE jobs SET reaper_beat_at = ",
    now!(),
    ", reaper_beat = CASE WHEN reaper_beat < 9223372036854775807 THEN reaper_beat + 1
        ELSE coalesce(reaper_beat, 1) END",
    fenced!()
);

    // What was run.

    DROP_MIGRATIONS = "DROP TABLE IF EXISTS reaper_migrations";

    NOTE_MIGRATION = "INSERT INTO reaper_migrations (version) VALUES (:version) ON CONFLICT (version) DO NOTHING";

    FORGET_MIGRATION = "DELETE FROM reaper_migrations WHERE version = :version";

    APPLIED = "SELECT version FROM reaper_migrations ORDER BY version DESC";
}
    };
}
