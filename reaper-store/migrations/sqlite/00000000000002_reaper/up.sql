-- What Reaper adds. The triggers run inside other programs, whose SQLite may be old: nothing newer than 3.31 is used
-- here. Times are kept as milliseconds since 1970. What is missing, is no date or lies in the future is taken to be the
-- instant at which the trigger saw it: never an older one, and never "not due, ever". A time in whole seconds is taken to
-- be the end of its second, so that no grace is cut short.

ALTER TABLE tasks ADD COLUMN reaper_stage_version INTEGER;

ALTER TABLE jobs ADD COLUMN reaper_fence INTEGER;
ALTER TABLE jobs ADD COLUMN reaper_started_at INTEGER;
ALTER TABLE jobs ADD COLUMN reaper_exit_code INTEGER;
ALTER TABLE jobs ADD COLUMN reaper_exit_at INTEGER;
-- Bit 1: the pid, bit 2: the run was left behind by the attempt before.
ALTER TABLE jobs ADD COLUMN reaper_inherited INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN reaper_rescues INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN reaper_available_at INTEGER;
ALTER TABLE jobs ADD COLUMN reaper_last_error TEXT;
ALTER TABLE jobs ADD COLUMN reaper_attach TEXT;
ALTER TABLE jobs ADD COLUMN reaper_executor TEXT;
ALTER TABLE jobs ADD COLUMN reaper_monitor TEXT;
ALTER TABLE jobs ADD COLUMN reaper_host TEXT;
ALTER TABLE jobs ADD COLUMN reaper_monitor_host TEXT;
ALTER TABLE jobs ADD COLUMN reaper_beat INTEGER;
ALTER TABLE jobs ADD COLUMN reaper_beat_at INTEGER;
ALTER TABLE jobs ADD COLUMN reaper_terminating_at INTEGER;
ALTER TABLE jobs ADD COLUMN reaper_source_key TEXT;

CREATE TABLE reaper_events (
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
    evidence TEXT NOT NULL
);
CREATE INDEX reaper_events_of_job ON reaper_events (job_id, fence);
CREATE INDEX reaper_events_at ON reaper_events (at);

CREATE TABLE reaper_outbox (
    seq INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    task_id INTEGER,
    effect TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    tries INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    token INTEGER,
    note TEXT
);
CREATE INDEX reaper_outbox_due ON reaper_outbox (due_at, seq) WHERE state = 'pending';
CREATE INDEX reaper_outbox_dead ON reaper_outbox (seq) WHERE state = 'dead';
CREATE INDEX reaper_outbox_task ON reaper_outbox (task_id) WHERE state = 'pending';

CREATE TABLE reaper_settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- The advances that were made, by the key of their order.
CREATE TABLE reaper_advances (
    source_key TEXT PRIMARY KEY,
    task_id INTEGER NOT NULL,
    at TEXT NOT NULL DEFAULT (datetime('now'))
);

-- A fence for every new row, so that one whose id was used before is not taken for the old one, and whenever a row enters
-- `running`, by whatever program.
CREATE TRIGGER reaper_job_inserted AFTER INSERT ON jobs
BEGIN
    UPDATE jobs SET reaper_fence = random() & 9223372036854775807 WHERE id = NEW.id;
END;

CREATE TRIGGER reaper_job_inserted_running AFTER INSERT ON jobs WHEN NEW.status = 'running'
BEGIN
    UPDATE jobs SET
        reaper_started_at = MIN(COALESCE(CASE WHEN typeof(NEW.started_at) = 'text' AND NEW.started_at LIKE '____-__-__%' THEN CAST(ROUND((julianday(NEW.started_at) - 2440587.5) * 86400000) AS INTEGER) + 999 * (NEW.started_at NOT LIKE '%.%') END, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)), CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)),
        -- The exit may have been recorded before the row was made.
        reaper_exit_code = (SELECT r.exit_code FROM agent_runs r WHERE r.id = NEW.run_id),
        reaper_exit_at = (SELECT MIN(COALESCE(CASE WHEN typeof(r.finished_at) = 'text' AND r.finished_at LIKE '____-__-__%' THEN CAST(ROUND((julianday(r.finished_at) - 2440587.5) * 86400000) AS INTEGER) + 999 * (r.finished_at NOT LIKE '%.%') END, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)), CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER))
                          FROM agent_runs r WHERE r.id = NEW.run_id AND r.exit_code IS NOT NULL)
    WHERE id = NEW.id;
END;

