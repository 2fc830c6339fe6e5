//! The parts of a load: what each finds, and what it leaves to another.

/// That none of the parts that go by time has the row.
macro_rules! not_due {
    () => {
        "CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until \
         ELSE j.reaper_exit_at > :exits_until END"
    };
}

/// The beginning of a part: its number, the key that it is ordered by, its columns.
macro_rules! part {
    ($number:literal, $key:expr) => {
        concat!("(SELECT ", $number, " AS part, ", $key, "::bigint AS k, j.id FROM jobs j\n        WHERE ")
    };
}

/// That the row is one that this host probes.
macro_rules! here {
    () => {
        concat!(
            "(coalesce(",
            host!("j.reaper_executor"),
            " = :host, false) OR coalesce(",
            host!("j.reaper_monitor"),
            " = :host, false) OR (:bare = 1 AND j.reaper_executor IS NULL AND j.pid IS NOT NULL
                AND coalesce(j.reaper_inherited, 0) & 1 = 0))"
        )
    };
}

/// The rows of which a process is one of a lost node's, and the attempt concerned, node by node. Each node is a host, the
/// beginning of its identities, and 1 where all attempts are concerned and not only those that are bound to it.
macro_rules! lost_part {
    ($number:literal, $process:literal, $after:literal, $limit:literal, $more:expr) => {
        concat!(
            "(SELECT ",
            $number,
            " AS part, NULL::bigint AS k, j.id
        FROM unnest(:lost_hosts, :lost_prefixes, :lost_whole) AS l (host, prefix, whole) CROSS JOIN LATERAL (
            SELECT j.id FROM jobs j WHERE j.status = 'running' AND ",
            $process,
            " IS NOT NULL AND ",
            host!($process),
            " = l.host AND j.id > ",
            $after,
            "
            AND starts_with(",
            $process,
            ", l.prefix) AND (l.whole = 1 OR j.reaper_node_bound = 1)
            AND ",
            not_due!(),
            unsuspected!(),
            "
            AND NOT (",
            here!(),
            " AND (:since IS NULL
                OR CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at ELSE j.reaper_exit_at END >= :since))",
            $more,
            "
            ORDER BY j.id LIMIT ",
            $limit,
            ") j ORDER BY j.id LIMIT ",
            $limit,
            ")"
        )
    };
}

/// An instant as the indexes have it: one that is missing is due before all others, so that one search finds both.
macro_rules! since {
    ($column:literal) => {
        concat!("coalesce(", $column, ", '-9223372036854775808')")
    };
}

/// The parts of what time brings up, and the late finishes. A part without a key of its own stands within the one with.
macro_rules! due_parts {
    () => {
        concat!(
            part!(1, since!("j.reaper_exit_at")),
            "j.status = 'running' AND j.reaper_exit_code IS NOT NULL AND ",
            since!("j.reaper_exit_at"),
            " <= :exits_until
            AND (",
            since!("j.reaper_exit_at"),
            ", j.id) > (:key_exits, :after_exits)
        ORDER BY ",
            since!("j.reaper_exit_at"),
            ", j.id LIMIT :limit_exits)",
            "
    UNION ALL ",
            part!(3, since!("j.reaper_started_at")),
            "j.status = 'running' AND j.reaper_exit_code IS NULL AND ",
            since!("j.reaper_started_at"),
            " <= :started_until
            AND (",
            since!("j.reaper_started_at"),
            ", j.id) > (:key_starts, :after_starts)
        ORDER BY ",
            since!("j.reaper_started_at"),
            ", j.id LIMIT :limit_starts)",
            "
    UNION ALL ",
            part!(4, "NULL"),
            "j.status = 'queued' AND j.reaper_exit_code = 0 AND j.id > :after_late
        ORDER BY j.id LIMIT :limit_late)"
        )
    };
}

/// What was seen dead before. The status is looked at where no index of the owner's on it can tempt the planner.
macro_rules! suspect_part {
    () => {
        concat!(
            part!(5, "NULL"),
            "j.id = ANY(:suspects) AND j.id > :after_suspects
            AND CASE WHEN j.status IS DISTINCT FROM 'running' THEN false ELSE ",
            not_due!(),
            " END
        ORDER BY j.id LIMIT :limit_suspects)"
        )
    };
}

/// Not among those that were seen dead before. A comparison with each of a long list would be one for each row and each
/// of them: this makes a hash of the list once.
macro_rules! unsuspected {
    () => {
        " AND j.id NOT IN (SELECT unnest(:suspects))"
    };
}

/// What runs on this host.
macro_rules! here_parts {
    ($more:expr) => {
        concat!(
            part!(6, "NULL"),
            "j.status = 'running' AND j.reaper_executor IS NOT NULL AND ",
            host!("j.reaper_executor"),
            " = :host
            AND j.id > :after_executors AND ",
            not_due!(),
            $more,
            "
        ORDER BY j.id LIMIT :limit_executors)",
            "
    UNION ALL ",
            part!(7, "NULL"),
            "j.status = 'running' AND j.reaper_monitor IS NOT NULL AND ",
            host!("j.reaper_monitor"),
            " = :host
            AND j.id > :after_monitors AND ",
            not_due!(),
            $more,
            "
            AND ",
            host!("j.reaper_executor"),
            " IS DISTINCT FROM :host
        ORDER BY j.id LIMIT :limit_monitors)"
        )
    };
}

