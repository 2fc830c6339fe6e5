-- What Reaper adds to a jobs table. Everything of its own is named reaper_…, and may be there already.
--
-- Triggers run inside other programs' SQLite, which may be old: they use nothing newer than SQLite 3.31.
-- Instants are milliseconds since 1970-01-01 00:00 UTC. Of a text only what begins as a date is read, so that
-- 'now' and bare numbers, which julianday() takes too, are no dates; one from before 1971 is the zero of a program, and
-- none (substr(), because the type of a column makes it a number's comparison). A text is taken to be the end of the second,
-- minute or day that it says, so that no grace is cut short. One without a zone is
-- UTC or the writing program's: programs write both, and the later one counts. 'utc' leaves a text that has a zone as it
-- is, and of an hour that comes twice it may take the first.

-- The tables of the contract, where they are missing.

CREATE TABLE IF NOT EXISTS tasks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    plane_id TEXT,
    work_item_id TEXT,
    repo TEXT NOT NULL,
    branch TEXT,
    stage TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    agent TEXT NOT NULL,
    repo TEXT NOT NULL,
    task_id INTEGER,
    status TEXT NOT NULL DEFAULT 'queued',
    attempts INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER NOT NULL DEFAULT 2,
    run_id INTEGER,
    pid INTEGER,
    started_at TEXT
);

CREATE TABLE IF NOT EXISTS agent_runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id INTEGER,
    agent TEXT,
    started_at TEXT,
    finished_at TEXT,
    exit_code INTEGER
);

-- Reaper's columns. One a line: a line whose column is there already is skipped.

ALTER TABLE jobs ADD COLUMN reaper_fence INTEGER;
ALTER TABLE jobs ADD COLUMN reaper_started_at INTEGER;
ALTER TABLE jobs ADD COLUMN reaper_exit_code INTEGER;
ALTER TABLE jobs ADD COLUMN reaper_exit_at INTEGER;
ALTER TABLE jobs ADD COLUMN reaper_inherited INTEGER;
ALTER TABLE jobs ADD COLUMN reaper_rescues INTEGER;
ALTER TABLE jobs ADD COLUMN reaper_available_at INTEGER;
ALTER TABLE jobs ADD COLUMN reaper_last_error TEXT;
ALTER TABLE jobs ADD COLUMN reaper_attach TEXT;
ALTER TABLE jobs ADD COLUMN reaper_node_bound INTEGER;
ALTER TABLE jobs ADD COLUMN reaper_executor TEXT;
ALTER TABLE jobs ADD COLUMN reaper_monitor TEXT;
ALTER TABLE jobs ADD COLUMN reaper_beat INTEGER;
ALTER TABLE jobs ADD COLUMN reaper_beat_at INTEGER;
ALTER TABLE jobs ADD COLUMN reaper_terminating_at INTEGER;
ALTER TABLE jobs ADD COLUMN reaper_source_key TEXT;
ALTER TABLE jobs ADD COLUMN reaper_payload TEXT;
ALTER TABLE tasks ADD COLUMN reaper_stage_version INTEGER;

-- Reaper's tables.

