//! Adopting a database of another program's, and letting it go again.

use std::time::Duration;

use reaper_core::{Status, job::Attach};
use reaper_store::{
    Attempts as _, Claims as _, Facts as _, Outcome, Schema as _, Settlement, StoreError,
    attempts::{Enqueued, Launcher, NewJob, NewTask, Recorded, Wants},
    postgres::Options,
};

use crate::database::{Database, Program, SEED};

pub(crate) const ROWS: &str = "
    INSERT INTO tasks (id, plane_id, work_item_id, repo, branch, stage) VALUES (1, 'P-1', 'W-1', 'shop', 'b', 'review');
    INSERT INTO agent_runs (id, task_id, exit_code, finished_at) VALUES
        (1, 1, NULL, NULL), (2, 1, 0, now() - interval '600 seconds'), (3, 1, 1, NULL), (4, 1, 2, 'soon');
    INSERT INTO jobs (id, agent, repo, task_id, status, attempts, run_id, pid, started_at) VALUES
        (1, 'developer', 'shop', 1, 'running', 1, 1, 4321, now() - interval '100 seconds'),
        (2, 'developer', 'shop', 1, 'running', 1, 2, NULL, to_char(now() AT TIME ZONE 'UTC' - interval '700 seconds', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')),
        (3, 'developer', 'shop', NULL, 'running', 2, 3, NULL, NULL),
        (4, 'developer', 'shop', NULL, 'running', 2, 4, NULL, 'this morning'),
        (5, 'developer', 'shop', NULL, 'queued', 1, 2, 17, '2026-05-04 10:00:00'),
        (6, 'developer', 'shop', NULL, 'done', 1, 2, 18, '2026-05-04 10:00:00');
    SELECT setval('tasks_id_seq', 1), setval('agent_runs_id_seq', 4), setval('jobs_id_seq', 6);";

/// The statements of the program that had the database first.
const PROGRAM: [&str; 10] = [
    "INSERT INTO tasks (plane_id, work_item_id, repo, branch, stage) VALUES ('P', 'W', 'shop', 'x', 'analysis')",
    "INSERT INTO jobs (agent, repo, task_id) SELECT 'developer', 'shop', max(id) FROM tasks",
    "INSERT INTO agent_runs (task_id, agent) VALUES (1, 'developer')",
    "UPDATE jobs SET status = 'running', attempts = attempts + 1, started_at = now()
        WHERE id = (SELECT min(id) FROM jobs WHERE status = 'queued') AND status = 'queued'",
    "UPDATE jobs SET run_id = (SELECT max(id) FROM agent_runs), pid = 99 WHERE status = 'running' AND pid IS NULL",
    "UPDATE agent_runs SET exit_code = 0, finished_at = now() WHERE exit_code IS NULL",
    "UPDATE tasks SET stage = 'development' WHERE stage = 'analysis'",
    "UPDATE jobs SET status = 'done', finished_at = now() WHERE status = 'running' AND run_id = 2",
    "UPDATE jobs SET status = 'queued' WHERE status = 'running'",
    "DELETE FROM jobs WHERE status = 'done'",
];

const OWNERS: &str = "c.relname IN ('tasks', 'jobs', 'agent_runs')";
const NOT_OURS: &str = "a.attname NOT LIKE 'reaper%'";

/// The owner's part of the schema: columns, indexes, triggers, functions.
pub(crate) fn owners_schema(program: &Program) -> Vec<Option<String>> {
    program.texts(
        "SELECT x FROM (
            SELECT 'column ' || c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) AS x
                FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
            UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
            UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
            UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
         ) AS s WHERE x NOT LIKE '%reaper%' ORDER BY x",
    )
}

