"""procrastinate: its own list of the jobs of workers that fell silent, each of them retried as its manual says."""

import asyncio
import os
import sys
import time

import psycopg
from procrastinate import PsycopgConnector
from procrastinate.manager import JobManager
from procrastinate.schema import SchemaManager

URL = os.environ["DATABASE_URL"]


class Peer:
    """The words of `tests/docs/bench.md`: each is a method."""

    def __init__(self, manager, connection):
        self.manager = manager
        # The server's own, for all that is not measured.
        self.connection = connection

    async def run(self, *statements):
        for statement in statements:
            await self.connection.execute(statement)

    async def fill(self, running, orphans, finished):
        orphan = "false" if orphans == 0 else f"i / 2 % {running // orphans} = 0"
        await self.run(
            "ALTER TABLE procrastinate_jobs SET (autovacuum_enabled = false)",
            "ALTER TABLE procrastinate_events SET (autovacuum_enabled = false)",
            "INSERT INTO procrastinate_workers (last_heartbeat) SELECT now() - interval '5 hours'"
            " UNION ALL SELECT now() + interval '1 day' FROM generate_series(1, 100)",
            # Triggers write an event for each row that changes, which millions of rows need not wait for.
            "SET session_replication_role = replica",
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, worker_id)"
            " SELECT 'default', 'developer', '{\"repo\":\"shop\"}',"
            " (CASE WHEN i % 2 = 1 THEN 'succeeded' ELSE 'doing' END)::procrastinate_job_status,"
            f" CASE WHEN i % 2 = 1 THEN NULL WHEN {orphan} THEN 1 ELSE 2 + i / 2 % 100 END"
            f" FROM generate_series(1, {2 * max(running, finished)}) i"
            f" WHERE i % 2 = 0 AND i <= {2 * running} OR i % 2 = 1 AND i <= {2 * finished}",
            "CREATE UNLOGGED TABLE bench_orphans AS SELECT * FROM procrastinate_jobs WHERE worker_id = 1",
            "VACUUM (ANALYZE)",
            "CHECKPOINT",
        )

    async def undo(self):
        await self.run(
            "UPDATE procrastinate_jobs j SET status = b.status, attempts = b.attempts, worker_id = b.worker_id,"
            " scheduled_at = b.scheduled_at FROM bench_orphans b WHERE b.id = j.id AND j.status <> 'doing'",
            "TRUNCATE procrastinate_events",
            "VACUUM procrastinate_jobs",
            "CHECKPOINT",
        )

    async def running(self):
        counted = await self.connection.execute("SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'")
        return (await counted.fetchone())[0]

    async def rescue(self):
        for job in await self.manager.get_stalled_jobs():
            await self.manager.retry_job(job)

    async def passes(self, runs):
        before, times = await self.running(), []
        for _ in range(runs):
            start = time.perf_counter()
            await self.rescue()
            times.append((time.perf_counter() - start) * 1e6)
        return f"{sorted(times)[runs // 2]} {before - await self.running()}"


async def main():
    connector = PsycopgConnector(conninfo=URL)
    await connector.open_async()
    await SchemaManager(connector).apply_schema_async()
    async with await psycopg.AsyncConnection.connect(URL, autocommit=True) as connection:
        peer = Peer(JobManager(connector), connection)
        words = {"fill": peer.fill, "undo": peer.undo, "pass": peer.passes}
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            word, *numbers = line.split()
            print(await words[word](*map(int, numbers)) or "ok", flush=True)
    await connector.close_async()


asyncio.run(main())