-- What the attempt before left on the row says nothing about this one: an unchanged pid and run are inherited, an
-- unchanged beginning is not believed, identities and mirror go.
CREATE TRIGGER reaper_job_started AFTER UPDATE OF status ON jobs
WHEN NEW.status = 'running' AND OLD.status IS NOT 'running'
BEGIN
    UPDATE jobs SET
        reaper_fence = random() & 9223372036854775807,
        reaper_started_at = CASE WHEN NEW.started_at IS OLD.started_at
            THEN CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)
            ELSE MIN(COALESCE(CASE WHEN typeof(NEW.started_at) = 'text' AND NEW.started_at LIKE '____-__-__%' THEN CAST(ROUND((julianday(NEW.started_at) - 2440587.5) * 86400000) AS INTEGER) + 999 * (NEW.started_at NOT LIKE '%.%') END, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)), CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)) END,
        reaper_inherited = (NEW.pid IS NOT NULL AND NEW.pid IS OLD.pid)
            + 2 * (NEW.run_id IS NOT NULL AND NEW.run_id IS OLD.run_id),
        reaper_exit_code = CASE WHEN NEW.run_id IS NOT OLD.run_id
            THEN (SELECT r.exit_code FROM agent_runs r WHERE r.id = NEW.run_id) END,
        reaper_exit_at = CASE WHEN NEW.run_id IS NOT OLD.run_id
            THEN (SELECT MIN(COALESCE(CASE WHEN typeof(r.finished_at) = 'text' AND r.finished_at LIKE '____-__-__%' THEN CAST(ROUND((julianday(r.finished_at) - 2440587.5) * 86400000) AS INTEGER) + 999 * (r.finished_at NOT LIKE '%.%') END, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)), CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER))
                  FROM agent_runs r WHERE r.id = NEW.run_id AND r.exit_code IS NOT NULL) END,
        reaper_attach = NULL, reaper_executor = NULL, reaper_monitor = NULL,
        reaper_host = NULL, reaper_monitor_host = NULL,
        reaper_beat = NULL, reaper_beat_at = NULL, reaper_terminating_at = NULL
    WHERE id = NEW.id;
END;

CREATE TRIGGER reaper_job_queued AFTER UPDATE OF status ON jobs
WHEN NEW.status = 'queued' AND OLD.status IS NOT 'queued'
BEGIN
    UPDATE jobs SET
        reaper_exit_code = NULL, reaper_exit_at = NULL,
        reaper_attach = NULL, reaper_executor = NULL, reaper_monitor = NULL,
        reaper_host = NULL, reaper_monitor_host = NULL,
        reaper_beat = NULL, reaper_beat_at = NULL, reaper_terminating_at = NULL
    WHERE id = NEW.id;
END;

CREATE TRIGGER reaper_job_pid AFTER UPDATE OF pid ON jobs WHEN NEW.pid IS NOT OLD.pid
BEGIN
    UPDATE jobs SET reaper_inherited = reaper_inherited & ~1 WHERE id = NEW.id;
END;

-- A run that is linked late brings its exit along.
CREATE TRIGGER reaper_job_run AFTER UPDATE OF run_id ON jobs WHEN NEW.run_id IS NOT OLD.run_id
BEGIN
    UPDATE jobs SET
        reaper_inherited = reaper_inherited & ~2,
        reaper_exit_code = CASE WHEN NEW.status = 'running'
            THEN (SELECT r.exit_code FROM agent_runs r WHERE r.id = NEW.run_id) END,
        reaper_exit_at = CASE WHEN NEW.status = 'running'
            THEN (SELECT MIN(COALESCE(CASE WHEN typeof(r.finished_at) = 'text' AND r.finished_at LIKE '____-__-__%' THEN CAST(ROUND((julianday(r.finished_at) - 2440587.5) * 86400000) AS INTEGER) + 999 * (r.finished_at NOT LIKE '%.%') END, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)), CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER))
                  FROM agent_runs r WHERE r.id = NEW.run_id AND r.exit_code IS NOT NULL) END
    WHERE id = NEW.id;
END;

CREATE TRIGGER reaper_job_started_at AFTER UPDATE OF started_at ON jobs
WHEN NEW.started_at IS NOT OLD.started_at AND NEW.status = 'running' AND OLD.status = 'running'
BEGIN
    UPDATE jobs SET reaper_started_at = MIN(COALESCE(CASE WHEN typeof(NEW.started_at) = 'text' AND NEW.started_at LIKE '____-__-__%' THEN CAST(ROUND((julianday(NEW.started_at) - 2440587.5) * 86400000) AS INTEGER) + 999 * (NEW.started_at NOT LIKE '%.%') END, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)), CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)) WHERE id = NEW.id;
END;

