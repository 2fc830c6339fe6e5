//! Every statement of the adapter. Places for values are named (`:job`); instants are milliseconds since
//! 1970-01-01 00:00 UTC.

/// Now, in milliseconds; one instant throughout a statement.
macro_rules! now {
    () => {
        "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
    };
}

/// The host in the text form of an identity, as the indexes have it.
macro_rules! host {
    ($column:literal) => {
        concat!("substr(", $column, ", 1, instr(", $column, ", '/') - 1)")
    };
}

/// The columns of [`RawJob`](crate::row::RawJob), of `jobs j LEFT JOIN tasks t`.
macro_rules! job_columns {
    () => {
        "j.id, j.reaper_fence, j.status, j.agent, j.repo, j.task_id, j.attempts, j.max_attempts, j.reaper_rescues, \
         j.run_id, j.pid, j.reaper_inherited, j.reaper_started_at, j.reaper_exit_code, j.reaper_exit_at, \
         j.reaper_executor, j.reaper_monitor, j.reaper_attach, j.reaper_beat, j.reaper_beat_at, \
         j.reaper_terminating_at, t.id, t.stage, t.reaper_stage_version, t.branch, t.work_item_id"
    };
}

/// That none of the parts that go by time has the row.
macro_rules! not_due {
    () => {
        "CASE WHEN reaper_exit_code IS NULL THEN reaper_started_at > :started_until \
         ELSE reaper_exit_at > :exits_until END"
    };
}

// Facts.

pub(super) const NOW: &str = concat!("SELECT ", now!());

pub(super) const VERSION: &str = "SELECT max(version) FROM reaper_migrations";

/// A load. The parts are disjoint, each is driven by an index of its own and holds at most so many rows; one that is
/// not wanted, or was read to its end, has a limit of 0. The first row's clock stands in every row, and in the only
/// one where no part has any.
pub(super) const LOAD: &str = concat!(
    "SELECT c.now, c.version, p.part, p.k, ",
    job_columns!(),
    " FROM (SELECT ",
    now!(),
    " AS now, (SELECT max(version) FROM reaper_migrations) AS version) c LEFT JOIN (
    SELECT * FROM (SELECT 0 AS part, NULL AS k, id FROM jobs
        WHERE status = 'running' AND reaper_exit_code IS NOT NULL AND reaper_exit_at IS NULL AND id > :after_a
        ORDER BY id LIMIT :limit_a)
    UNION ALL SELECT * FROM (SELECT 1 AS part, reaper_exit_at AS k, id FROM jobs
        WHERE status = 'running' AND reaper_exit_code IS NOT NULL AND reaper_exit_at <= :exits_until
            AND (reaper_exit_at, id) > (:key_b, :after_b)
        ORDER BY reaper_exit_at, id LIMIT :limit_b)
    UNION ALL SELECT * FROM (SELECT 2 AS part, NULL AS k, id FROM jobs
        WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_started_at IS NULL AND id > :after_c
        ORDER BY id LIMIT :limit_c)
    UNION ALL SELECT * FROM (SELECT 3 AS part, reaper_started_at AS k, id FROM jobs
        WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_started_at <= :started_until
            AND (reaper_started_at, id) > (:key_d, :after_d)
        ORDER BY reaper_started_at, id LIMIT :limit_d)
    UNION ALL SELECT * FROM (SELECT 4 AS part, NULL AS k, id FROM jobs
        WHERE status = 'queued' AND reaper_exit_code = 0 AND id > :after_e
        ORDER BY id LIMIT :limit_e)
    UNION ALL SELECT * FROM (SELECT 5 AS part, NULL AS k, id FROM jobs
        WHERE id IN (SELECT value FROM json_each(:suspects)) AND id > :after_f AND status = 'running' AND ",
    not_due!(),
    "
        ORDER BY id LIMIT :limit_f)
    UNION ALL SELECT * FROM (SELECT 6 AS part, NULL AS k, id FROM jobs
        WHERE status = 'running' AND reaper_executor IS NOT NULL AND ",
    host!("reaper_executor"),
    " = :host AND id > :after_g AND ",
    not_due!(),
    " AND id NOT IN (SELECT value FROM json_each(:suspects))
        ORDER BY id LIMIT :limit_g)
    UNION ALL SELECT * FROM (SELECT 7 AS part, NULL AS k, id FROM jobs
        WHERE status = 'running' AND reaper_monitor IS NOT NULL AND ",
    host!("reaper_monitor"),
    " = :host AND id > :after_h AND ",
    not_due!(),
    " AND id NOT IN (SELECT value FROM json_each(:suspects))
            AND ",
    host!("reaper_executor"),
    " IS NOT :host
        ORDER BY id LIMIT :limit_h)
    UNION ALL SELECT * FROM (SELECT 8 AS part, NULL AS k, id FROM jobs
        WHERE status = 'running' AND reaper_executor IS NULL AND pid IS NOT NULL AND id > :after_i AND ",
    not_due!(),
    " AND id NOT IN (SELECT value FROM json_each(:suspects))
            AND coalesce(reaper_inherited, 0) & 1 = 0 AND ",
    host!("reaper_monitor"),
    " IS NOT :host
        ORDER BY id LIMIT :limit_i)
) p LEFT JOIN jobs j ON j.id = p.id LEFT JOIN tasks t ON t.id = j.task_id"
);

