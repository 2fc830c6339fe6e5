"""A program that has its jobs in SQLite and has never heard of Reaper.

    program.py create FILE         makes its tables
    program.py work FILE ROUNDS    takes, finishes and retakes jobs, and checks what it sees of its own statements

It says what was wrong and exits with 1, or exits with 0.
"""

import sqlite3
import sys

SCHEMA = """
CREATE TABLE tasks (id INTEGER PRIMARY KEY AUTOINCREMENT, plane_id TEXT, work_item_id TEXT, repo TEXT NOT NULL,
    branch TEXT, stage TEXT NOT NULL);
CREATE TABLE jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, agent TEXT NOT NULL, repo TEXT NOT NULL, task_id INTEGER,
    status TEXT NOT NULL DEFAULT 'queued', attempts INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER NOT NULL DEFAULT 2, run_id INTEGER, pid INTEGER, started_at TEXT);
CREATE TABLE agent_runs (id INTEGER PRIMARY KEY AUTOINCREMENT, task_id INTEGER, agent TEXT,
    started_at TEXT, finished_at TEXT, exit_code INTEGER);
"""


def connect(path):
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def enqueue(connection, agent):
    cursor = connection.execute("INSERT INTO jobs (agent, repo) VALUES (?, 'shop')", (agent,))
    assert cursor.rowcount == 1
    job = connection.execute("SELECT * FROM jobs WHERE id = ?", (cursor.lastrowid,)).fetchone()
    assert job["agent"] == agent, "lastrowid is the inserted job's"
    assert job.keys()[:4] == ["id", "agent", "repo", "task_id"], "the columns stand where they stood"
    return job["id"]


def take(connection, pid):
    connection.execute("BEGIN IMMEDIATE")
    job = connection.execute("SELECT id FROM jobs WHERE status = 'queued' ORDER BY id LIMIT 1").fetchone()
    cursor = connection.execute(
        "UPDATE jobs SET status = 'running', attempts = attempts + 1, started_at = datetime('now') "
        "WHERE id = ? AND status = 'queued'",
        (job["id"],),
    )
    assert cursor.rowcount == 1, "a take takes one row"
    run = connection.execute(
        "INSERT INTO agent_runs (agent, started_at) VALUES ('developer', datetime('now'))"
    ).lastrowid
    assert connection.execute("UPDATE jobs SET run_id = ?, pid = ? WHERE id = ?", (run, pid, job["id"])).rowcount == 1
    connection.execute("COMMIT")
    return job["id"], run


def record(connection, run, code):
    cursor = connection.execute(
        "UPDATE agent_runs SET exit_code = ?, finished_at = datetime('now') WHERE id = ? AND exit_code IS NULL",
        (code, run),
    )
    assert cursor.rowcount == 1, "an exit is recorded once"


def finish(connection, job, status):
    cursor = connection.execute("UPDATE jobs SET status = ? WHERE id = ? AND status = 'running'", (status, job))
    assert cursor.rowcount == 1, "a finish ends one row"
    row = connection.execute("SELECT status, pid FROM jobs WHERE id = ?", (job,)).fetchone()
    assert row["status"] == status


def work(path, rounds):
    connection = connect(path)
    for round in range(rounds):
        enqueue(connection, "developer")
        job, run = take(connection, 1000 + round)
        if round % 3 == 0:
            # A crash that its own start-up puts right: the pid and the run stay on the row.
            assert connection.execute("UPDATE jobs SET status = 'queued' WHERE status = 'running'").rowcount == 1
            job, run = take(connection, 2000 + round)
        record(connection, run, round % 2)
        finish(connection, job, "failed" if round % 2 else "done")
        if round % 5 == 0:
            row = connection.execute("SELECT id, agent, repo, status, attempts FROM jobs WHERE id = ?", (job,)).fetchone()
            cursor = connection.execute(
                "REPLACE INTO jobs (id, agent, repo, status, attempts) VALUES (?, ?, ?, ?, ?)", tuple(row)
            )
            assert cursor.lastrowid == job
    assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


if sys.argv[1] == "create":
    connect(sys.argv[2]).executescript(SCHEMA)
else:
    work(sys.argv[2], int(sys.argv[3]))
