//! Adopting a PostgreSQL database of another program's: its types, its schemas, and what is wrong with its tables.

use std::time::Duration;

use reaper_core::Status;
use reaper_store::{
    Attempts as _, Claims as _, Facts as _, Outcome, Schema as _, Settlement, StoreError,
    attempts::{Enqueued, Launcher, NewJob, NewTask, Recorded, Wants},
    postgres::Options,
};

use crate::{
    both::{adopt, claims::claim},
    database::{Database, SEED},
};

#[test]
fn a_database_of_the_seeds_columns_is_adopted_in_place() {
    adopt::a_database_of_the_seeds_columns_is_adopted_in_place();
}

#[test]
fn uninstalling_leaves_what_was_there() {
    adopt::uninstalling_leaves_what_was_there(
        "CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO audit VALUES (NEW.id, NEW.status); RETURN NULL; END $$;
         CREATE TRIGGER audit_jobs AFTER UPDATE OF status ON jobs FOR EACH ROW EXECUTE FUNCTION audit()",
    );
}

/// What adopts, and what is refused and why. Each is a change of the seed's tables.
#[test]
fn f23_tables_that_cannot_be_adopted_are_named_with_the_remedy() {
    let refused = |change: &str| {
        let database = Database::seeded(change);
        let before = database.program.owners_schema();
        for problem in [database.store.pending().err(), database.store.migrate().err()] {
            assert!(matches!(&problem, Some(StoreError::ForeignTable { .. })), "{change}: {problem:?}");
        }
        assert_eq!(database.program.owners_schema(), before);
        assert_eq!(database.program.ours(), Some(0));
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
        let requeue = claim(&read, Settlement::Requeue { wait: Duration::ZERO, rescue_cap: Some(5) });
        assert_eq!(database.store.settle(&[requeue]).unwrap(), [Outcome::Won], "{change}");
        let monitor = Launcher::free("here/b/1/2/3/4".parse().unwrap());
        let taken = database.store.take(&Wants::Agent("developer".into()), &monitor).unwrap().unwrap();
        assert_eq!(taken.job.attempt.job, 1.into());
        assert_eq!(database.store.record_exit(&taken.run, 3).unwrap(), Recorded::New);
        assert_eq!(database.job(1).exit.unwrap().code, 3, "{change}");
        let done = claim(&database.job(1), Settlement::Done);
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
        assert_eq!(database.store.settle(&[claim(&taken.job, requeue)]).unwrap(), [Outcome::Won]);
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
    assert_eq!(database.program.ours(), Some(0));
}
