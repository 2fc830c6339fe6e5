//! Each test has a database file of its own, with the tables as Reaper prepares them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _,
    connection::{InstrumentationEvent, SimpleConnection as _},
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};
use tempfile::TempDir;

use super::*;

const SCHEMA: &str = "
    CREATE TABLE tasks (
        id INTEGER PRIMARY KEY, plane_id TEXT, work_item_id TEXT, repo TEXT NOT NULL, branch TEXT, stage TEXT,
        reaper_stage_version BIGINT
    );
    CREATE TRIGGER reaper_tasks_insert AFTER INSERT ON tasks BEGIN
        UPDATE tasks SET reaper_stage_version = random() & 9223372036854775807 WHERE id = NEW.id;
    END;
    CREATE TRIGGER reaper_tasks_update AFTER UPDATE OF stage ON tasks WHEN OLD.stage IS NOT NEW.stage BEGIN
        UPDATE tasks SET reaper_stage_version = random() & 9223372036854775807 WHERE id = NEW.id;
    END;
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY, agent TEXT NOT NULL, repo TEXT NOT NULL, task_id INTEGER, status TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0, max_attempts INTEGER NOT NULL DEFAULT 2, run_id INTEGER, pid INTEGER,
        started_at TEXT, reaper_source_key TEXT
    );
    CREATE UNIQUE INDEX reaper_jobs_source_key ON jobs(reaper_source_key) WHERE reaper_source_key IS NOT NULL;
    CREATE TABLE reaper_advances (
        source_key TEXT PRIMARY KEY NOT NULL, task_id, at INTEGER NOT NULL DEFAULT (unixepoch())
    );
    INSERT INTO tasks (id, work_item_id, repo, branch, stage)
        VALUES (3, 'ORCH-1', 'orchestrator', 'feature/x', 'architecture');
";

struct Database {
    _dir: TempDir,
    path: PathBuf,
}

#[derive(QueryableByName)]
struct TaskRow {
    #[diesel(sql_type = Nullable<Text>)]
    stage: Option<String>,
    #[diesel(sql_type = BigInt)]
    reaper_stage_version: i64,
}

#[derive(Debug, PartialEq, Eq, QueryableByName)]
struct JobRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    agent: String,
    #[diesel(sql_type = Text)]
    repo: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    task_id: Option<i64>,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Nullable<Text>)]
    reaper_source_key: Option<String>,
}

impl Database {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jobs.db");
        let database = Self { _dir: dir, path };
        database.run(SCHEMA);
        database
    }

    fn run(&self, sql: &str) {
        open(&self.path, 5000).unwrap().batch_execute(sql).unwrap();
    }

    fn advance(&self) -> SqliteAdvance {
        let path = self.path.clone();
        SqliteAdvance::new(Box::new(move || open(&path, 5000)))
    }

    fn task(&self) -> TaskRow {
        let mut connection = open(&self.path, 5000).unwrap();
        sql_query("SELECT stage, reaper_stage_version FROM tasks WHERE id = 3")
            .get_result(&mut connection)
            .unwrap()
    }

    fn stage(&self) -> String {
        self.task().stage.unwrap()
    }

    fn jobs(&self) -> Vec<JobRow> {
        let mut connection = open(&self.path, 5000).unwrap();
        sql_query("SELECT * FROM jobs ORDER BY id").load(&mut connection).unwrap()
    }

    /// The order to move the task on from where it stands now.
    fn order(&self) -> AdvanceOrder {
        self.order_of(self.task().reaper_stage_version)
    }

    fn order_of(&self, version: i64) -> AdvanceOrder {
        AdvanceOrder {
            task: 3.into(),
            repo: "orchestrator".into(),
            from: "architecture".into(),
            version: version.into(),
            to: "development".into(),
            next_agent: Some("developer".into()),
        }
    }
}

fn open(path: &Path, busy_ms: u32) -> Result<SqliteConnection, String> {
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).map_err(|e| e.to_string())?;
    connection.batch_execute(&format!("PRAGMA busy_timeout = {busy_ms}")).map_err(|e| e.to_string())?;
    Ok(connection)
}

fn superseded(stage: &str) -> Advanced {
    Advanced::Superseded { stage: Some(stage.to_owned()) }
}

