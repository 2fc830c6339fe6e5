//! apalis: its own way to queue again the tasks of workers that fell silent.

use std::{error::Error, io, time::Instant};

use apalis_postgres::{PgPool, PostgresStorage, queries::reenqueue_orphaned};
use sqlx::{AssertSqlSafe, Row as _, postgres::PgPoolOptions, raw_sql};

/// The queue's name.
const QUEUE: &str = "developer";

/// After how many seconds without a beat a worker is dead: its default.
const DEAD_FOR: u64 = 300;

type Failed = Box<dyn Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failed> {
    let url = std::env::var("DATABASE_URL")?;
    let pool = PgPoolOptions::new().max_connections(1).connect(&url).await?;
    PostgresStorage::<()>::setup(&pool).await?;
    println!("ready");
    for line in io::stdin().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let word = words.next().unwrap_or_default();
        let numbers = words.map(str::parse).collect::<Result<Vec<u64>, _>>()?;
        match (word, numbers.as_slice()) {
            ("fill", &[running, orphans, finished]) => fill(&pool, running, orphans, finished).await?,
            ("undo", []) => undo(&pool).await?,
            ("pass", &[runs]) => {
                println!("{}", passes(&pool, runs).await?);
                continue;
            }
            _ => return Err(format!("no such word: {line}").into()),
        }
        println!("ok");
    }
    Ok(())
}

async fn fill(pool: &PgPool, running: u64, orphans: u64, finished: u64) -> Result<(), Failed> {
    let every = running.checked_div(orphans).unwrap_or(0);
    let is_orphan = if every == 0 { "false".to_owned() } else { format!("i / 2 % {every} = 0") };
    let fill = format!(
        "INSERT INTO apalis.jobs (job, id, job_type, status, attempts, run_at, lock_at, lock_by, done_at, metadata)
            SELECT '{{}}', lpad(i::text, 26, '0'), '{QUEUE}', CASE WHEN i % 2 = 1 THEN 'Done' ELSE 'Running' END, 1,
                now() - interval '6 hours', now() - interval '10 minutes',
                CASE WHEN i % 2 = 1 THEN NULL WHEN {is_orphan} THEN 'dead' ELSE 'alive' || i / 2 % 100 END,
                CASE WHEN i % 2 = 1 THEN now() END, ''
            FROM generate_series(1, {}) i
            WHERE i % 2 = 0 AND i <= 2 * {running} OR i % 2 = 1 AND i <= 2 * {finished}",
        2 * running.max(finished)
    );
    let workers = format!(
        "INSERT INTO apalis.workers (id, worker_type, storage_name, layers, last_seen)
            SELECT 'dead', '{QUEUE}', 'PgStorage', '', now() - interval '5 hours'
            UNION ALL SELECT 'alive' || i, '{QUEUE}', 'PgStorage', '', now() + interval '1 day'
            FROM generate_series(0, 99) i"
    );
    for statement in [
        "ALTER TABLE apalis.jobs SET (autovacuum_enabled = false)",
        "SET session_replication_role = replica",
        workers.as_str(),
        fill.as_str(),
        "RESET session_replication_role",
        "CREATE UNLOGGED TABLE bench_orphans AS SELECT * FROM apalis.jobs WHERE lock_by = 'dead'",
        "VACUUM (ANALYZE)",
        "CHECKPOINT",
    ] {
        run(pool, statement).await?;
    }
    Ok(())
}

/// Makes everything as it was before the latest pass.
async fn undo(pool: &PgPool) -> Result<(), Failed> {
    for statement in [
        "UPDATE apalis.jobs j SET status = b.status, attempts = b.attempts, lock_at = b.lock_at, lock_by = b.lock_by,
            done_at = b.done_at, last_result = b.last_result
            FROM bench_orphans b WHERE b.id = j.id AND j.status = 'Pending'",
        "VACUUM apalis.jobs",
        "CHECKPOINT",
    ] {
        run(pool, statement).await?;
    }
    Ok(())
}

/// The time of a pass in microseconds, the middle of so many, and how many tasks they queued again.
async fn passes(pool: &PgPool, runs: u64) -> Result<String, Failed> {
    let (mut times, before) = (Vec::new(), running(pool).await?);
    for _ in 0..runs {
        let start = Instant::now();
        let mut transaction = pool.begin().await?;
        reenqueue_orphaned(&mut *transaction, QUEUE, DEAD_FOR).await?;
        transaction.commit().await?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    let median = times.get(times.len() / 2).ok_or("no pass was asked for")?;
    Ok(format!("{median} {}", before - running(pool).await?))
}

async fn running(pool: &PgPool) -> Result<i64, Failed> {
    let counted = raw_sql("SELECT count(*) FROM apalis.jobs WHERE status = 'Running'").fetch_one(pool).await?;
    Ok(counted.try_get(0)?)
}

async fn run(pool: &PgPool, statement: &str) -> Result<(), Failed> {
    raw_sql(AssertSqlSafe(statement)).execute(pool).await?;
    Ok(())
}
