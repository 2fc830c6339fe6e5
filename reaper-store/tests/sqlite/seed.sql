CREATE TABLE tasks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    plane_id TEXT,
    work_item_id TEXT,
    repo TEXT NOT NULL,
    branch TEXT,
    stage TEXT NOT NULL DEFAULT 'analysis',
    created_at TEXT DEFAULT (datetime('now'))
);
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    agent TEXT NOT NULL,
    repo TEXT NOT NULL,
    task_id INTEGER REFERENCES tasks(id),
    status TEXT NOT NULL DEFAULT 'queued',
    attempts INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER NOT NULL DEFAULT 2,
    run_id INTEGER,
    pid INTEGER,
    created_at TEXT DEFAULT (datetime('now')),
    started_at TEXT,
    finished_at TEXT, -- set by whoever ends the job
    error TEXT
);
CREATE INDEX idx_jobs_status ON jobs (status);
CREATE TABLE agent_runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id INTEGER,
    agent TEXT,
    started_at TEXT DEFAULT (datetime('now')),
    finished_at TEXT,
    exit_code INTEGER
);
