"""A worker, written from reaper-store/docs/workers.md alone. It needs Python's own library, and psql for PostgreSQL.

Usage: worker.py DATABASE AGENT SECONDS COMMAND...

DATABASE is a path, or postgres://.... It takes jobs of the agent one after another for so many seconds and runs the
command for each. It prints one JSON object a job: what it did with it.
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

NOW = {
    "sqlite": "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)",
    "postgres": "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
}
CLOCK = {"sqlite": "datetime('now')", "postgres": "now()"}
BEAT_EVERY = 1.0


class Sqlite:
    kind = "sqlite"

    def __init__(self, path):
        self.db = sqlite3.connect(path, timeout=30, isolation_level=None)
        self.db.execute("PRAGMA busy_timeout = 30000")

    def begin(self):
        self.db.execute("BEGIN IMMEDIATE")

    def run(self, sql, **values):
        """Runs a statement: how many rows it wrote, and the rows that it read."""
        cursor = self.db.execute(sql, values)
        rows = cursor.fetchall()
        return cursor.rowcount, [tuple(None if v is None else str(v) for v in row) for row in rows]

    def commit(self):
        self.db.execute("COMMIT")

    def rollback(self):
        self.db.execute("ROLLBACK")


class Postgres:
    """psql, as a companion that is told one statement after another."""

    kind = "postgres"
    NULL, FIELD, END = "\x01", "\x1f", "--end-of-answer--"

    def __init__(self, url):
        command = ["psql", "-X", "-q", "-A", "-t", "-P", "null=" + self.NULL, "-F", self.FIELD]
        command += ["-v", "ON_ERROR_STOP=1", "-f", "-", url]
        self.psql = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(self):
        self.run("BEGIN")

    def run(self, sql, **values):
        for name in sorted(values, key=len, reverse=True):
            sql = sql.replace(":" + name, self.literal(values[name]))
        self.psql.stdin.write(f"{sql};\n\\echo :ROW_COUNT\n\\echo {self.END}\n")
        self.psql.stdin.flush()
        lines = []
        while True:
            line = self.psql.stdout.readline()
            if not line:
                raise RuntimeError("psql has ended")
            line = line.rstrip("\n")
            if line == self.END:
                break
            lines.append(line)
        count = int(lines.pop())
        return count, [tuple(None if v == self.NULL else v for v in line.split(self.FIELD)) for line in lines]

    @staticmethod
    def literal(value):
        if value is None:
            return "NULL"
        if isinstance(value, int):
            return str(value)
        return "'" + value.replace("'", "''") + "'"

    def commit(self):
        self.run("COMMIT")

    def rollback(self):
        self.run("ROLLBACK")


def connect(database):
    return Postgres(database) if database.startswith("postgres") else Sqlite(database)


def release():
    return tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])


def identity(pid):
    host = os.environ.get("WORKER_HOST")
    if host is None:
        with open("/etc/machine-id") as file:
            host = file.read().strip()
    with open("/proc/sys/kernel/random/boot_id") as file:
        boot = file.read().strip()
    with open(f"/proc/{pid}/stat", "rb") as file:
        start = int(file.read().rpartition(b")")[2].split()[19])
    namespace = os.stat("/proc/self/ns/pid").st_ino
    descriptor = os.pidfd_open(pid)
    inode = os.fstat(descriptor).st_ino
    os.close(descriptor)
    # Before Linux 6.9 all pidfds shared one inode of the kind that has no content of its own.
    known = str(inode) if release() >= (6, 9) else "-"
    return f"{host}/{boot}/{namespace}/{pid}/{start}/{known}"


def take(db, agent, monitor):
    lock = " FOR NO KEY UPDATE SKIP LOCKED" if db.kind == "postgres" else ""
    db.begin()
    _, rows = db.run(
        "SELECT id, task_id, repo FROM jobs WHERE status = 'queued' AND agent = :agent"
        " AND coalesce(reaper_exit_code, 1) <> 0"
        f" AND (reaper_available_at IS NULL OR reaper_available_at <= {NOW[db.kind]}) ORDER BY id LIMIT 1" + lock,
        agent=agent,
    )
    if not rows:
        db.rollback()
        return None
    job, task = int(rows[0][0]), rows[0][1]
    _, rows = db.run(
        f"INSERT INTO agent_runs (task_id, agent, started_at) VALUES (:task, :agent, {CLOCK[db.kind]}) RETURNING id",
        task=task and int(task),
        agent=agent,
    )
    run = int(rows[0][0])
    db.run("UPDATE jobs SET run_id = NULL WHERE id = :job AND run_id = :run", job=job, run=run)
    db.run(
        "UPDATE jobs SET status = 'running', attempts = attempts + 1, run_id = :run, pid = NULL,"
        f" started_at = {CLOCK[db.kind]}, reaper_attach = 'pending', reaper_monitor = :monitor"
        " WHERE id = :job AND status = 'queued'",
        run=run,
        monitor=monitor,
        job=job,
    )
    _, rows = db.run("SELECT reaper_fence, attempts, max_attempts FROM jobs WHERE id = :job", job=job)
    db.commit()
    fence, attempts, most = (int(value) for value in rows[0])
    return {"job": job, "run": run, "fence": fence, "left": attempts < most}


def fenced(db, update, taken, **values):
    """One write under the fence: whether the attempt is still ours."""
    where = " WHERE id = :job AND status = 'running' AND reaper_fence = :fence"
    db.begin()
    count, _ = db.run(update + where, job=taken["job"], fence=taken["fence"], **values)
    db.commit()
    return count == 1


def hold(command, taken):
    environment = dict(os.environ, REAPER_ATTEMPT=f"{taken['job']}:{taken['fence']}", REAPER_JOB_ID=str(taken["job"]))
    held = ["sh", "-c", 'read -r go && exec "$@"', "held"] + command
    return subprocess.Popen(held, stdin=subprocess.PIPE, env=environment, start_new_session=True)


def session(leader):
    """Whether a process of the session lives."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == leader and fields[0] != b"Z":
                return True
    return False


