// pg-boss: its own supervision of a queue, which fails and retries the jobs that ran out of time.
// Its count of the queue's jobs is put off, as it is itself after a slow one: it is for the dashboard and reads every row.
import { PgBoss } from "pg-boss";
import { connect, each, serve } from "./serve.mjs";

const boss = new PgBoss({ connectionString: process.env.DATABASE_URL, supervise: false, schedule: false });
boss.on("error", (error) => {
  throw error;
});
await boss.start();
await boss.createQueue("developer", { retryLimit: 5 });
const client = await connect();
const { rows } = await client.query("SELECT table_name FROM pgboss.queue WHERE name = 'developer'");
const table = `pgboss.${rows[0].table_name}`;

await serve({
  async fill(running, orphans, finished) {
    const orphan = orphans === 0 ? "false" : `i / 2 % ${Math.floor(running / orphans)} = 0`;
    const done = "i % 2 = 1";
    await each(client, [
      `ALTER TABLE ${table} SET (autovacuum_enabled = false)`,
      "SET session_replication_role = replica",
      `INSERT INTO ${table} (name, data, state, policy, retry_limit, expire_seconds, deletion_seconds, keep_until,
           start_after, created_on, started_on, completed_on)
         SELECT q.name, '{"repo":"shop"}', (CASE WHEN ${done} THEN 'completed' ELSE 'active' END)::pgboss.job_state,
           q.policy, 5, 3600, q.deletion_seconds, now() + interval '14 days', now() - interval '6 hours',
           now() - interval '6 hours',
           now() - CASE WHEN ${orphan} THEN interval '5 hours' ELSE interval '10 minutes' END,
           CASE WHEN ${done} THEN now() END
         FROM generate_series(1, ${2 * Math.max(running, finished)}) i, pgboss.queue q
         WHERE q.name = 'developer' AND (i % 2 = 0 AND i <= ${2 * running} OR ${done} AND i <= ${2 * finished})`,
      "RESET session_replication_role",
      `CREATE UNLOGGED TABLE bench_orphans AS SELECT * FROM ${table}
         WHERE state = 'active' AND started_on < now() - interval '1 hour'`,
      "UPDATE pgboss.version SET monitor_backoff_on = now() + interval '1 day'",
      "UPDATE pgboss.queue SET maintain_on = now()",
      "VACUUM (ANALYZE)",
      "CHECKPOINT",
    ]);
  },
  async undo() {
    await each(client, [
      // It deletes the rows and writes them anew.
      "SET session_replication_role = replica",
      `DELETE FROM ${table} j USING bench_orphans b WHERE b.id = j.id`,
      `INSERT INTO ${table} SELECT * FROM bench_orphans`,
      "RESET session_replication_role",
      `VACUUM ${table}`,
      "CHECKPOINT",
    ]);
  },
  async running() {
    const { rows } = await client.query(`SELECT count(*)::int AS n FROM ${table} WHERE state = 'active'`);
    return rows[0].n;
  },
  before: () => client.query("UPDATE pgboss.queue SET monitor_claim_on = NULL, monitor_on = NULL"),
  pass: () => boss.supervise("developer"),
  async end() {
    await client.end();
    await boss.stop({ graceful: false });
  },
});