CREATE TABLE IF NOT EXISTS reaper_events (
    seq INTEGER PRIMARY KEY,
    id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    job_id INTEGER,
    fence INTEGER,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    rule TEXT NOT NULL,
    reason TEXT NOT NULL,
    from_status TEXT,
    to_status TEXT,
    evidence TEXT NOT NULL,
    -- How the attempt ended, where it ended badly, and whether it died young.
    agent TEXT,
    signature TEXT,
    young INTEGER,
    -- The run of an attempt that a reaper has requeued without an exit, and the exit that it recorded all the same, after
    -- the job had been taken again.
    run_id INTEGER,
    late_code INTEGER,
    late_at INTEGER
);
CREATE UNIQUE INDEX IF NOT EXISTS reaper_events_id ON reaper_events (id);
CREATE INDEX IF NOT EXISTS reaper_events_job ON reaper_events (job_id, seq);
CREATE INDEX IF NOT EXISTS reaper_events_at ON reaper_events (at);
CREATE INDEX IF NOT EXISTS reaper_events_young ON reaper_events (agent, at) WHERE young = 1;
CREATE INDEX IF NOT EXISTS reaper_events_run ON reaper_events (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS reaper_events_late ON reaper_events (late_at) WHERE late_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS reaper_events_finished_late ON reaper_events (at)
    WHERE action = 'done' AND from_status = 'queued';

CREATE TABLE IF NOT EXISTS reaper_outbox (
    seq INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    job_id INTEGER,
    effect TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    tries INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    lease_token INTEGER,
    leased_until INTEGER,
    done_at INTEGER,
    note TEXT
);
CREATE INDEX IF NOT EXISTS reaper_outbox_pending ON reaper_outbox (due_at, seq) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS reaper_outbox_undelivered ON reaper_outbox (seq) WHERE state IN ('pending', 'dead');

CREATE TABLE IF NOT EXISTS reaper_settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- One row a boot of a host. Beats are counters; the instant of the latest is for people.
CREATE TABLE IF NOT EXISTS reaper_nodes (
    host TEXT NOT NULL,
    boot TEXT NOT NULL,
    state TEXT NOT NULL,
    beat INTEGER NOT NULL,
    beat_at INTEGER NOT NULL,
    ttl_ms INTEGER NOT NULL,
    reaper TEXT NOT NULL,
    PRIMARY KEY (host, boot)
);

-- Where an instance runs, or ran before: one row a PID namespace of its own.
CREATE TABLE IF NOT EXISTS reaper_incarnations (
    host TEXT NOT NULL,
    boot TEXT NOT NULL,
    pid_namespace INTEGER NOT NULL,
    instance TEXT NOT NULL,
    at INTEGER NOT NULL,
    superseded_at INTEGER,
    seen_start INTEGER,
    PRIMARY KEY (host, boot, pid_namespace)
);

CREATE TABLE IF NOT EXISTS reaper_advances (
    source_key TEXT PRIMARY KEY,
    task_id,
    at INTEGER NOT NULL DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER))
);

-- The sets that a pass loads, each by an index of its own. None grows with jobs that are finished. One of these names may be
-- on a table that was put aside under another name.

DROP INDEX IF EXISTS reaper_jobs_exit;
DROP INDEX IF EXISTS reaper_jobs_age;
DROP INDEX IF EXISTS reaper_jobs_beat;
DROP INDEX IF EXISTS reaper_jobs_late;
DROP INDEX IF EXISTS reaper_jobs_executor;
DROP INDEX IF EXISTS reaper_jobs_monitor;
DROP INDEX IF EXISTS reaper_jobs_bare;
DROP INDEX IF EXISTS reaper_jobs_queued;
DROP INDEX IF EXISTS reaper_jobs_live;
DROP INDEX IF EXISTS reaper_jobs_source_key;
CREATE INDEX IF NOT EXISTS reaper_jobs_exit ON jobs (reaper_exit_at, id)
    WHERE status = 'running' AND reaper_exit_code IS NOT NULL;
CREATE INDEX IF NOT EXISTS reaper_jobs_age ON jobs (reaper_started_at, id)
    WHERE status = 'running' AND reaper_exit_code IS NULL;
CREATE INDEX IF NOT EXISTS reaper_jobs_beat ON jobs (reaper_beat_at, id)
    WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_beat_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS reaper_jobs_late ON jobs (id)
    WHERE status = 'queued' AND reaper_exit_code = 0;
CREATE INDEX IF NOT EXISTS reaper_jobs_executor ON jobs (
    substr(reaper_executor, 1, instr(reaper_executor, '/') - 1), id)
    WHERE status = 'running' AND reaper_executor IS NOT NULL;
CREATE INDEX IF NOT EXISTS reaper_jobs_monitor ON jobs (
    substr(reaper_monitor, 1, instr(reaper_monitor, '/') - 1), id)
    WHERE status = 'running' AND reaper_monitor IS NOT NULL;
CREATE INDEX IF NOT EXISTS reaper_jobs_bare ON jobs (id)
    WHERE status = 'running' AND reaper_executor IS NULL AND pid IS NOT NULL;
CREATE INDEX IF NOT EXISTS reaper_jobs_queued ON jobs (id)
    WHERE status = 'queued';
CREATE INDEX IF NOT EXISTS reaper_jobs_live ON jobs (run_id, task_id)
    WHERE status IN ('queued', 'running');
CREATE UNIQUE INDEX IF NOT EXISTS reaper_jobs_source_key ON jobs (reaper_source_key)
    WHERE reaper_source_key IS NOT NULL;

