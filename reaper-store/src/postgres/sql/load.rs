//! The load of a pass, and the one job.

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
}
