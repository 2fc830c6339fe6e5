//! The load of a pass, the one job, and who beats.

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

/// Where the rows of a load are: for each the number of its part, the key that the part is ordered by, its id; the clock
/// stands beside each, and alone where there is none. The parts are disjoint, each is driven by an index of its own and
/// holds at most so many rows; one that is not wanted, or was read to its end, has a limit of 0.
macro_rules! places {
    ($checked:expr, $parts:expr) => {
        concat!(
            "SELECT c.version, c.triggers, c.now, j.part, j.k, j.id
    FROM (SELECT ",
            $checked,
            ", ",
            now!(),
            ") AS c (version, triggers, now) LEFT JOIN (
    ",
            $parts,
            "
    ) j ON true"
        )
    };
}

macro_rules! all_parts {
    () => {
        concat!(
            due_parts!(),
            "
    UNION ALL ",
            suspect_part!(),
            "
    UNION ALL ",
            here_parts!(unsuspected!()),
            "
    UNION ALL ",
            bare_part!(),
            "
    UNION ALL ",
            lost_parts!(),
            "
    UNION ALL ",
            new_parts!(),
            "
    UNION ALL ",
            beat_part!()
        )
    };
}

macro_rules! watched_parts {
    () => {
        concat!(
            due_parts!(),
            "
    UNION ALL ",
            suspect_part!(),
            "
    UNION ALL ",
            new_parts!()
        )
    };
}

macro_rules! named_parts {
    () => {
        concat!(
            due_parts!(),
            "
    UNION ALL ",
            suspect_part!()
        )
    };
}

macro_rules! healthy_parts {
    () => {
        concat!(
            due_parts!(),
            "
    UNION ALL ",
            here_parts!("")
        )
    };
}

/// In place of what is looked at once in a call.
macro_rules! unchecked {
    () => {
        "NULL::text, NULL::bigint"
    };
}

statements! {
    NOW = concat!("SELECT ", now!());

    /// Most loads find nothing, and what the server does for a statement grows with its parts and its columns. So there
    /// is one for each kind of pass, and the rows themselves are read afterwards, if there are any.
    LOAD = places!(checked!(), all_parts!());

    /// The same where there is neither a suspect nor a lost node, no beat is judged, and bare pids are not believed.
    LOAD_HEALTHY = places!(checked!(), healthy_parts!());

    /// The same where this host's attempts are watched, no node is lost and no beat judged.
    LOAD_WATCHED = places!(checked!(), watched_parts!());

    /// The same where only time and names bring anything up.
    LOAD_NAMED = places!(checked!(), named_parts!());

    /// The same where only time does.
    LOAD_DUE = places!(checked!(), due_parts!());

    /// The same five within a call that has looked at the schema already.
    LOAD_ON = places!(unchecked!(), all_parts!());

    LOAD_HEALTHY_ON = places!(unchecked!(), healthy_parts!());

    LOAD_WATCHED_ON = places!(unchecked!(), watched_parts!());

    LOAD_NAMED_ON = places!(unchecked!(), named_parts!());

    LOAD_DUE_ON = places!(unchecked!(), due_parts!());

    /// The rows that a load has found. The tasks come by `LATERAL`: a join would let the planner read that table.
    JOBS = concat!(
    "SELECT ",
    job_columns!(),
    ", ",
    task_columns!(),
    " FROM jobs j",
    task_of!("j"),
    " WHERE j.id = ANY(:jobs)"
);

    JOB = concat!("SELECT ", job_columns!(), ", ", task_columns!(), " FROM jobs j", task_of!("j"), " WHERE j.id = :job");

    /// What beats and is not this host's to probe.
    BEATING = concat!(
    "SELECT count(*) FROM (SELECT FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NULL AND j.reaper_beat_at > :after AND NOT ",
    here!(),
    "
        ORDER BY j.reaper_beat_at, j.id LIMIT :limit) AS beating"
);
}
