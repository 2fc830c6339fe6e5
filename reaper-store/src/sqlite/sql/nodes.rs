//! The nodes.

statements! {
    /// One that is declared dead is left alone.
    BEAT_NODE = concat!(
    "INSERT INTO reaper_nodes (host, boot, state, beat, beat_at, ttl_ms, reaper)
    VALUES (:host, :boot, 'up', 1, ",
    now!(),
    ", :ttl, :reaper)
    ON CONFLICT (host, boot) DO UPDATE SET state = 'up', beat = beat + 1, beat_at = excluded.beat_at,
        ttl_ms = excluded.ttl_ms, reaper = excluded.reaper
    WHERE state <> 'declared_dead'"
);

    /// The boots of a host that are recorded or that a running job's process names.
    BOOTS = concat!(
    "SELECT boot FROM reaper_nodes WHERE host = :host
    UNION SELECT substr(rest, 1, instr(rest, '/') - 1) FROM (
        SELECT substr(reaper_executor, length(:host) + 2) AS rest FROM jobs INDEXED BY reaper_jobs_executor
        WHERE status = 'running' AND reaper_executor IS NOT NULL AND ",
    host!("reaper_executor"),
    " = :host
        UNION ALL SELECT substr(reaper_monitor, length(:host) + 2) FROM jobs INDEXED BY reaper_jobs_monitor
        WHERE status = 'running' AND reaper_monitor IS NOT NULL AND ",
    host!("reaper_monitor"),
    " = :host)
    ORDER BY 1"
);

    NODES = "SELECT host, boot, state, beat, beat_at, ttl_ms, reaper FROM reaper_nodes ORDER BY host, boot";

    /// Those that have not beaten since an instant, that no running job's process names, and of which no event says that
    /// they are declared dead. Beside a node's events only those about no job at all are looked through.
    PRUNE_NODES = concat!(
    "DELETE FROM reaper_nodes WHERE beat_at < :before
        AND NOT EXISTS (SELECT 1 FROM jobs INDEXED BY reaper_jobs_executor
            WHERE status = 'running' AND reaper_executor IS NOT NULL AND ",
    host!("reaper_executor"),
    " = reaper_nodes.host
                AND substr(reaper_executor, 1, length(host) + length(boot) + 2) = host || '/' || boot || '/')
        AND NOT EXISTS (SELECT 1 FROM jobs INDEXED BY reaper_jobs_monitor
            WHERE status = 'running' AND reaper_monitor IS NOT NULL AND ",
    host!("reaper_monitor"),
    " = reaper_nodes.host
                AND substr(reaper_monitor, 1, length(host) + length(boot) + 2) = host || '/' || boot || '/')
        AND NOT EXISTS (SELECT 1 FROM reaper_events INDEXED BY reaper_events_job
            WHERE job_id IS NULL AND action = 'declare_dead' AND reason = host || '/' || boot)"
);
}
