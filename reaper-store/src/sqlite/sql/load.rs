//! The load of a pass, the one job, and figures about the table.

/// That none of the parts that go by time has the row.
macro_rules! not_due {
    () => {
        "CASE WHEN reaper_exit_code IS NULL THEN reaper_started_at > :started_until \
         ELSE reaper_exit_at > :exits_until END"
    };
}

/// That the process is one of a lost node's, and the attempt concerned. Each of `lost` is a host, the beginning of
/// its node's identities, and whether all attempts are concerned or only those that are bound to it.
macro_rules! lost {
    ($process:literal) => {
        concat!(
            host!($process),
            " IN (SELECT json_extract(value, '$[0]') FROM json_each(:lost))
            AND EXISTS (SELECT 1 FROM json_each(:lost) l
                WHERE substr(",
            $process,
            ", 1, length(json_extract(l.value, '$[1]'))) = json_extract(l.value, '$[1]')
                    AND (json_extract(l.value, '$[2]') OR coalesce(reaper_node_bound, 0) = 1))"
        )
    };
}

/// That the row is one that this host probes.
macro_rules! here {
    () => {
        concat!(
            "(coalesce(",
            host!("reaper_executor"),
            " = :host, 0) OR coalesce(",
            host!("reaper_monitor"),
            " = :host, 0)
            OR (:bare AND reaper_executor IS NULL AND pid IS NOT NULL AND coalesce(reaper_inherited, 0) & 1 = 0))"
        )
    };
}

/// That no other part has the row. Of this host's, where only those since an instant are wanted, the others have none.
macro_rules! not_here {
    () => {
        concat!(
            not_due!(),
            " AND id NOT IN (SELECT value FROM json_each(:suspects))
            AND NOT (",
            here!(),
            " AND (:since IS NULL
                OR CASE WHEN reaper_exit_code IS NULL THEN reaper_started_at ELSE reaper_exit_at END >= :since))"
        )
    };
}