pub(super) const JOB: &str =
    concat!("SELECT ", job_columns!(), " FROM jobs j LEFT JOIN tasks t ON t.id = j.task_id WHERE j.id = :job");

/// Every running row has an exit or none, and each half has an index.
pub(super) const RUNNING: &str = "SELECT
    (SELECT count(*) FROM (SELECT 1 FROM jobs WHERE status = 'running' AND reaper_exit_code IS NULL LIMIT :limit))
    + (SELECT count(*) FROM (SELECT 1 FROM jobs
        WHERE status = 'running' AND reaper_exit_code IS NOT NULL LIMIT :limit))";

pub(super) const CENSUS: &str = "SELECT status, count(*) FROM jobs GROUP BY status";

pub(super) const OLDEST_RUNNING: &str = "SELECT id, k FROM (
    SELECT * FROM (SELECT reaper_started_at AS k, id FROM jobs
        WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_started_at IS NOT NULL
        ORDER BY reaper_started_at, id LIMIT 1)
    UNION ALL SELECT * FROM (SELECT reaper_started_at AS k, id FROM jobs
        WHERE status = 'running' AND reaper_exit_code IS NOT NULL AND reaper_started_at IS NOT NULL
        ORDER BY reaper_started_at, id LIMIT 1)
    ) ORDER BY k, id LIMIT 1";

/// Tasks in no final stage that have neither a live job nor an advance on its way.
pub(super) const STALLED: &str = "SELECT t.id, t.work_item_id, t.stage FROM tasks t
    WHERE t.stage NOT IN (SELECT value FROM json_each(:final_stages))
        AND t.id NOT IN (SELECT task_id FROM jobs WHERE status IN ('queued', 'running') AND task_id IS NOT NULL)
        AND t.id NOT IN (SELECT json_extract(effect, '$.advance.task') FROM reaper_outbox
            WHERE state = 'pending' AND json_extract(effect, '$.advance.task') IS NOT NULL)
    ORDER BY t.id LIMIT :limit";

// Claims. Each writes one row if the guard holds at that moment, and no row otherwise.

/// The guard: the attempt, and every value that the decision rested on. `IS` takes NULL for a value. An inherited pid
/// or run counts as NULL, here as in the snapshot.
macro_rules! guard {
    () => {
        " WHERE id = :job AND status = :status AND coalesce(reaper_fence, 0) = :fence
    AND CASE WHEN coalesce(reaper_inherited, 0) & 2 = 0 THEN run_id END IS :run
    AND CASE WHEN coalesce(reaper_inherited, 0) & 1 = 0 THEN pid END IS :pid
    AND reaper_started_at IS :started_at AND reaper_exit_code IS :exit_code AND reaper_exit_at IS :exit_at
    AND reaper_attach IS :attach AND reaper_beat IS :beat AND reaper_terminating_at IS :terminating_at"
    };
}

pub(super) const CLAIM_DONE: &str = concat!("UPDATE jobs SET status = 'done'", guard!());

pub(super) const CLAIM_FAIL: &str =
    concat!("UPDATE jobs SET status = 'failed', reaper_last_error = :reason", guard!());

/// What a trigger would clear on entering `queued` is cleared here already, which spares it the second write.
macro_rules! requeue {
    () => {
        "UPDATE jobs SET status = 'queued', pid = NULL, reaper_exit_code = NULL, reaper_exit_at = NULL,
    reaper_attach = NULL, reaper_executor = NULL, reaper_monitor = NULL, reaper_beat = NULL, reaper_beat_at = NULL,
    reaper_terminating_at = NULL"
    };
}

/// `keep` is 0 where the rescues begin anew, `add` is 1 where this is one; `cap` is NULL where nothing bounds it.
pub(super) const CLAIM_REQUEUE: &str = concat!(
    requeue!(),
    ", reaper_available_at = ",
    now!(),
    " + :wait, reaper_last_error = :reason,
    reaper_rescues = min(coalesce(reaper_rescues, 0) * :keep + :add, 4294967295)",
    guard!(),
    "
    AND (:cap IS NULL OR (attempts < max_attempts AND coalesce(reaper_rescues, 0) < :cap))"
);