/// Whatever bears Reaper's name.
pub(crate) fn ours(program: &Program) -> Option<i64> {
    program.number(
        "SELECT (SELECT count(*) FROM pg_class WHERE relname LIKE '%reaper%')
            + (SELECT count(*) FROM pg_proc WHERE proname LIKE '%reaper%')
            + (SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%reaper%')
            + (SELECT count(*) FROM pg_attribute WHERE attname LIKE 'reaper%' AND NOT attisdropped) AS x",
    )
}

#[test]
fn a_database_of_the_seeds_columns_is_adopted_in_place() {
    let database = Database::seeded(ROWS);
    let before = database.program.dump_of(OWNERS, NOT_OURS);
    assert_eq!(database.store.migrate().unwrap().len(), 1);
    assert_eq!(database.program.dump_of(OWNERS, NOT_OURS), before, "no value of the owner's is changed");

    let about = |at: chrono::DateTime<chrono::Utc>, secs: i64| {
        let age = database.store.now().unwrap().signed_duration_since(at).num_seconds();
        assert!((secs - 1..secs + 60).contains(&age), "{age} s, not {secs}");
    };
    let first = database.job(1);
    assert_eq!((first.status, first.pid, first.exit, first.attempts), (Status::Running, Some(4321), None, 1));
    about(first.started_at.unwrap(), 100);
    let second = database.job(2);
    about(second.started_at.unwrap(), 700);
    assert_eq!(second.exit.unwrap().code, 0);
    about(second.exit.unwrap().at, 600);
    for (id, code) in [(3, 1), (4, 2)] {
        let job = database.job(id);
        about(job.started_at.unwrap(), 0);
        assert_eq!(job.exit.unwrap().code, code);
        about(job.exit.unwrap().at, 0);
    }
    assert_eq!(database.program.number("SELECT count(DISTINCT reaper_fence) AS x FROM jobs"), Some(4));
    let queued = database.job(5);
    assert_eq!((queued.status, queued.attempt.fence.as_int(), queued.exit), (Status::Queued, Some(0), None));
    assert_eq!(first.task.unwrap().place.unwrap().version.as_int(), Some(0), "it has not moved since");
}

/// Only running jobs are written: a trigger of the owner's hears of no task, and of no job that waits or is over.
#[test]
fn nothing_else_of_the_owners_is_written() {
    let database = Database::seeded(&format!(
        "{ROWS} CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'the owner says no'; END $$;
         CREATE TRIGGER no_task BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION no();
         CREATE TRIGGER no_job BEFORE UPDATE ON jobs FOR EACH ROW WHEN (OLD.status <> 'running')
            EXECUTE FUNCTION no()"
    ));
    database.store.migrate().unwrap();
    database.program.run("DROP TRIGGER reaper_jobs_change ON jobs");
    database.store.migrate().unwrap();
}

#[test]
fn the_owners_statements_go_on_working() {
    let database = Database::adopted(ROWS);
    let alone = Database::seeded(ROWS);
    for sql in PROGRAM {
        for program in [&database.program, &alone.program] {
            program.run(sql);
        }
    }
    // Times differ by when each ran.
    let columns = "a.attname NOT LIKE 'reaper%' AND a.attname NOT LIKE '%_at'";
    assert_eq!(database.program.dump_of(OWNERS, columns), alone.program.dump_of(OWNERS, columns));
}

#[test]
fn uninstalling_leaves_what_was_there() {
    let database = Database::seeded(ROWS);
    database.program.run("CREATE VIEW waiting AS SELECT id FROM jobs WHERE status = 'queued'");
    database.program.run(
        "CREATE TABLE audit (job INTEGER, status TEXT);
         CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO audit VALUES (NEW.id, NEW.status); RETURN NULL; END $$;
         CREATE TRIGGER audit_jobs AFTER UPDATE OF status ON jobs FOR EACH ROW EXECUTE FUNCTION audit()",
    );
    let (schema, rows) = (owners_schema(&database.program), database.program.dump_all());
    for _ in 0..2 {
        assert_eq!(database.store.migrate().unwrap().len(), 1);
        assert_eq!(owners_schema(&database.program).len(), schema.len());
        let reverted = database.store.uninstall().unwrap();
        assert!(reverted[0].sql.contains("DROP TRIGGER"));
        assert_eq!(owners_schema(&database.program), schema);
        assert_eq!(database.program.dump_all(), rows);
        assert_eq!(ours(&database.program), Some(0));
        assert!(matches!(database.store.now(), Err(StoreError::NotMigrated { .. })));
    }
    assert_eq!(database.store.uninstall().unwrap(), [], "there is nothing left to take away");
    assert_eq!(owners_schema(&database.program), schema);
}

#[test]
fn rows_that_were_written_meanwhile_stay() {
    let database = Database::adopted(ROWS);
    let monitor = Launcher::free("here/b/1/2/3/4".parse().unwrap());
    let taken = database.store.take(&Wants::Job(5.into()), &monitor).unwrap().unwrap();
    assert_eq!(database.store.record_exit(&taken.run, 0).unwrap(), Recorded::New);
    let before = database.program.dump_of(OWNERS, NOT_OURS);
    database.store.uninstall().unwrap();
    assert_eq!(database.program.dump_of(OWNERS, NOT_OURS), before);
    // And can be adopted anew.
    database.store.migrate().unwrap();
    let job = database.job(5);
    assert_eq!((job.status, job.attach, job.exit.unwrap().code), (Status::Running, Attach::NotSaid, 0));
}

/// What adopts, and what is refused and why. Each is a change of the seed's tables.
#[test]
fn f23_tables_that_cannot_be_adopted_are_named_with_the_remedy() {
    let refused = |change: &str| {
        let database = Database::seeded(change);
        let before = owners_schema(&database.program);
        for problem in [database.store.pending().err(), database.store.migrate().err()] {
            assert!(matches!(&problem, Some(StoreError::ForeignTable { .. })), "{change}: {problem:?}");
        }
        assert_eq!(owners_schema(&database.program), before);
        assert_eq!(ours(&database.program), Some(0));
        (database.store.migrate().unwrap_err().to_string(), database)
    };
    let (problem, database) = refused("ALTER TABLE jobs DROP pid, DROP started_at");
    assert!(problem.contains("table jobs: lacks pid, started_at"), "{problem}");
    // What the remedy says makes it fit.
    database.program.run(problem.split_once("run: ").unwrap().1);
    database.store.migrate().unwrap();
    for (change, says) in [
        (
            "ALTER TABLE jobs ALTER id DROP DEFAULT; ALTER TABLE jobs ALTER id TYPE uuid USING gen_random_uuid()",
            "table jobs: its id is uuid; it has to be integer or bigint",
        ),
        ("ALTER TABLE jobs ALTER id TYPE text", "table jobs: its id is text"),
        ("ALTER TABLE agent_runs ALTER finished_at TYPE date USING NULL", "its finished_at is date"),
        ("ALTER TABLE jobs ALTER max_attempts DROP DEFAULT, ALTER max_attempts TYPE text", "its max_attempts is text"),
        ("ALTER TABLE jobs DROP CONSTRAINT jobs_pkey", "table jobs: its primary key is not `id`"),
        ("ALTER TABLE jobs SET UNLOGGED", "ALTER TABLE jobs SET LOGGED"),
        ("ALTER TABLE jobs RENAME TO work; CREATE VIEW jobs AS SELECT * FROM work", "table jobs: is a view"),
        (
            "CREATE SCHEMA other; ALTER TABLE agent_runs SET SCHEMA other;
             DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, other', current_database()); END $$",
            "table agent_runs: is in the schema other",
        ),
    ] {
        if change.contains("SCHEMA") {
            // A connection of its own sees the new search_path.
            let database = Database::seeded(change);
            let problem = database.open(Options::default()).migrate().unwrap_err().to_string();
            assert!(problem.contains(says), "{problem}");
        } else {
            let (problem, _) = refused(change);
            assert!(problem.contains(says), "{change}: {problem}");
        }
    }
}

/// Columns of other types than the seed's.
#[test]
fn tables_of_other_types_are_adopted() {
    for change in [
        "ALTER TABLE jobs ALTER id TYPE bigint, ALTER run_id TYPE bigint, ALTER attempts TYPE smallint,
            ALTER started_at TYPE timestamptz USING NULL; ALTER TABLE agent_runs ALTER id TYPE bigint",
        "ALTER TABLE jobs ALTER started_at TYPE timestamp USING NULL;
         ALTER TABLE agent_runs ALTER finished_at TYPE timestamp USING NULL, ALTER exit_code TYPE smallint",
        "CREATE TYPE state AS ENUM ('queued', 'running', 'done', 'failed'); ALTER TABLE jobs ALTER status DROP DEFAULT;
         ALTER TABLE jobs ALTER status TYPE state USING status::state; ALTER TABLE jobs ALTER agent TYPE char(20);
         CREATE DOMAIN pid AS integer CHECK (value > 0); ALTER TABLE jobs ALTER pid TYPE pid",
    ] {
        let database = Database::seeded(change);
        database.store.migrate().unwrap();
        database.program.run(
            "INSERT INTO jobs (agent, repo, status, pid) VALUES ('developer', 'shop', 'running', 7),
                ('developer', 'shop', 'queued', NULL)",
        );
        let read = database.job(1);
        assert_eq!((read.agent.as_str(), read.pid), ("developer", Some(7)));
        let claim = crate::both::claims::claim(&read, Settlement::Requeue { wait: Duration::ZERO, rescue_cap: Some(5) });
        assert_eq!(database.store.settle(&[claim]).unwrap(), [Outcome::Won], "{change}");
        let monitor = Launcher::free("here/b/1/2/3/4".parse().unwrap());
        let taken = database.store.take(&Wants::Agent("developer".into()), &monitor).unwrap().unwrap();
        assert_eq!(taken.job.attempt.job, 1.into());
        assert_eq!(database.store.record_exit(&taken.run, 3).unwrap(), Recorded::New);
        assert_eq!(database.job(1).exit.unwrap().code, 3, "{change}");
        let done = crate::both::claims::claim(&database.job(1), Settlement::Done);
        assert_eq!(database.store.settle(&[done]).unwrap(), [Outcome::Won]);
    }
}

/// Every text of the contract may be an enumeration: what Reaper writes is one of its words.
#[test]
fn enumerations_are_written_too() {
    let database = Database::seeded(
        "CREATE TYPE word AS ENUM ('queued', 'running', 'done', 'failed', 'developer', 'shop', 'main', 'review', 'W-1');
         ALTER TABLE jobs ALTER status DROP DEFAULT; ALTER TABLE tasks ALTER stage DROP DEFAULT;
         ALTER TABLE jobs ALTER status TYPE word USING status::word, ALTER agent TYPE word USING agent::word,
            ALTER repo TYPE word USING repo::word;
         ALTER TABLE tasks ALTER repo TYPE word USING repo::word, ALTER branch TYPE word USING branch::word,
            ALTER stage TYPE word USING stage::word;
         ALTER TABLE agent_runs ALTER agent TYPE word USING agent::word",
    );
    database.store.migrate().unwrap();
    let task = NewTask {
        repo: "shop".into(),
        work_item: Some("W-1".into()),
        branch: Some("main".into()),
        stage: "review".into(),
    };
    let task = database.store.add_task(&task).unwrap();
    let bare = NewTask { repo: "shop".into(), work_item: None, branch: None, stage: "review".into() };
    let _bare = database.store.add_task(&bare).unwrap();
    let job = NewJob {
        agent: "developer".into(),
        repo: "shop".into(),
        task: Some(task.clone()),
        max_attempts: 2,
        source_key: Some("k".into()),
        payload: None,
    };
    let enqueued = database.store.enqueue(&job).unwrap();
    assert!(matches!(database.store.enqueue(&job).unwrap(), Enqueued::Known(_)), "{enqueued:?}");
    let monitor = Launcher::free("here/b/1/2/3/4".parse().unwrap());
    for wants in [Wants::Agent("developer".into()), Wants::Any] {
        let taken = database.store.take(&wants, &monitor).unwrap().unwrap();
        let of_task = taken.job.task.as_ref().unwrap();
        assert_eq!((&of_task.id, of_task.branch.as_deref()), (&task, Some("main")));
        assert_eq!(of_task.place.as_ref().unwrap().stage, "review");
        let run = "SELECT agent AS x FROM agent_runs ORDER BY id DESC LIMIT 1";
        assert_eq!(database.program.text(run).as_deref(), Some("developer"));
        let requeue = Settlement::Requeue { wait: Duration::ZERO, rescue_cap: None };
        assert_eq!(
            database.store.settle(&[crate::both::claims::claim(&taken.job, requeue)]).unwrap(),
            [Outcome::Won]
        );
    }
    // A word that the owner's type does not have is an error, and stores nothing.
    let problem = database.store.enqueue(&NewJob { agent: "nobody".into(), source_key: None, ..job }).unwrap_err();
    assert!(problem.to_string().contains("nobody"), "{problem}");
}

/// The tables may be in a schema that is not `public`: what is added goes where they are.
#[test]
fn tables_of_another_schema_are_adopted() {
    let database = Database::with(&format!("CREATE SCHEMA \"my queue\"; SET search_path = \"my queue\"; {SEED}"));
    let mut url = database.url().to_owned();
    url.push_str(if url.contains('?') { "&" } else { "?" });
    url.push_str("options=-csearch_path%3Dpublic%2C%22my%5C%20queue%22");
    let store = reaper_store::postgres::PostgresStore::open(&url, Options::default()).unwrap();
    store.migrate().unwrap();
    let schemas = "SELECT string_agg(DISTINCT n.nspname, ',') AS x FROM pg_class c JOIN pg_namespace n
        ON n.oid = c.relnamespace WHERE c.relname LIKE 'reaper%'";
    assert_eq!(database.program.text(schemas).as_deref(), Some("my queue"));
    // Whatever search_path the owner's session has.
    database.program.run(
        "SET search_path = pg_catalog; INSERT INTO \"my queue\".jobs (agent, repo, status) VALUES ('a', 'r', 'running');
         CREATE TEMP TABLE agent_runs (id integer, exit_code integer, finished_at text); INSERT INTO agent_runs VALUES (7, 0);
         UPDATE \"my queue\".jobs SET run_id = 7",
    );
    let job = store.job(&1.into()).unwrap().unwrap().unwrap();
    assert_eq!((job.status, job.exit), (Status::Running, None), "the temporary table is not looked at");
    store.uninstall().unwrap();
    assert_eq!(ours(&database.program), Some(0));
}

/// Diesel's own bookkeeping is the owner's, who may use diesel too.
#[test]
fn the_owners_own_migrations_are_let_be() {
    let database = Database::seeded(
        "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP);
         INSERT INTO __diesel_schema_migrations (version) VALUES ('0001'), ('20260101')",
    );
    let of_owners = || database.program.dump_of("c.relname LIKE '%diesel%'", "true");
    let before = of_owners();
    assert_eq!(database.store.migrate().unwrap().len(), 1);
    database.store.uninstall().unwrap();
    assert_eq!(of_owners(), before);
}
