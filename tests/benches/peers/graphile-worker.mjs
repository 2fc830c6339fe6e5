// graphile-worker: its own release of the jobs that were locked too long ago.
// A job of its that is done is deleted: there are no finished rows to look past.
import { getUtilsAndReleasersFromOptions } from "./node_modules/graphile-worker/dist/lib.js";
import { resetLockedAt } from "./node_modules/graphile-worker/dist/sql/resetLockedAt.js";
import { connect, each, serve } from "./serve.mjs";

const [options, release] = await getUtilsAndReleasersFromOptions({
  connectionString: process.env.DATABASE_URL,
});
const client = await connect();
const table = "graphile_worker._private_jobs";

await serve({
  async fill(running, orphans) {
    const orphan = orphans === 0 ? "false" : `i % ${Math.floor(running / orphans)} = 0`;
    await each(client, [
      `ALTER TABLE ${table} SET (autovacuum_enabled = false)`,
      "INSERT INTO graphile_worker._private_tasks (identifier) VALUES ('developer')",
      `INSERT INTO ${table} (task_id, payload, attempts, run_at, locked_at, locked_by)
         SELECT (SELECT id FROM graphile_worker._private_tasks), '{"repo":"shop"}', 1, now() - interval '6 hours',
           now() - CASE WHEN ${orphan} THEN interval '5 hours' ELSE interval '10 minutes' END, 'worker-' || i % 100
         FROM generate_series(1, ${running}) i`,
      `CREATE UNLOGGED TABLE bench_orphans AS SELECT * FROM ${table} WHERE locked_at < now() - interval '4 hours'`,
      "VACUUM (ANALYZE)",
      "CHECKPOINT",
    ]);
  },
  async undo() {
    await each(client, [
      `UPDATE ${table} j SET locked_at = b.locked_at, locked_by = b.locked_by, run_at = b.run_at
         FROM bench_orphans b WHERE b.id = j.id AND j.locked_at IS NULL`,
      `VACUUM ${table}`,
      "CHECKPOINT",
    ]);
  },
  async running() {
    const { rows } = await client.query(`SELECT count(*)::int AS n FROM ${table} WHERE locked_at IS NOT NULL`);
    return rows[0].n;
  },
  before: async () => {},
  pass: () => resetLockedAt(options, options.withPgClient),
  async end() {
    await client.end();
    await release();
  },
});
