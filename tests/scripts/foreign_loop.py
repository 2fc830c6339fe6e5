"""A plain worker loop on a jobs table: takes, finishes and takes jobs again, for so many seconds.

Usage: foreign_loop.py DATABASE SECONDS DEAD_PID. Prints one JSON object: what it did, and what it saw.
"""

import json
import os
import sqlite3
import sys
import time

path, seconds, dead_pid = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
db = sqlite3.connect(path, timeout=30, isolation_level=None)
db.execute("PRAGMA busy_timeout = 30000")

made = finished = taken_away = 0
done = {}
lost = []
changed = []


def make(count):
    global made
    db.execute("BEGIN IMMEDIATE")
    for _ in range(count):
        db.execute("INSERT INTO jobs (agent, repo, max_attempts) VALUES ('developer', 'loop', 1000000)")
    db.execute("COMMIT")
    made += count


def take(pid):
    db.execute("BEGIN IMMEDIATE")
    row = db.execute("SELECT id FROM jobs WHERE status = 'queued' ORDER BY attempts, id LIMIT 1").fetchone()
    if row:
        db.execute(
            "UPDATE jobs SET status = 'running', pid = ?, started_at = datetime('now'), attempts = attempts + 1"
            " WHERE id = ?",
            (pid, row[0]),
        )
    db.execute("COMMIT")
    return row[0] if row else None


def finish(job):
    """Says whether the job was still ours to finish."""
    global finished
    db.execute("BEGIN IMMEDIATE")
    ours = db.execute("UPDATE jobs SET status = 'done' WHERE id = ? AND status = 'running'", (job,)).rowcount
    row = db.execute("SELECT status, attempts, pid, started_at FROM jobs WHERE id = ?", (job,)).fetchone()
    db.execute("COMMIT")
    if ours:
        finished += 1
        done[job] = row
    return ours == 1


def look():
    rows = dict((row[0], row[1:]) for row in db.execute("SELECT id, status, attempts, pid, started_at FROM jobs"))
    for job, row in done.items():
        if job not in rows:
            lost.append(job)
        elif rows[job] != row:
            changed.append([job, row, rows[job]])


end = time.monotonic() + seconds
abandoned = []
turn = 0
while time.monotonic() < end:
    if turn % 50 == 0:
        make(20)
        look()
    # One job in ten is left to a process that is gone, and only looked at again later.
    if turn % 10 == 9:
        job = take(dead_pid)
        if job is not None:
            abandoned.append((time.monotonic() + 1.5, job))
    else:
        job = take(os.getpid())
        if job is not None:
            time.sleep(0.002)
            if not finish(job):
                changed.append([job, "was taken away from a living process"])
    while abandoned and abandoned[0][0] < time.monotonic():
        _, job = abandoned.pop(0)
        if not finish(job):
            taken_away += 1
    turn += 1
    time.sleep(0.002)

look()
print(json.dumps({
    "made": made, "finished": finished, "taken_away": taken_away, "lost": lost, "changed": changed,
    "rows": db.execute("SELECT count(*) FROM jobs").fetchone()[0],
    "done": db.execute("SELECT count(*) FROM jobs WHERE status = 'done'").fetchone()[0],
}))