-- What is there already, and what was taken while a trigger on jobs or agent_runs was away, as after a table was rebuilt:
-- its row may show what was known of the attempt before. A row agrees with itself where no event has settled its attempt,
-- its beginning may have been read from started_at, and its exit is the run's: such an attempt goes on. Any other is a
-- new one, of which no process is known. Its run is the one before's if its exit was known or is older than the beginning.
-- This comes before the triggers are made anew, so that it can tell whether one was away; none of them is fired by it.

UPDATE jobs SET
    reaper_fence = max(1, random() & 9223372036854775807),
    reaper_started_at = CASE WHEN s.is_newer THEN s.at ELSE s.now END,
    reaper_inherited = CASE WHEN s.is_inherited THEN 3 END,
    reaper_exit_code = CASE WHEN NOT s.is_inherited THEN s.code END,
    reaper_exit_at = CASE WHEN NOT s.is_inherited AND s.code IS NOT NULL THEN s.exit_at END,
    reaper_attach = NULL,
    reaper_node_bound = NULL,
    reaper_executor = NULL,
    reaper_monitor = NULL,
    reaper_beat = NULL,
    reaper_beat_at = NULL,
    reaper_terminating_at = NULL,
    reaper_available_at = NULL
FROM (SELECT id, code, at, exit_at, now,
        stored IS NULL OR at > stored AS is_newer,
        (fence IS NOT NULL AND code IS NOT NULL
            AND (shown IS code OR (at > stored AND exit_at < at))) IS TRUE AS is_inherited
    FROM (SELECT *, min(coalesce(read_at, now), now) AS at, min(coalesce(read_exit_at, now), now) AS exit_at
        FROM (SELECT j.id, j.reaper_fence AS fence, j.reaper_started_at AS stored, j.reaper_exit_code AS shown,
                r.exit_code AS code,
                CASE WHEN coalesce(j.reaper_inherited, 0) & 2 = 0 THEN r.exit_code END AS own_code,
                CASE WHEN j.started_at LIKE '____-__-__%' AND substr(j.started_at, 1, 4) >= '1971'
                    THEN CAST(ROUND((julianday(j.started_at) - 2440587.5) * 86400000) AS INTEGER) END AS utc,
                CASE WHEN j.started_at LIKE '____-__-__%' AND substr(j.started_at, 1, 4) >= '1971'
                    THEN CAST(ROUND((max(julianday(j.started_at), julianday(j.started_at, 'utc'),
                        julianday(j.started_at, '+1 hour', 'utc', '-1 hour')) - 2440587.5) * 86400000) AS INTEGER)
                        + CASE WHEN j.started_at LIKE '%.%' THEN 0 WHEN substr(j.started_at, 17, 1) = ':' THEN 999
                            WHEN length(j.started_at) > 10 THEN 59999 ELSE 86399999 END END AS read_at,
                CASE WHEN r.finished_at LIKE '____-__-__%' AND substr(r.finished_at, 1, 4) >= '1971'
                    THEN CAST(ROUND((max(julianday(r.finished_at), julianday(r.finished_at, 'utc'),
                        julianday(r.finished_at, '+1 hour', 'utc', '-1 hour')) - 2440587.5) * 86400000) AS INTEGER)
                        + CASE WHEN r.finished_at LIKE '%.%' THEN 0 WHEN substr(r.finished_at, 17, 1) = ':' THEN 999
                            WHEN length(r.finished_at) > 10 THEN 59999 ELSE 86399999 END END AS read_exit_at,
                CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) AS now,
                EXISTS (SELECT 1 FROM reaper_events e WHERE e.job_id = j.id AND e.fence = j.reaper_fence
                    AND e.to_status IN ('queued', 'done', 'failed')) AS is_settled
            FROM jobs j LEFT JOIN agent_runs r ON r.id = j.run_id
            WHERE j.status = 'running' AND (j.reaper_fence IS NULL
                OR (SELECT count(*) FROM sqlite_master WHERE type = 'trigger'
                    AND ((lower(tbl_name) = 'jobs' AND name LIKE 'reaper\_jobs\_%' ESCAPE '\')
                        OR (lower(tbl_name) = 'agent_runs' AND name LIKE 'reaper\_runs\_%' ESCAPE '\'))) < 7)))
    WHERE fence IS NULL OR is_settled OR shown IS NOT own_code
        -- A minute, because a program writes its time before it has the lock.
        OR (utc IS NOT NULL AND stored IS NOT at AND (stored BETWEEN utc - 1000 AND utc + 60000) IS NOT TRUE)
) AS s
WHERE jobs.id = s.id;

-- The same of what waits: an exit that is shown on it is a late finish only where the attempt's latest event says that
-- it was requeued.
UPDATE jobs SET
    reaper_exit_code = NULL,
    reaper_exit_at = NULL,
    reaper_attach = NULL,
    reaper_node_bound = NULL,
    reaper_executor = NULL,
    reaper_monitor = NULL,
    reaper_beat = NULL,
    reaper_beat_at = NULL,
    reaper_terminating_at = NULL
WHERE status = 'queued'
    AND (SELECT count(*) FROM sqlite_master WHERE type = 'trigger'
        AND ((lower(tbl_name) = 'jobs' AND name LIKE 'reaper\_jobs\_%' ESCAPE '\')
            OR (lower(tbl_name) = 'agent_runs' AND name LIKE 'reaper\_runs\_%' ESCAPE '\'))) < 7
    AND (reaper_exit_code IS NOT NULL OR reaper_executor IS NOT NULL OR reaper_monitor IS NOT NULL
        OR reaper_attach IS NOT NULL OR reaper_beat IS NOT NULL OR reaper_terminating_at IS NOT NULL)
    AND (SELECT e.to_status FROM reaper_events e WHERE e.job_id = jobs.id AND e.fence = jobs.reaper_fence
        ORDER BY e.seq DESC LIMIT 1) IS NOT 'queued';

-- The triggers. They write only rows that are alive (queued or running), and nothing of them shows in changes() or
-- last_insert_rowid() of the statement that fired them. An instant that another program wrote is taken where it
-- can be read and has come; otherwise it is the one at which the trigger saw the row. They are made anew, because where a
-- table was put aside, SQLite has written that one's new name into them.

DROP TRIGGER IF EXISTS reaper_jobs_insert_queued;
DROP TRIGGER IF EXISTS reaper_jobs_insert_running;
DROP TRIGGER IF EXISTS reaper_jobs_enter_running;
DROP TRIGGER IF EXISTS reaper_jobs_enter_queued;
DROP TRIGGER IF EXISTS reaper_jobs_change;
DROP TRIGGER IF EXISTS reaper_runs_insert;
DROP TRIGGER IF EXISTS reaper_runs_update;
DROP TRIGGER IF EXISTS reaper_tasks_insert;
DROP TRIGGER IF EXISTS reaper_tasks_stage;

-- A row that waits has a fence as well: a person may settle it, and its id may have been another's.
CREATE TRIGGER reaper_jobs_insert_queued AFTER INSERT ON jobs
WHEN NEW.status = 'queued'
BEGIN
    UPDATE jobs SET reaper_fence = max(1, random() & 9223372036854775807) WHERE id = NEW.id;
END;

-- A row that is inserted as running (REPLACE included) is an attempt, whose exit may have been recorded before.
CREATE TRIGGER reaper_jobs_insert_running AFTER INSERT ON jobs
WHEN NEW.status = 'running'
BEGIN
    UPDATE jobs SET
        reaper_fence = max(1, random() & 9223372036854775807),
        reaper_started_at = (SELECT min(coalesce(at, now), now) FROM (SELECT
            CASE WHEN NEW.started_at LIKE '____-__-__%' AND substr(NEW.started_at, 1, 4) >= '1971'
                THEN CAST(ROUND((max(julianday(NEW.started_at), julianday(NEW.started_at, 'utc'),
                    julianday(NEW.started_at, '+1 hour', 'utc', '-1 hour')) - 2440587.5) * 86400000) AS INTEGER)
                    + CASE WHEN NEW.started_at LIKE '%.%' THEN 0 WHEN substr(NEW.started_at, 17, 1) = ':' THEN 999
                        WHEN length(NEW.started_at) > 10 THEN 59999 ELSE 86399999 END END AS at,
            CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) AS now)),
        reaper_inherited = NULL,
        reaper_exit_code = (SELECT r.exit_code FROM agent_runs r WHERE r.id = NEW.run_id),
        reaper_exit_at = (SELECT min(coalesce(at, now), now) FROM (SELECT
            CASE WHEN r.finished_at LIKE '____-__-__%' AND substr(r.finished_at, 1, 4) >= '1971'
                THEN CAST(ROUND((max(julianday(r.finished_at), julianday(r.finished_at, 'utc'),
                    julianday(r.finished_at, '+1 hour', 'utc', '-1 hour')) - 2440587.5) * 86400000) AS INTEGER)
                    + CASE WHEN r.finished_at LIKE '%.%' THEN 0 WHEN substr(r.finished_at, 17, 1) = ':' THEN 999
                        WHEN length(r.finished_at) > 10 THEN 59999 ELSE 86399999 END END AS at,
            CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) AS now
            FROM agent_runs r WHERE r.id = NEW.run_id AND r.exit_code IS NOT NULL))
    WHERE id = NEW.id;
END;

-- Entering running begins an attempt. What stands on the row unchanged was the attempt's before: pid and run_id
-- are marked as inherited (bits 1 and 2), started_at is not believed, what named its processes is taken away.
CREATE TRIGGER reaper_jobs_enter_running AFTER UPDATE OF status ON jobs
WHEN NEW.status = 'running' AND OLD.status IS NOT 'running'
BEGIN
    UPDATE jobs SET
        reaper_fence = max(1, random() & 9223372036854775807),
        reaper_started_at = CASE WHEN NEW.started_at IS OLD.started_at
            THEN CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)
            ELSE (SELECT min(coalesce(at, now), now) FROM (SELECT
                CASE WHEN NEW.started_at LIKE '____-__-__%' AND substr(NEW.started_at, 1, 4) >= '1971'
                    THEN CAST(ROUND((max(julianday(NEW.started_at), julianday(NEW.started_at, 'utc'),
                        julianday(NEW.started_at, '+1 hour', 'utc', '-1 hour')) - 2440587.5) * 86400000) AS INTEGER)
                    + CASE WHEN NEW.started_at LIKE '%.%' THEN 0 WHEN substr(NEW.started_at, 17, 1) = ':' THEN 999
                        WHEN length(NEW.started_at) > 10 THEN 59999 ELSE 86399999 END END AS at,
                CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) AS now)) END,
        reaper_inherited = (NEW.pid IS NOT NULL AND NEW.pid IS OLD.pid)
            + 2 * (NEW.run_id IS NOT NULL AND NEW.run_id IS OLD.run_id),
        reaper_exit_code = (SELECT r.exit_code FROM agent_runs r
            WHERE r.id = NEW.run_id AND NEW.run_id IS NOT OLD.run_id),
        reaper_exit_at = (SELECT min(coalesce(at, now), now) FROM (SELECT
            CASE WHEN r.finished_at LIKE '____-__-__%' AND substr(r.finished_at, 1, 4) >= '1971'
                THEN CAST(ROUND((max(julianday(r.finished_at), julianday(r.finished_at, 'utc'),
                    julianday(r.finished_at, '+1 hour', 'utc', '-1 hour')) - 2440587.5) * 86400000) AS INTEGER)
                    + CASE WHEN r.finished_at LIKE '%.%' THEN 0 WHEN substr(r.finished_at, 17, 1) = ':' THEN 999
                        WHEN length(r.finished_at) > 10 THEN 59999 ELSE 86399999 END END AS at,
            CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) AS now
            FROM agent_runs r
            WHERE r.id = NEW.run_id AND NEW.run_id IS NOT OLD.run_id AND r.exit_code IS NOT NULL)),
        reaper_attach = CASE WHEN NEW.reaper_attach IS NOT OLD.reaper_attach THEN NEW.reaper_attach END,
        reaper_node_bound = CASE WHEN NEW.reaper_node_bound IS NOT OLD.reaper_node_bound THEN NEW.reaper_node_bound END,
        reaper_executor = CASE WHEN NEW.reaper_executor IS NOT OLD.reaper_executor THEN NEW.reaper_executor END,
        reaper_monitor = CASE WHEN NEW.reaper_monitor IS NOT OLD.reaper_monitor THEN NEW.reaper_monitor END,
        reaper_beat = NULL,
        reaper_beat_at = NULL,
        reaper_terminating_at = NULL,
        reaper_available_at = NULL
    WHERE id = NEW.id;
END;

-- Entering queued takes away the exit and what named processes.
CREATE TRIGGER reaper_jobs_enter_queued AFTER UPDATE OF status ON jobs
WHEN NEW.status = 'queued' AND OLD.status IS NOT 'queued'
    AND (NEW.reaper_exit_code IS NOT NULL OR NEW.reaper_exit_at IS NOT NULL OR NEW.reaper_attach IS NOT NULL
        OR NEW.reaper_node_bound IS NOT NULL OR NEW.reaper_executor IS NOT NULL OR NEW.reaper_monitor IS NOT NULL OR NEW.reaper_beat IS NOT NULL
        OR NEW.reaper_beat_at IS NOT NULL OR NEW.reaper_terminating_at IS NOT NULL)
BEGIN
    UPDATE jobs SET
        reaper_exit_code = NULL,
        reaper_exit_at = NULL,
        reaper_attach = NULL,
        reaper_node_bound = NULL,
        reaper_executor = NULL,
        reaper_monitor = NULL,
        reaper_beat = NULL,
        reaper_beat_at = NULL,
        reaper_terminating_at = NULL
    WHERE id = NEW.id;
END;

-- A pid or a run that changes on a row that is alive is the attempt's own, and another run brings its exit along.
CREATE TRIGGER reaper_jobs_change AFTER UPDATE OF pid, run_id, started_at ON jobs
WHEN (NEW.status = 'queued' OR (NEW.status = 'running' AND OLD.status = 'running'))
    AND (NEW.run_id IS NOT OLD.run_id OR NEW.started_at IS NOT OLD.started_at
        OR (NEW.pid IS NOT OLD.pid AND coalesce(NEW.reaper_inherited, 0) & 1 = 1))
BEGIN
    UPDATE jobs SET
        reaper_started_at = CASE WHEN NEW.started_at IS OLD.started_at
            THEN reaper_started_at
            ELSE (SELECT min(coalesce(at, now), now) FROM (SELECT
                CASE WHEN NEW.started_at LIKE '____-__-__%' AND substr(NEW.started_at, 1, 4) >= '1971'
                    THEN CAST(ROUND((max(julianday(NEW.started_at), julianday(NEW.started_at, 'utc'),
                        julianday(NEW.started_at, '+1 hour', 'utc', '-1 hour')) - 2440587.5) * 86400000) AS INTEGER)
                    + CASE WHEN NEW.started_at LIKE '%.%' THEN 0 WHEN substr(NEW.started_at, 17, 1) = ':' THEN 999
                        WHEN length(NEW.started_at) > 10 THEN 59999 ELSE 86399999 END END AS at,
                CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) AS now)) END,
        reaper_inherited = coalesce(reaper_inherited, 0)
            & ~((NEW.pid IS NOT OLD.pid) + 2 * (NEW.run_id IS NOT OLD.run_id)),
        reaper_exit_code = CASE WHEN NEW.run_id IS OLD.run_id
            THEN reaper_exit_code
            ELSE (SELECT r.exit_code FROM agent_runs r WHERE r.id = NEW.run_id AND NEW.status = 'running') END,
        reaper_exit_at = CASE WHEN NEW.run_id IS OLD.run_id
            THEN reaper_exit_at
            ELSE (SELECT min(coalesce(at, now), now) FROM (SELECT
                CASE WHEN r.finished_at LIKE '____-__-__%' AND substr(r.finished_at, 1, 4) >= '1971'
                    THEN CAST(ROUND((max(julianday(r.finished_at), julianday(r.finished_at, 'utc'),
                        julianday(r.finished_at, '+1 hour', 'utc', '-1 hour')) - 2440587.5) * 86400000) AS INTEGER)
                    + CASE WHEN r.finished_at LIKE '%.%' THEN 0 WHEN substr(r.finished_at, 17, 1) = ':' THEN 999
                        WHEN length(r.finished_at) > 10 THEN 59999 ELSE 86399999 END END AS at,
                CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) AS now
                FROM agent_runs r
                WHERE r.id = NEW.run_id AND NEW.status = 'running' AND r.exit_code IS NOT NULL)) END
    WHERE id = NEW.id;
END;

-- A run that is inserted with its exit, or replaced, shows on the row that runs under it. It is none of a job's that waits,
-- nor a rescue's, whose run had this id before and was deleted.
CREATE TRIGGER reaper_runs_insert AFTER INSERT ON agent_runs
BEGIN
    UPDATE jobs SET
        reaper_exit_code = NEW.exit_code,
        reaper_exit_at = CASE WHEN NEW.exit_code IS NOT NULL
            THEN (SELECT min(coalesce(at, now), now) FROM (SELECT
                CASE WHEN NEW.finished_at LIKE '____-__-__%' AND substr(NEW.finished_at, 1, 4) >= '1971'
                    THEN CAST(ROUND((max(julianday(NEW.finished_at), julianday(NEW.finished_at, 'utc'),
                        julianday(NEW.finished_at, '+1 hour', 'utc', '-1 hour')) - 2440587.5) * 86400000) AS INTEGER)
                    + CASE WHEN NEW.finished_at LIKE '%.%' THEN 0 WHEN substr(NEW.finished_at, 17, 1) = ':' THEN 999
                        WHEN length(NEW.finished_at) > 10 THEN 59999 ELSE 86399999 END END AS at,
                CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) AS now)) END
    WHERE run_id = NEW.id AND status IN ('queued', 'running') AND status = 'running'
        AND coalesce(reaper_inherited, 0) & 2 = 0;
    UPDATE jobs SET reaper_inherited = coalesce(reaper_inherited, 0) | 2
    WHERE run_id = NEW.id AND status IN ('queued', 'running') AND status = 'queued';
    UPDATE reaper_events SET run_id = NULL WHERE run_id = NEW.id;
END;

-- An exit that is recorded shows on the row that runs under it; on one that is queued again only where there was
-- none before: a late finish. The instant at which a code was seen stays as long as the code does. One of an attempt that a
-- reaper has requeued without an exit, and whose job was taken again, is noted on that rescue.
CREATE TRIGGER reaper_runs_update AFTER UPDATE OF exit_code, finished_at ON agent_runs
WHEN NEW.exit_code IS NOT OLD.exit_code
    OR (NEW.finished_at IS NOT OLD.finished_at AND NEW.exit_code IS NOT NULL)
BEGIN
    UPDATE jobs SET
        reaper_exit_code = NEW.exit_code,
        reaper_exit_at = CASE WHEN NEW.exit_code IS NOT NULL
            THEN (SELECT min(coalesce(at, known, now), now) FROM (SELECT
                CASE WHEN reaper_exit_code IS NEW.exit_code THEN reaper_exit_at END AS known,
                CASE WHEN NEW.finished_at LIKE '____-__-__%' AND substr(NEW.finished_at, 1, 4) >= '1971'
                    THEN CAST(ROUND((max(julianday(NEW.finished_at), julianday(NEW.finished_at, 'utc'),
                        julianday(NEW.finished_at, '+1 hour', 'utc', '-1 hour')) - 2440587.5) * 86400000) AS INTEGER)
                    + CASE WHEN NEW.finished_at LIKE '%.%' THEN 0 WHEN substr(NEW.finished_at, 17, 1) = ':' THEN 999
                        WHEN length(NEW.finished_at) > 10 THEN 59999 ELSE 86399999 END END AS at,
                CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) AS now)) END
    WHERE run_id = NEW.id AND status IN ('queued', 'running') AND coalesce(reaper_inherited, 0) & 2 = 0
        AND (status = 'running' OR OLD.exit_code IS NULL OR reaper_exit_code IS NOT NULL);
    UPDATE reaper_events SET
        late_code = NEW.exit_code,
        late_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)
    WHERE run_id = NEW.id AND OLD.exit_code IS NULL AND late_at IS NULL
        AND EXISTS (SELECT 1 FROM jobs j WHERE j.id = reaper_events.job_id AND j.reaper_fence <> reaper_events.fence);
END;

-- A visit of a task to a stage.
CREATE TRIGGER reaper_tasks_insert AFTER INSERT ON tasks
BEGIN
    UPDATE tasks SET reaper_stage_version = max(1, random() & 9223372036854775807) WHERE id = NEW.id;
END;

CREATE TRIGGER reaper_tasks_stage AFTER UPDATE OF stage ON tasks
WHEN NEW.stage IS NOT OLD.stage
BEGIN
    UPDATE tasks SET reaper_stage_version = max(1, random() & 9223372036854775807) WHERE id = NEW.id;
END;
