-- Takes away what up.sql added. The tables of the contract and their rows stay.

DROP TRIGGER IF EXISTS reaper_tasks_stage ON tasks;
DROP TRIGGER IF EXISTS reaper_tasks_insert ON tasks;
DROP TRIGGER IF EXISTS reaper_runs_update ON agent_runs;
DROP TRIGGER IF EXISTS reaper_runs_insert ON agent_runs;
DROP TRIGGER IF EXISTS reaper_jobs_change ON jobs;
DROP TRIGGER IF EXISTS reaper_jobs_enter_queued ON jobs;
DROP TRIGGER IF EXISTS reaper_jobs_enter_running ON jobs;
DROP TRIGGER IF EXISTS reaper_jobs_insert ON jobs;

DROP FUNCTION IF EXISTS reaper_tasks_visit();
DROP FUNCTION IF EXISTS reaper_runs_update();
DROP FUNCTION IF EXISTS reaper_runs_insert();
DROP FUNCTION IF EXISTS reaper_jobs_change();
DROP FUNCTION IF EXISTS reaper_jobs_enter_queued();
DROP FUNCTION IF EXISTS reaper_jobs_enter_running();
DROP FUNCTION IF EXISTS reaper_jobs_insert();
DROP FUNCTION IF EXISTS reaper_millis(text);
DROP FUNCTION IF EXISTS reaper_millis(timestamp without time zone);
DROP FUNCTION IF EXISTS reaper_millis(timestamp with time zone);
DROP FUNCTION IF EXISTS reaper_seen(bigint);
DROP FUNCTION IF EXISTS reaper_draw();

DROP INDEX IF EXISTS reaper_jobs_source_key;
DROP INDEX IF EXISTS reaper_jobs_live;
DROP INDEX IF EXISTS reaper_jobs_queued;
DROP INDEX IF EXISTS reaper_jobs_bare;
DROP INDEX IF EXISTS reaper_jobs_monitor;
DROP INDEX IF EXISTS reaper_jobs_executor;
DROP INDEX IF EXISTS reaper_jobs_late;
DROP INDEX IF EXISTS reaper_jobs_beat;
DROP INDEX IF EXISTS reaper_jobs_age;
DROP INDEX IF EXISTS reaper_jobs_exit;

ALTER TABLE IF EXISTS tasks DROP COLUMN IF EXISTS reaper_stage_version;
ALTER TABLE IF EXISTS jobs DROP COLUMN IF EXISTS reaper_payload;
ALTER TABLE IF EXISTS jobs DROP COLUMN IF EXISTS reaper_source_key;
ALTER TABLE IF EXISTS jobs DROP COLUMN IF EXISTS reaper_terminating_at;
ALTER TABLE IF EXISTS jobs DROP COLUMN IF EXISTS reaper_beat_at;
ALTER TABLE IF EXISTS jobs DROP COLUMN IF EXISTS reaper_beat;
ALTER TABLE IF EXISTS jobs DROP COLUMN IF EXISTS reaper_monitor;
ALTER TABLE IF EXISTS jobs DROP COLUMN IF EXISTS reaper_executor;
ALTER TABLE IF EXISTS jobs DROP COLUMN IF EXISTS reaper_node_bound;
ALTER TABLE IF EXISTS jobs DROP COLUMN IF EXISTS reaper_attach;
ALTER TABLE IF EXISTS jobs DROP COLUMN IF EXISTS reaper_last_error;
ALTER TABLE IF EXISTS jobs DROP COLUMN IF EXISTS reaper_available_at;
ALTER TABLE IF EXISTS jobs DROP COLUMN IF EXISTS reaper_rescues;
ALTER TABLE IF EXISTS jobs DROP COLUMN IF EXISTS reaper_inherited;
ALTER TABLE IF EXISTS jobs DROP COLUMN IF EXISTS reaper_exit_at;
ALTER TABLE IF EXISTS jobs DROP COLUMN IF EXISTS reaper_exit_code;
ALTER TABLE IF EXISTS jobs DROP COLUMN IF EXISTS reaper_started_at;
ALTER TABLE IF EXISTS jobs DROP COLUMN IF EXISTS reaper_fence;

DROP TABLE IF EXISTS reaper_nodes;
DROP TABLE IF EXISTS reaper_incarnations;
DROP TABLE IF EXISTS reaper_advances;
DROP TABLE IF EXISTS reaper_settings;
DROP TABLE IF EXISTS reaper_outbox;
DROP TABLE IF EXISTS reaper_events;