/// What is known by a bare pid alone.
macro_rules! bare_part {
    () => {
        concat!(
            part!(8, "NULL"),
            "j.status = 'running' AND j.reaper_executor IS NULL AND j.pid IS NOT NULL AND j.id > :after_bare
            AND ",
            not_due!(),
            unsuspected!(),
            "
            AND coalesce(j.reaper_inherited, 0) & 1 = 0 AND ",
            host!("j.reaper_monitor"),
            " IS DISTINCT FROM :host
        ORDER BY j.id LIMIT :limit_bare)"
        )
    };
}

/// What runs on this host and began, or whose exit was recorded, since an instant.
macro_rules! new_parts {
    () => {
        concat!(
            part!(11, since!("j.reaper_started_at")),
            "j.status = 'running' AND j.reaper_exit_code IS NULL AND ",
            since!("j.reaper_started_at"),
            " > :started_until
            AND (",
            since!("j.reaper_started_at"),
            ", j.id) > (:key_new_starts, :after_new_starts)",
            unsuspected!(),
            "
            AND ",
            here!(),
            "
        ORDER BY ",
            since!("j.reaper_started_at"),
            ", j.id LIMIT :limit_new_starts)
    UNION ALL ",
            part!(12, since!("j.reaper_exit_at")),
            "j.status = 'running' AND j.reaper_exit_code IS NOT NULL AND ",
            since!("j.reaper_exit_at"),
            " > :exits_until
            AND (",
            since!("j.reaper_exit_at"),
            ", j.id) > (:key_new_exits, :after_new_exits)",
            unsuspected!(),
            "
            AND ",
            here!(),
            "
        ORDER BY ",
            since!("j.reaper_exit_at"),
            ", j.id LIMIT :limit_new_exits)"
        )
    };
}

/// What ran on lost nodes.
macro_rules! lost_parts {
    () => {
        concat!(
            lost_part!(9, "j.reaper_executor", ":after_lost_executors", ":limit_lost_executors", ""),
            "
    UNION ALL ",
            lost_part!(
                10,
                "j.reaper_monitor",
                ":after_lost_monitors",
                ":limit_lost_monitors",
                "
            AND NOT EXISTS (SELECT FROM unnest(:lost_prefixes, :lost_whole) AS e (prefix, whole)
                WHERE starts_with(j.reaper_executor, e.prefix) AND (e.whole = 1 OR j.reaper_node_bound = 1))"
            )
        )
    };
}

/// What does not end: its latest beat is overdue, and no other part has it.
macro_rules! beat_part {
    () => {
        concat!(
            part!(13, "j.reaper_beat_at"),
            "j.status = 'running' AND j.reaper_exit_code IS NULL AND j.reaper_beat_at <= :beats_until
            AND (j.reaper_beat_at, j.id) > (:key_beats, :after_beats) AND ",
            not_due!(),
            unsuspected!(),
            "
            AND NOT (",
            here!(),
            " AND (:since IS NULL OR j.reaper_started_at >= :since))
            AND NOT EXISTS (SELECT FROM unnest(:lost_prefixes, :lost_whole) AS e (prefix, whole)
                WHERE (starts_with(j.reaper_executor, e.prefix) OR starts_with(j.reaper_monitor, e.prefix))
                    AND (e.whole = 1 OR j.reaper_node_bound = 1))
        ORDER BY j.reaper_beat_at, j.id LIMIT :limit_beats)"
        )
    };
}
