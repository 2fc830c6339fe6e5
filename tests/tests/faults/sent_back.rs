//! F33: a task that is sent back while its advance waits in the outbox.

use std::sync::{Arc, Mutex};

use reaper_core::AdvanceOrder;
use reaper_gate::{
    Advance,
    advance::{AdvanceError, Advanced, PostgresAdvance, SqliteAdvance},
};
use reaper_runner::{Parts, Reaper};
use reaper_store::{postgres, sqlite};
use reaper_tests::{
    database::{Database, Kind},
    fakes::{FakeGate, Fakes, settings},
    jobs::{RunningJob, task},
};

/// Carries orders out once it may.
#[derive(Debug)]
struct Held {
    inner: Box<dyn Advance>,
    may: Mutex<bool>,
}

impl Advance for Held {
    fn advance(&self, order: &AdvanceOrder) -> Result<Advanced, AdvanceError> {
        if !*self.may.lock().unwrap() {
            return Err(AdvanceError { problem: "not yet".into() });
        }
        self.inner.advance(order)
    }
}

fn advance(database: &Database, kind: Kind) -> Box<dyn Advance> {
    let (path, url) = (database.path(), database.url().to_owned());
    match kind {
        Kind::Sqlite => Box::new(SqliteAdvance::new(Box::new(move || {
            let connected = sqlite::connect(&path, std::time::Duration::from_secs(10));
            let (connection, file) = connected.map_err(|error| error.to_string())?;
            Ok((connection, Box::new(move || file.check().map_err(|error| error.to_string()))))
        }))),
        Kind::Postgres => Box::new(PostgresAdvance::new(Box::new(move || {
            postgres::connect(&url, postgres::Options::default()).map_err(|error| error.to_string())
        }))),
    }
}

#[test]
fn f33_a_task_that_was_sent_back_is_not_advanced_by_the_order_of_the_round_before() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let Some((database, store)) = Database::adopted_on(kind) else { continue };
        let held = Arc::new(Held { inner: advance(&database, kind), may: Mutex::new(false) });
        let fakes = Fakes::with_gate(FakeGate::green());
        let mut settings = settings();
        settings.delivery_tries = 1;
        let advance: Arc<dyn Advance> = Arc::<Held>::clone(&held);
        let reaper = Reaper::new(Parts { advance, ..fakes.parts(&store) }, settings);
        let task = task(&database, "architecture");
        let exited = RunningJob { task_id: Some(task), exit_code: Some(0), ..RunningJob::default() };
        let first = exited.insert(&database);
        let report = reaper.run_once();
        assert_eq!(database.status(first), "done");
        assert_eq!(report.deliveries.dead.len(), 1, "its advance was claimed and not carried out: {report:?}");

        // Somebody moves the task by hand, and sends it back: another round of the same stage.
        database.sql(&format!("UPDATE tasks SET stage = 'development' WHERE id = {task}"));
        database.sql(&format!("UPDATE tasks SET stage = 'architecture' WHERE id = {task}"));
        *held.may.lock().unwrap() = true;
        assert!(store.revive(&report.deliveries.dead[0].0).unwrap());
        let report = reaper.run_once();
        let said: Vec<_> = report.deliveries.done.iter().filter(|(key, _)| key.ends_with(":advance")).collect();
        assert_eq!(said.len(), 1, "{report:?}");
        assert!(said[0].1.starts_with("superseded"), "{said:?}");
        assert_eq!(database.stage(task), "architecture", "the new round is not skipped");
        assert_eq!(database.count("jobs WHERE status = 'queued'"), 0);

        // And the new round is advanced once its own job has ended.
        let second = exited.insert(&database);
        let report = reaper.run_once();
        assert_eq!((database.status(second).as_str(), database.stage(task).as_str()), ("done", "development"));
        assert_eq!(report.deliveries.done.len(), 1, "{report:?}");
        assert_eq!(database.count("jobs WHERE status = 'queued' AND agent = 'tester'"), 1);
    }
}