#[test]
fn a_task_is_moved_and_its_next_job_enqueued() {
    let database = Database::new();
    let order = database.order();
    let advanced = database.advance().advance(&order).unwrap();
    assert_eq!(advanced, Advanced::Advanced { next: Some(1.into()) });
    let task = database.task();
    assert_eq!(task.stage.as_deref(), Some("development"));
    assert_ne!(task.reaper_stage_version, order.version.as_int().unwrap(), "the trigger drew another version");
    let expected = JobRow {
        id: 1,
        agent: "developer".into(),
        repo: "orchestrator".into(),
        task_id: Some(3),
        status: "queued".into(),
        reaper_source_key: Some(order.source_key()),
    };
    assert_eq!(database.jobs(), [expected]);
}

/// A task that was there before Reaper has no version until it moves, which is read as 0.
#[test]
fn a_task_from_before_is_moved_once() {
    let database = Database::new();
    database.run("UPDATE tasks SET reaper_stage_version = NULL");
    let order = database.order_of(0);
    assert_eq!(database.advance().advance(&order).unwrap(), Advanced::Advanced { next: Some(1.into()) });
    database.run("UPDATE tasks SET stage = 'architecture'; DELETE FROM reaper_advances; DELETE FROM jobs");
    assert_eq!(database.advance().advance(&order).unwrap(), superseded("architecture"), "it was sent back");
}

#[test]
fn a_second_delivery_does_nothing() {
    let database = Database::new();
    let order = database.order();
    let advance = database.advance();
    assert_eq!(advance.advance(&order).unwrap(), Advanced::Advanced { next: Some(1.into()) });
    assert_eq!(advance.advance(&order).unwrap(), Advanced::AlreadyDone);
    // Another reaper, and after the task has moved on from there and the job is done and removed.
    database.run("UPDATE tasks SET stage = 'review'; DELETE FROM jobs;");
    assert_eq!(database.advance().advance(&order).unwrap(), Advanced::AlreadyDone);
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("review", 0));
}

#[test]
fn a_stage_without_a_next_job_is_entered_once_too() {
    let database = Database::new();
    let order = AdvanceOrder { next_agent: None, ..database.order() };
    let advance = database.advance();
    assert_eq!(advance.advance(&order).unwrap(), Advanced::Advanced { next: None });
    assert_eq!(advance.advance(&order).unwrap(), Advanced::AlreadyDone);
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("development", 0));
}

#[test]
fn a_task_that_went_elsewhere_stays_there() {
    let database = Database::new();
    let order = database.order();
    database.run("UPDATE tasks SET stage = 'cancelled'");
    let advance = database.advance();
    assert_eq!(advance.advance(&order).unwrap(), superseded("cancelled"));
    assert_eq!(advance.advance(&order).unwrap(), superseded("cancelled"), "and is said so each time");
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("cancelled", 0));
}

#[test]
fn a_task_that_came_back_to_the_stage_is_on_another_visit() {
    let database = Database::new();
    let order = database.order();
    database.run("UPDATE tasks SET stage = 'development'; UPDATE tasks SET stage = 'architecture';");
    let advance = database.advance();
    assert_eq!(advance.advance(&order).unwrap(), superseded("architecture"));
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("architecture", 0));

    let next = advance.advance(&database.order()).unwrap();
    assert_eq!(next, Advanced::Advanced { next: Some(1.into()) }, "the new visit has an order of its own");
}

#[test]
fn a_task_that_is_gone_or_whose_id_is_used_again_is_superseded() {
    let database = Database::new();
    let order = database.order();
    let advance = database.advance();
    database.run("DELETE FROM tasks");
    assert_eq!(advance.advance(&order).unwrap(), Advanced::Superseded { stage: None });
    database.run("INSERT INTO tasks (id, repo, stage) VALUES (3, 'another', 'architecture')");
    assert_eq!(advance.advance(&order).unwrap(), superseded("architecture"));
    database.run("UPDATE tasks SET stage = NULL");
    assert_eq!(advance.advance(&order).unwrap(), superseded(""));
    assert_eq!(database.jobs(), []);
}

