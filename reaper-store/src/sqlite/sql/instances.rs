//! The instances.

/// That no running job names this process of a place.
macro_rules! names_none {
    ($index:literal, $process:literal) => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM jobs INDEXED BY ",
            $index,
            "
            WHERE status = 'running' AND ",
            $process,
            " IS NOT NULL AND ",
            host!($process),
            " = i.host
                AND substr(",
            $process,
            ", 1, length(i.host) + length(i.boot) + length(i.pid_namespace) + 3)
                    = i.host || '/' || i.boot || '/' || i.pid_namespace || '/')"
        )
    };
}

statements! {
    /// Another one at the very place is gone: its inode came back. The same again stays as it is.
    REGISTER = concat!(
    "INSERT INTO reaper_incarnations (host, boot, pid_namespace, instance, at)
    VALUES (:host, :boot, :pid_namespace, :instance, ",
    now!(),
    ")
    ON CONFLICT (host, boot, pid_namespace) DO UPDATE
        SET instance = excluded.instance, at = excluded.at, superseded_at = NULL, seen_start = NULL
    WHERE instance <> excluded.instance OR superseded_at IS NOT NULL"
);

    /// Those that are superseded and that no running job names.
    FORGET_INCARNATIONS = concat!(
    "DELETE FROM reaper_incarnations AS i WHERE superseded_at IS NOT NULL
        AND ",
    names_none!("reaper_jobs_executor", "reaper_executor"),
    "
        AND ",
    names_none!("reaper_jobs_monitor", "reaper_monitor")
);

    INCARNATIONS = "SELECT host, boot, pid_namespace, instance, at, superseded_at, seen_start FROM reaper_incarnations
    ORDER BY instance, at, host, boot, pid_namespace";
}