/// Nobody stops a process that another running row has as its executor.
pub(super) const CLAIM_TERMINATE: &str = concat!(
    "UPDATE jobs SET reaper_terminating_at = ",
    now!(),
    guard!(),
    "
    AND NOT EXISTS (SELECT 1 FROM jobs o
        WHERE o.status = 'running' AND o.reaper_executor IS NOT NULL AND ",
    host!("o.reaper_executor"),
    " = ",
    host!("jobs.reaper_executor"),
    "
            AND o.reaper_executor = jobs.reaper_executor AND o.id <> jobs.id)"
);

pub(super) const CLAIM_DISMISS: &str =
    concat!("UPDATE jobs SET reaper_exit_code = NULL, reaper_exit_at = NULL", guard!());

/// The events of the claims that were won, in their order.
pub(super) const EVENTS: &str = concat!(
    "INSERT INTO reaper_events
        (id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence)
    SELECT json_extract(value, '$[0]'), ",
    now!(),
    ", json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'),
        json_extract(value, '$[4]'), json_extract(value, '$[5]'), json_extract(value, '$[6]'),
        json_extract(value, '$[7]'), json_extract(value, '$[8]'), json_extract(value, '$[9]')
    FROM json_each(:events) ORDER BY key"
);

pub(super) const EVENTS_KNOWN: &str =
    "SELECT count(*) FROM reaper_events WHERE id IN (SELECT value FROM json_each(:ids))";

/// The events of a requeue of everything, written before it.
pub(super) const REQUEUE_ALL_EVENTS: &str = concat!(
    "INSERT INTO reaper_events
        (id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence)
    SELECT max(1, random() & 9223372036854775807), ",
    now!(),
    ", id, coalesce(reaper_fence, 0), :actor, 'requeue_all', '', :reason, 'running', 'queued', 'null'
    FROM jobs WHERE status = 'running' ORDER BY id"
);

pub(super) const REQUEUE_ALL: &str =
    concat!(requeue!(), ", reaper_available_at = ", now!(), " WHERE status = 'running'");

// The outbox.