#[test]
fn a_key_of_another_kind_is_another_key() {
    let database = Database::new();
    let order =
        AdvanceOrder { task: reaper_core::TaskId(reaper_core::job::Key::Text("T-1".into())), ..database.order() };
    assert_eq!(database.advance().advance(&order).unwrap(), Advanced::Superseded { stage: None });
    let order = AdvanceOrder {
        version: reaper_core::StageVersion(reaper_core::job::Key::Text("v1".into())),
        ..database.order()
    };
    assert_eq!(database.advance().advance(&order).unwrap(), superseded("architecture"));
}

#[test]
fn an_order_whose_note_was_pruned_is_still_not_carried_out_twice() {
    let database = Database::new();
    let order = database.order();
    let advance = database.advance();
    assert_eq!(advance.advance(&order).unwrap(), Advanced::Advanced { next: Some(1.into()) });
    database.run("DELETE FROM reaper_advances");
    assert_eq!(advance.advance(&order).unwrap(), Advanced::AlreadyDone, "its job is there");
    database.run("DELETE FROM jobs");
    assert_eq!(advance.advance(&order).unwrap(), superseded("development"));
    assert_eq!(database.jobs(), []);
}

#[test]
fn a_job_that_somebody_enqueued_under_the_key_is_the_next_one() {
    let database = Database::new();
    let order = database.order();
    database.run(&format!(
        "INSERT INTO jobs (id, agent, repo, task_id, status, reaper_source_key) \
         VALUES (17, 'developer', 'orchestrator', 3, 'queued', '{}')",
        order.source_key()
    ));
    let advanced = database.advance().advance(&order).unwrap();
    assert_eq!(advanced, Advanced::Advanced { next: Some(17.into()) });
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("development", 1));
}

#[test]
fn hostile_text_is_data() {
    let database = Database::new();
    let hostile = "x'); DROP TABLE jobs; --\n\"%s\u{202e}";
    let order = AdvanceOrder {
        repo: hostile.into(),
        to: hostile.into(),
        next_agent: Some(hostile.into()),
        ..database.order()
    };
    assert_eq!(database.advance().advance(&order).unwrap(), Advanced::Advanced { next: Some(1.into()) });
    let job = database.jobs().remove(0);
    assert_eq!((job.agent.as_str(), job.repo.as_str()), (hostile, hostile));
    assert_eq!(database.stage(), hostile);
}

#[test]
fn of_racing_deliveries_one_advances() {
    for _ in 0..5 {
        let database = Database::new();
        let order = database.order();
        let barrier = Barrier::new(4);
        let shared = database.advance();
        let own: Vec<_> = (0..2).map(|_| database.advance()).collect();
        // Two threads share an advance, two have one of their own, as other processes do.
        let mut advanced: Vec<_> = std::thread::scope(|scope| {
            let racers = [&shared, &shared, &own[0], &own[1]].map(|advance| {
                let (barrier, order) = (&barrier, &order);
                scope.spawn(move || {
                    barrier.wait();
                    advance.advance(order).unwrap()
                })
            });
            racers.map(|racer| racer.join().unwrap()).into()
        });
        advanced.sort_by_key(|advanced| *advanced == Advanced::AlreadyDone);
        let done = || Advanced::AlreadyDone;
        assert_eq!(advanced, [Advanced::Advanced { next: Some(1.into()) }, done(), done(), done()]);
        assert_eq!((database.stage().as_str(), database.jobs().len()), ("development", 1));
    }
}

#[test]
fn a_busy_database_is_an_error_and_works_later() {
    let database = Database::new();
    let order = database.order();
    let path = database.path.clone();
    let advance = SqliteAdvance::new(Box::new(move || open(&path, 1)));

    let mut other = open(&database.path, 1).unwrap();
    other.batch_execute("BEGIN IMMEDIATE; UPDATE tasks SET branch = 'y';").unwrap();
    let error = advance.advance(&order).unwrap_err();
    assert_eq!(error.to_string(), "could not advance: database is locked");
    other.batch_execute("COMMIT").unwrap();

    assert_eq!(advance.advance(&order).unwrap(), Advanced::Advanced { next: Some(1.into()) });
}

