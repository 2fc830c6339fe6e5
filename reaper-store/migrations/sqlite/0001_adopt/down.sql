-- Takes away what up.sql added. The tables of the contract and their rows stay.

DROP TRIGGER IF EXISTS reaper_tasks_stage;
DROP TRIGGER IF EXISTS reaper_tasks_insert;
DROP TRIGGER IF EXISTS reaper_runs_update;
DROP TRIGGER IF EXISTS reaper_runs_insert;
DROP TRIGGER IF EXISTS reaper_jobs_change;
DROP TRIGGER IF EXISTS reaper_jobs_enter_queued;
DROP TRIGGER IF EXISTS reaper_jobs_enter_running;
DROP TRIGGER IF EXISTS reaper_jobs_insert_running;
DROP TRIGGER IF EXISTS reaper_jobs_insert_queued;

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
DROP INDEX IF EXISTS reaper_outbox_undelivered;
DROP INDEX IF EXISTS reaper_outbox_pending;
DROP INDEX IF EXISTS reaper_events_finished_late;
DROP INDEX IF EXISTS reaper_events_late;
DROP INDEX IF EXISTS reaper_events_run;
DROP INDEX IF EXISTS reaper_events_young;
DROP INDEX IF EXISTS reaper_events_at;
DROP INDEX IF EXISTS reaper_events_job;
DROP INDEX IF EXISTS reaper_events_id;

-- One a line: a line whose column is not there is skipped.
ALTER TABLE tasks DROP COLUMN reaper_stage_version;
ALTER TABLE jobs DROP COLUMN reaper_payload;
ALTER TABLE jobs DROP COLUMN reaper_source_key;
ALTER TABLE jobs DROP COLUMN reaper_terminating_at;
ALTER TABLE jobs DROP COLUMN reaper_beat_at;
ALTER TABLE jobs DROP COLUMN reaper_beat;
ALTER TABLE jobs DROP COLUMN reaper_monitor;
ALTER TABLE jobs DROP COLUMN reaper_executor;
ALTER TABLE jobs DROP COLUMN reaper_node_bound;
ALTER TABLE jobs DROP COLUMN reaper_attach;
ALTER TABLE jobs DROP COLUMN reaper_last_error;
ALTER TABLE jobs DROP COLUMN reaper_available_at;
ALTER TABLE jobs DROP COLUMN reaper_rescues;
ALTER TABLE jobs DROP COLUMN reaper_inherited;
ALTER TABLE jobs DROP COLUMN reaper_exit_at;
ALTER TABLE jobs DROP COLUMN reaper_exit_code;
ALTER TABLE jobs DROP COLUMN reaper_started_at;
ALTER TABLE jobs DROP COLUMN reaper_fence;

DROP TABLE IF EXISTS reaper_nodes;
DROP TABLE IF EXISTS reaper_incarnations;
DROP TABLE IF EXISTS reaper_advances;
DROP TABLE IF EXISTS reaper_settings;
DROP TABLE IF EXISTS reaper_outbox;
DROP TABLE IF EXISTS reaper_events;