def end(child):
    """Kills the command and what it has left behind, its leader not reaped before: whether nothing is left."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    until = time.monotonic() + 10
    while session(child.pid):
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def wait(db, child, taken):
    """How it ended, the leader not reaped; None where the attempt was taken away."""
    beaten = time.monotonic()
    while True:
        ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is not None:
            return ended.si_status if ended.si_code == os.CLD_EXITED else 128 + ended.si_status
        if time.monotonic() - beaten > BEAT_EVERY:
            beaten = time.monotonic()
            beat = f"UPDATE jobs SET reaper_beat_at = {NOW[db.kind]}, reaper_beat = coalesce(reaper_beat, 0) + 1"
            if not fenced(db, beat, taken):
                return None
        time.sleep(0.01)


def record(db, taken, code):
    db.begin()
    db.run(
        f"UPDATE agent_runs SET exit_code = :code, finished_at = {CLOCK[db.kind]}"
        " WHERE id = :run AND exit_code IS NULL",
        code=code,
        run=taken["run"],
    )
    db.commit()


def finish(db, taken, code):
    now, of = NOW[db.kind], {"job": taken["job"], "fence": taken["fence"], "code": code}
    guard = " WHERE id = :job AND status = :status AND reaper_fence = :fence AND reaper_exit_code = :code"
    reason, before = f"exit {code}", "running"
    db.begin()
    if code == 0:
        action, to = "done", "done"
        done = "UPDATE jobs SET status = 'done'" + guard
        count, _ = db.run(done, **of, status=before)
        if count != 1:
            # A late finish: put back, and not taken since.
            before = "queued"
            count, _ = db.run(done, **of, status=before)
    elif taken["left"]:
        action, to = "requeue", "queued"
        count, _ = db.run(
            f"UPDATE jobs SET status = 'queued', pid = NULL, reaper_available_at = {now} + :wait,"
            " reaper_last_error = :reason" + guard,
            wait=random.randint(50, 150),
            reason=reason,
            status=before,
            **of,
        )
    else:
        action, to = "fail", "failed"
        count, _ = db.run(
            "UPDATE jobs SET status = 'failed', reaper_last_error = :reason" + guard,
            reason=reason,
            status=before,
            **of,
        )
    if count != 1:
        db.rollback()
        return "lost"
    db.run(
        "INSERT INTO reaper_events"
        " (id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence)"
        f" VALUES (:event, {now}, :job, :fence, 'monitor', :action, '', :reason, :before, :to, 'null')",
        event=random.getrandbits(63),
        job=taken["job"],
        fence=taken["fence"],
        action=action,
        reason=reason,
        before=before,
        to=to,
    )
    db.commit()
    return action


def work(db, taken, command):
    child = hold(command, taken)
    attach = "UPDATE jobs SET reaper_executor = :executor, reaper_attach = 'done', pid = :pid"
    if not fenced(db, attach, taken, executor=identity(child.pid), pid=child.pid):
        child.stdin.close()
        child.wait()
        return "not mine"
    child.stdin.write(b"go\n")
    child.stdin.close()
    code = wait(db, child, taken)
    if code is not None:
        record(db, taken, code)
    nothing_left = code == 0 or end(child)
    child.wait()
    if code is None:
        return "taken away"
    return finish(db, taken, code) if nothing_left else "left to the reaper"


def main():
    database, agent, seconds, command = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4:]
    db, monitor = connect(database), identity(os.getpid())
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        taken = take(db, agent, monitor)
        if taken is None:
            time.sleep(0.05)
            continue
        print(json.dumps(dict(taken, end=work(db, taken, command))), flush=True)


main()