#[test]
fn a_database_that_cannot_be_opened_is_an_error_and_is_tried_again() {
    let database = Database::new();
    let path = database.path.clone();
    let tries = AtomicUsize::new(0);
    let advance = SqliteAdvance::new(Box::new(move || match tries.fetch_add(1, Ordering::Relaxed) {
        0 => Err("no such file".to_owned()),
        _ => open(&path, 5000),
    }));
    let order = database.order();
    assert_eq!(advance.advance(&order).unwrap_err().to_string(), "could not advance: no such file");
    assert_eq!(advance.advance(&order).unwrap(), Advanced::Advanced { next: Some(1.into()) });
    assert_eq!(advance.advance(&order).unwrap(), Advanced::AlreadyDone);
}

#[test]
fn an_order_is_carried_out_whole_or_not_at_all() {
    let database = Database::new();
    let order = database.order();
    let advance = database.advance();
    database.run("CREATE TRIGGER no BEFORE INSERT ON jobs BEGIN SELECT RAISE(ABORT, 'no jobs today'); END");
    assert_eq!(advance.advance(&order).unwrap_err().to_string(), "could not advance: no jobs today");
    database.run(
        "DROP TRIGGER no; CREATE TRIGGER no BEFORE INSERT ON reaper_advances
        BEGIN SELECT RAISE(ROLLBACK, 'no notes today'); END",
    );
    // This trigger has rolled back itself, so that diesel's own rollback fails: the first error is said.
    assert_eq!(advance.advance(&order).unwrap_err().to_string(), "could not advance: no notes today");
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("architecture", 0));

    database.run("DROP TRIGGER no");
    assert_eq!(advance.advance(&order).unwrap(), Advanced::Advanced { next: Some(1.into()) });
}

#[test]
fn a_full_disk_is_an_error_that_says_so_and_works_later() {
    let database = Database::new();
    let order = AdvanceOrder { repo: "x".repeat(100_000), ..database.order() };
    let path = database.path.clone();
    let full = Arc::new(AtomicBool::new(true));
    let is_full = Arc::clone(&full);
    let advance = SqliteAdvance::new(Box::new(move || {
        let mut connection = open(&path, 5000)?;
        if is_full.load(Ordering::Relaxed) {
            // Sets the limit to the present size.
            connection.batch_execute("PRAGMA max_page_count = 1").map_err(|e| e.to_string())?;
        }
        Ok(connection)
    }));
    let error = advance.advance(&order).unwrap_err();
    assert_eq!(error.to_string(), "could not advance: database or disk is full");
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("architecture", 0));

    full.store(false, Ordering::Relaxed);
    assert_eq!(advance.advance(&order).unwrap(), Advanced::Advanced { next: Some(1.into()) });
}

#[test]
fn after_a_panic_nothing_was_changed_and_the_next_order_has_a_new_connection() {
    let database = Database::new();
    let order = database.order();
    let (armed, made) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (path, bomb, counter) = (database.path.clone(), Arc::clone(&armed), Arc::clone(&made));
    let advance = SqliteAdvance::new(Box::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        let mut connection = open(&path, 5000)?;
        let bomb = Arc::clone(&bomb);
        connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event
                && query.to_string().starts_with("INSERT INTO reaper_advances")
                && bomb.swap(false, Ordering::Relaxed)
            {
                panic!("in the midst of it");
            }
        });
        Ok(connection)
    }));
    assert!(catch_unwind(AssertUnwindSafe(|| advance.advance(&order))).is_err());
    assert!(!armed.load(Ordering::Relaxed));
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("architecture", 0));

    assert_eq!(advance.advance(&order).unwrap(), Advanced::Advanced { next: Some(1.into()) });
    assert_eq!(advance.advance(&order).unwrap(), Advanced::AlreadyDone);
    assert_eq!(made.load(Ordering::Relaxed), 2, "the second connection is kept");
}

#[test]
fn no_statement_scans_a_table() {
    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = Text)]
        detail: String,
    }
    let database = Database::new();
    let mut connection = open(&database.path, 5000).unwrap();
    for statement in statements::ALL {
        let plan = sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load::<Step>(&mut connection).unwrap();
        for step in plan {
            assert!(step.detail.starts_with("SEARCH "), "{statement}: {}", step.detail);
        }
    }
}
