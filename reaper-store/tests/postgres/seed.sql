CREATE TABLE tasks (
    id SERIAL PRIMARY KEY,
    plane_id TEXT,
    work_item_id TEXT,
    repo TEXT NOT NULL,
    branch TEXT,
    stage TEXT NOT NULL DEFAULT 'analysis',
    created_at TIMESTAMPTZ DEFAULT now()
);
CREATE TABLE jobs (
    id SERIAL PRIMARY KEY,
    agent TEXT NOT NULL,
    repo TEXT NOT NULL,
    task_id INTEGER REFERENCES tasks (id),
    status VARCHAR(20) NOT NULL DEFAULT 'queued',
    attempts INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER NOT NULL DEFAULT 2,
    run_id INTEGER,
    pid INTEGER,
    created_at TIMESTAMPTZ DEFAULT now(),
    started_at TEXT,
    finished_at TEXT, -- set by whoever ends the job
    error TEXT
);
CREATE INDEX idx_jobs_status ON jobs (status);
CREATE TABLE agent_runs (
    id SERIAL PRIMARY KEY,
    task_id INTEGER,
    agent TEXT,
    started_at TEXT,
    finished_at TEXT,
    exit_code INTEGER
);