pub(super) const POST: &str = concat!(
    "INSERT INTO reaper_outbox (key, job_id, effect, created_at, due_at)
    SELECT :key, :job, :effect, at, at FROM (SELECT ",
    now!(),
    " AS at) WHERE true ON CONFLICT (key) DO NOTHING"
);

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

/// Whether anything is due: asked before the database's lock is taken for it.
pub(super) const ANY_DUE: &str = concat!("SELECT EXISTS (SELECT 1 FROM reaper_outbox WHERE ", due!(), ")");

pub(super) const DUE: &str =
    concat!("SELECT seq, key, effect, tries FROM reaper_outbox WHERE ", due!(), " ORDER BY seq LIMIT :limit");

pub(super) const DUE_KEYS: &str = concat!(
    "SELECT seq, key, effect, tries FROM reaper_outbox WHERE key IN (SELECT value FROM json_each(:keys)) AND ",
    due!(),
    " ORDER BY seq LIMIT :limit"
);

pub(super) const LEASE: &str = concat!(
    "UPDATE reaper_outbox SET lease_token = :token, leased_until = ",
    now!(),
    " + :lease, tries = min(tries + 1, 4294967295) WHERE seq = :seq"
);

macro_rules! leased {
    () => {
        " WHERE key = :key AND state = 'pending' AND lease_token = :token"
    };
}

pub(super) const DELIVERED: &str = concat!(
    "UPDATE reaper_outbox SET state = 'done', note = :note, lease_token = NULL, leased_until = NULL, done_at = ",
    now!(),
    leased!()
);

pub(super) const DELIVER_AGAIN: &str = concat!(
    "UPDATE reaper_outbox SET note = :note, lease_token = NULL, leased_until = NULL, due_at = ",
    now!(),
    " + :wait",
    leased!()
);

pub(super) const DELIVERY_DEAD: &str = concat!(
    "UPDATE reaper_outbox SET state = 'dead', note = :note, lease_token = NULL, leased_until = NULL",
    leased!()
);

pub(super) const UNDELIVERED: &str =
    "SELECT key, effect, state, tries, created_at, due_at, note FROM reaper_outbox
    WHERE state IN ('pending', 'dead') ORDER BY seq LIMIT :limit";

// Control.

pub(super) const SETTING: &str = "SELECT value FROM reaper_settings WHERE key = :key";

pub(super) const SET: &str = "INSERT INTO reaper_settings (key, value) VALUES (:key, :value)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value";

// History.

macro_rules! event_columns {
    () => {
        "SELECT id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence FROM reaper_events "
    };
}

pub(super) const HISTORY: &str = concat!(event_columns!(), "WHERE at >= :since ORDER BY seq DESC LIMIT :limit");

pub(super) const HISTORY_OF_JOB: &str =
    concat!(event_columns!(), "WHERE job_id = :job AND at >= :since ORDER BY seq DESC LIMIT :limit");

pub(super) const PRUNE_EVENTS: &str = "DELETE FROM reaper_events WHERE at < :before";

pub(super) const PRUNE_OUTBOX: &str = "DELETE FROM reaper_outbox WHERE state = 'done' AND done_at < :before";

// The worker's side.

pub(super) const ADD_TASK: &str = "INSERT INTO tasks (work_item_id, repo, branch, stage)
    VALUES (:work_item, :repo, :branch, :stage)";

pub(super) const LAST_ID: &str = "SELECT last_insert_rowid()";

pub(super) const ENQUEUE: &str = "INSERT INTO jobs
        (agent, repo, task_id, status, attempts, max_attempts, reaper_source_key)
    VALUES (:agent, :repo, :task, 'queued', 0, :max_attempts, :source_key)
    ON CONFLICT (reaper_source_key) WHERE reaper_source_key IS NOT NULL DO NOTHING";

pub(super) const JOB_OF_SOURCE_KEY: &str = "SELECT id FROM jobs WHERE reaper_source_key = :source_key";

macro_rules! takeable {
    () => {
        concat!(
            "status = 'queued' AND reaper_exit_code IS NOT 0
        AND (reaper_available_at IS NULL OR reaper_available_at <= ",
            now!(),
            ")"
        )
    };
}

/// The next queued jobs that may be taken, after an id; `agent` and `job` narrow it where they are not NULL.
pub(super) const TAKEABLE: &str = concat!(
    "SELECT ",
    job_columns!(),
    " FROM (SELECT * FROM jobs WHERE ",
    takeable!(),
    " AND id > :after AND (:agent IS NULL OR agent = :agent)
        ORDER BY id LIMIT :limit) j LEFT JOIN tasks t ON t.id = j.task_id ORDER BY j.id"
);

pub(super) const TAKEABLE_JOB: &str = concat!(
    "SELECT ",
    job_columns!(),
    " FROM (SELECT * FROM jobs WHERE id = :job AND ",
    takeable!(),
    ") j LEFT JOIN tasks t ON t.id = j.task_id"
);

pub(super) const BEGIN_RUN: &str =
    "INSERT INTO agent_runs (task_id, agent, started_at) VALUES (:task, :agent, datetime('now'))";

/// The fence is drawn by a trigger, which sees the monitor and `pending` as this statement's own.
pub(super) const TAKE: &str = "UPDATE jobs SET status = 'running', attempts = min(attempts + 1, 4294967295),
    run_id = :run, pid = NULL, started_at = datetime('now'), reaper_attach = 'pending', reaper_monitor = :monitor
    WHERE id = :job AND status = 'queued'";

macro_rules! fenced {
    () => {
        " WHERE id = :job AND status = 'running' AND reaper_fence = :fence"
    };
}

pub(super) const ATTACH: &str =
    concat!("UPDATE jobs SET reaper_executor = :executor, reaper_attach = 'done', pid = :pid", fenced!());

pub(super) const BEAT: &str = concat!(
    "UPDATE jobs SET reaper_beat_at = ",
    now!(),
    ", reaper_beat = CASE WHEN reaper_beat < 9223372036854775807 THEN reaper_beat + 1
        ELSE coalesce(reaper_beat, 1) END",
    fenced!()
);

pub(super) const RECORD_EXIT: &str = "UPDATE agent_runs SET exit_code = :code, finished_at = datetime('now')
    WHERE id = :run AND exit_code IS NULL";

pub(super) const RUN_EXISTS: &str = "SELECT EXISTS (SELECT 1 FROM agent_runs WHERE id = :run)";

// The schema.

pub(super) const CREATE_MIGRATIONS: &str = "CREATE TABLE IF NOT EXISTS reaper_migrations (
    version TEXT PRIMARY KEY,
    run_on TEXT NOT NULL DEFAULT (datetime('now'))
)";

pub(super) const DROP_MIGRATIONS: &str = "DROP TABLE reaper_migrations";

pub(super) const NOTE_MIGRATION: &str = "INSERT INTO reaper_migrations (version) VALUES (:version)";

pub(super) const FORGET_MIGRATION: &str = "DELETE FROM reaper_migrations WHERE version = :version";

pub(super) const APPLIED: &str = "SELECT version FROM reaper_migrations ORDER BY version DESC";

pub(super) const OBJECT: &str = "SELECT type, sql FROM sqlite_master WHERE lower(name) = :name
    AND type IN ('table', 'view')";

pub(super) const OBJECTS: &str = "SELECT count(*) FROM sqlite_master";

pub(super) const COLUMNS: &str = "SELECT lower(name), upper(type), pk FROM pragma_table_info(:table)";