-- The exit is written to the run, and mirrored onto the job that it belongs to.
CREATE TRIGGER reaper_run_inserted AFTER INSERT ON agent_runs WHEN NEW.exit_code IS NOT NULL
BEGIN
    UPDATE jobs SET reaper_exit_code = NEW.exit_code, reaper_exit_at = MIN(COALESCE(CASE WHEN typeof(NEW.finished_at) = 'text' AND NEW.finished_at LIKE '____-__-__%' THEN CAST(ROUND((julianday(NEW.finished_at) - 2440587.5) * 86400000) AS INTEGER) + 999 * (NEW.finished_at NOT LIKE '%.%') END, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)), CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER))
    WHERE run_id = NEW.id AND status = 'running' AND reaper_inherited & 2 = 0;
END;

-- On a queued row only an exit that was not there before is mirrored: a late finish. What follows it (a finished_at one
-- statement later) is too.
CREATE TRIGGER reaper_run_exited AFTER UPDATE OF exit_code, finished_at ON agent_runs
WHEN NEW.exit_code IS NOT OLD.exit_code OR NEW.finished_at IS NOT OLD.finished_at
BEGIN
    UPDATE jobs SET
        reaper_exit_code = NEW.exit_code,
        reaper_exit_at = CASE WHEN NEW.exit_code IS NOT NULL THEN MIN(COALESCE(CASE WHEN typeof(NEW.finished_at) = 'text' AND NEW.finished_at LIKE '____-__-__%' THEN CAST(ROUND((julianday(NEW.finished_at) - 2440587.5) * 86400000) AS INTEGER) + 999 * (NEW.finished_at NOT LIKE '%.%') END, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)), CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)) END
    WHERE run_id = NEW.id AND reaper_inherited & 2 = 0
        AND (status = 'running'
            OR (status = 'queued' AND (OLD.exit_code IS NULL OR reaper_exit_code IS NOT NULL)));
END;

-- A stage version at every visit of a task to a stage.
CREATE TRIGGER reaper_task_inserted AFTER INSERT ON tasks
BEGIN
    UPDATE tasks SET reaper_stage_version = random() & 9223372036854775807 WHERE id = NEW.id;
END;

CREATE TRIGGER reaper_task_moved AFTER UPDATE OF stage ON tasks WHEN NEW.stage IS NOT OLD.stage
BEGIN
    UPDATE tasks SET reaper_stage_version = random() & 9223372036854775807 WHERE id = NEW.id;
END;

-- What is there already is taken over.
UPDATE tasks SET reaper_stage_version = random() & 9223372036854775807;
UPDATE jobs SET reaper_fence = random() & 9223372036854775807 WHERE status IN ('queued', 'running');
UPDATE jobs SET
    reaper_started_at = MIN(COALESCE(CASE WHEN typeof(started_at) = 'text' AND started_at LIKE '____-__-__%' THEN CAST(ROUND((julianday(started_at) - 2440587.5) * 86400000) AS INTEGER) + 999 * (started_at NOT LIKE '%.%') END, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)), CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)),
    reaper_exit_code = (SELECT r.exit_code FROM agent_runs r WHERE r.id = jobs.run_id),
    reaper_exit_at = (SELECT MIN(COALESCE(CASE WHEN typeof(r.finished_at) = 'text' AND r.finished_at LIKE '____-__-__%' THEN CAST(ROUND((julianday(r.finished_at) - 2440587.5) * 86400000) AS INTEGER) + 999 * (r.finished_at NOT LIKE '%.%') END, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)), CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER))
                      FROM agent_runs r WHERE r.id = jobs.run_id AND r.exit_code IS NOT NULL)
WHERE status = 'running';

-- An index for each set that a pass looks at.
CREATE INDEX reaper_due_exits ON jobs (reaper_exit_at, id) WHERE status = 'running' AND reaper_exit_code IS NOT NULL;
CREATE INDEX reaper_due_ages ON jobs (reaper_started_at, id) WHERE status = 'running' AND reaper_exit_code IS NULL;
CREATE INDEX reaper_late ON jobs (id) WHERE status = 'queued' AND reaper_exit_code = 0;
CREATE INDEX reaper_here ON jobs (reaper_host, id) WHERE status = 'running';
CREATE INDEX reaper_monitors ON jobs (reaper_monitor_host, id)
    WHERE status = 'running' AND reaper_monitor_host IS NOT NULL;
-- And for the triggers, the worker's take, the stops and the stalled tasks.
CREATE INDEX reaper_runs ON jobs (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX reaper_queue ON jobs (id) WHERE status = 'queued';
CREATE INDEX reaper_executors ON jobs (reaper_executor) WHERE status = 'running' AND reaper_executor IS NOT NULL;
CREATE INDEX reaper_open ON jobs (task_id) WHERE status IN ('queued', 'running');
CREATE UNIQUE INDEX reaper_source_keys ON jobs (reaper_source_key) WHERE reaper_source_key IS NOT NULL;