statements! {
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

    /// A load. `INDEXED BY`, because an index of the owner's on the status and some statistics make the planner read all
    /// running rows. The parts are disjoint, each is driven by an index of its own and holds at most so many rows; one that is
    /// not wanted, or was read to its end, has a limit of 0. The first row's clock stands in every row, and in the only
    /// one where no part has any.
    LOAD = concat!(
    "SELECT c.now, p.part, p.k, ",
    job_columns!(),
    " FROM (SELECT ",
    now!(),
    " AS now) c LEFT JOIN (
    SELECT * FROM (SELECT 0 AS part, NULL AS k, id FROM jobs INDEXED BY reaper_jobs_exit
        WHERE status = 'running' AND reaper_exit_code IS NOT NULL AND reaper_exit_at IS NULL
            AND id > :after_timeless_exits
        ORDER BY id LIMIT :limit_timeless_exits + 0)
    UNION ALL SELECT * FROM (SELECT 1 AS part, reaper_exit_at AS k, id FROM jobs INDEXED BY reaper_jobs_exit
        WHERE status = 'running' AND reaper_exit_code IS NOT NULL AND reaper_exit_at <= :exits_until
            AND (reaper_exit_at, id) > (:key_exits, :after_exits)
        ORDER BY reaper_exit_at, id LIMIT :limit_exits + 0)
    UNION ALL SELECT * FROM (SELECT 2 AS part, NULL AS k, id FROM jobs INDEXED BY reaper_jobs_age
        WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_started_at IS NULL
            AND id > :after_timeless_starts
        ORDER BY id LIMIT :limit_timeless_starts + 0)
    UNION ALL SELECT * FROM (SELECT 3 AS part, reaper_started_at AS k, id FROM jobs INDEXED BY reaper_jobs_age
        WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_started_at <= :started_until
            AND (reaper_started_at, id) > (:key_starts, :after_starts)
        ORDER BY reaper_started_at, id LIMIT :limit_starts + 0)
    UNION ALL SELECT * FROM (SELECT 4 AS part, NULL AS k, id FROM jobs INDEXED BY reaper_jobs_late
        WHERE status = 'queued' AND reaper_exit_code = 0 AND id > :after_late
        ORDER BY id LIMIT :limit_late + 0)
    UNION ALL SELECT * FROM (SELECT 5 AS part, NULL AS k, id FROM jobs
        WHERE id IN (SELECT value FROM json_each(:suspects)) AND id > :after_suspects AND status = 'running' AND ",
    not_due!(),
    "
        ORDER BY id LIMIT :limit_suspects + 0)
    UNION ALL SELECT * FROM (SELECT 6 AS part, NULL AS k, id FROM jobs INDEXED BY reaper_jobs_executor
        WHERE status = 'running' AND reaper_executor IS NOT NULL AND ",
    host!("reaper_executor"),
    " = :host AND id > :after_executors AND ",
    not_due!(),
    " AND id NOT IN (SELECT value FROM json_each(:suspects))
        ORDER BY id LIMIT :limit_executors + 0)
    UNION ALL SELECT * FROM (SELECT 7 AS part, NULL AS k, id FROM jobs INDEXED BY reaper_jobs_monitor
        WHERE status = 'running' AND reaper_monitor IS NOT NULL AND ",
    host!("reaper_monitor"),
    " = :host AND id > :after_monitors AND ",
    not_due!(),
    " AND id NOT IN (SELECT value FROM json_each(:suspects))
            AND ",
    host!("reaper_executor"),
    " IS NOT :host
        ORDER BY id LIMIT :limit_monitors + 0)
    UNION ALL SELECT * FROM (SELECT 8 AS part, NULL AS k, id FROM jobs INDEXED BY reaper_jobs_bare
        WHERE status = 'running' AND reaper_executor IS NULL AND pid IS NOT NULL AND id > :after_bare AND ",
    not_due!(),
    " AND id NOT IN (SELECT value FROM json_each(:suspects))
            AND coalesce(reaper_inherited, 0) & 1 = 0 AND ",
    host!("reaper_monitor"),
    " IS NOT :host
        ORDER BY id LIMIT :limit_bare + 0)
    UNION ALL SELECT * FROM (SELECT 9 AS part, NULL AS k, id FROM jobs INDEXED BY reaper_jobs_executor
        WHERE status = 'running' AND reaper_executor IS NOT NULL AND id > :after_lost_executors AND ",
    lost!("reaper_executor"),
    " AND ",
    not_here!(),
    "
        ORDER BY id LIMIT :limit_lost_executors + 0)
    UNION ALL SELECT * FROM (SELECT 10 AS part, NULL AS k, id FROM jobs INDEXED BY reaper_jobs_monitor
        WHERE status = 'running' AND reaper_monitor IS NOT NULL AND id > :after_lost_monitors AND ",
    lost!("reaper_monitor"),
    " AND ",
    not_here!(),
    " AND NOT (reaper_executor IS NOT NULL AND ",
    lost!("reaper_executor"),
    ")
        ORDER BY id LIMIT :limit_lost_monitors + 0)
    UNION ALL SELECT * FROM (SELECT 11 AS part, reaper_started_at AS k, id FROM jobs INDEXED BY reaper_jobs_age
        WHERE status = 'running' AND reaper_exit_code IS NULL
            AND (reaper_started_at, id) > (:key_new_starts, :after_new_starts) AND +reaper_started_at > :started_until
            AND id NOT IN (SELECT value FROM json_each(:suspects)) AND ",
    here!(),
    "
        ORDER BY reaper_started_at, id LIMIT :limit_new_starts + 0)
    UNION ALL SELECT * FROM (SELECT 12 AS part, reaper_exit_at AS k, id FROM jobs INDEXED BY reaper_jobs_exit
        WHERE status = 'running' AND reaper_exit_code IS NOT NULL
            AND (reaper_exit_at, id) > (:key_new_exits, :after_new_exits) AND +reaper_exit_at > :exits_until
            AND id NOT IN (SELECT value FROM json_each(:suspects)) AND ",
    here!(),
    "
        ORDER BY reaper_exit_at, id LIMIT :limit_new_exits + 0)
    UNION ALL SELECT * FROM (SELECT 13 AS part, reaper_beat_at AS k, id FROM jobs INDEXED BY reaper_jobs_beat
        WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_beat_at <= :beats_until
            AND (reaper_beat_at, id) > (:key_beats, :after_beats) AND ",
    not_here!(),
    " AND NOT (reaper_executor IS NOT NULL AND ",
    lost!("reaper_executor"),
    ") AND NOT (reaper_monitor IS NOT NULL AND ",
    lost!("reaper_monitor"),
    ")
        ORDER BY reaper_beat_at, id LIMIT :limit_beats + 0)
) p LEFT JOIN jobs j ON j.id = p.id LEFT JOIN tasks t ON t.id = j.task_id"
);

    /// The first row of each part by time that a load leaves out, and the next effect.
    UPCOMING = "SELECT
    (SELECT reaper_exit_at FROM jobs INDEXED BY reaper_jobs_exit
        WHERE status = 'running' AND reaper_exit_code IS NOT NULL AND reaper_exit_at > :exits_until
        ORDER BY reaper_exit_at LIMIT 1),
    (SELECT reaper_started_at FROM jobs INDEXED BY reaper_jobs_age
        WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_started_at > :started_until
        ORDER BY reaper_started_at LIMIT 1),
    (SELECT min(max(due_at, coalesce(leased_until, due_at))) FROM reaper_outbox WHERE state = 'pending')";

    JOB = concat!("SELECT ", job_columns!(), " FROM jobs j LEFT JOIN tasks t ON t.id = j.task_id WHERE j.id = :job");

    /// Every running row has an exit or none, and each half has an index.
    RUNNING = "SELECT
    (SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY reaper_jobs_age
        WHERE status = 'running' AND reaper_exit_code IS NULL LIMIT :limit + 0))
    + (SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY reaper_jobs_exit
        WHERE status = 'running' AND reaper_exit_code IS NOT NULL LIMIT :limit + 0))";

    /// What beats and is not this host's to probe.
    BEATING = concat!(
    "SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY reaper_jobs_beat
        WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_beat_at > :after AND NOT ",
    here!(),
    " LIMIT :limit + 0)"
);

    /// The longest payload is [`LONGEST_PAYLOAD`](crate::attempts::LONGEST_PAYLOAD).
    UNREADABLE_PAYLOADS = "SELECT id FROM jobs INDEXED BY reaper_jobs_queued
    WHERE status = 'queued' AND reaper_payload IS NOT NULL
        AND (typeof(reaper_payload) <> 'text' OR length(CAST(reaper_payload AS BLOB)) > 262144)
    ORDER BY id LIMIT :limit + 0";

    CENSUS = "SELECT status, count(*) FROM jobs GROUP BY status";

    OLDEST_RUNNING = "SELECT id, k FROM (
    SELECT * FROM (SELECT reaper_started_at AS k, id FROM jobs INDEXED BY reaper_jobs_age
        WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_started_at IS NOT NULL
        ORDER BY reaper_started_at, id LIMIT 1)
    UNION ALL SELECT * FROM (SELECT reaper_started_at AS k, id FROM jobs INDEXED BY reaper_jobs_exit
        WHERE status = 'running' AND reaper_exit_code IS NOT NULL AND reaper_started_at IS NOT NULL
        ORDER BY reaper_started_at, id LIMIT 1)
    ) ORDER BY k, id LIMIT 1";

    /// Tasks in no final stage that have neither a live job nor an advance on its way.
    STALLED = "SELECT t.id, t.work_item_id, t.stage FROM tasks t
    WHERE t.stage NOT IN (SELECT value FROM json_each(:final_stages))
        AND t.id NOT IN (SELECT task_id FROM jobs INDEXED BY reaper_jobs_live
            WHERE status IN ('queued', 'running') AND task_id IS NOT NULL)
        AND t.id NOT IN (SELECT task FROM (
            SELECT CASE WHEN json_valid(effect) THEN json_extract(effect, '$.advance.task') END AS task
            FROM reaper_outbox WHERE state = 'pending') WHERE task IS NOT NULL)
    ORDER BY t.id LIMIT :limit + 0";
}
