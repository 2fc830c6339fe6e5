//! F18: a client that is stuck with the lock of a SQLite file.

use std::{sync::Arc, time::Duration};

use diesel::connection::SimpleConnection as _;
use reaper_runner::Reaper;
use reaper_store::{
    Schema as _, Store,
    sqlite::{Options, SqliteStore},
};
use reaper_tests::{
    database::Database,
    fakes::{FakeProbe, Fakes, settings},
    jobs::RunningJob,
};

#[test]
fn f18_a_pass_that_meets_a_stuck_client_is_skipped_and_the_next_one_works() {
    for lock in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
        let database = Database::foreign();
        let options = Options { busy_timeout: Duration::from_millis(100), ..Options::default() };
        let store = SqliteStore::open(&database.path(), options).unwrap();
        store.migrate().unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let job = RunningJob { pid: Some(4711), ..RunningJob::default() }.insert(&database);
        let mut settings = settings();
        settings.policy.limits.dead_ticks = 1;
        let fakes = Fakes::with_probe(FakeProbe::dead());
        let reaper = Reaper::new(fakes.parts(&store), settings);

        let mut stuck = database.connection();
        stuck.batch_execute(lock).unwrap();
        for _ in 0..2 {
            let report = reaper.run_once();
            let problem = report.error.clone().unwrap_or_default();
            assert!(problem.contains("the database is locked by another program"), "{lock}: {problem}");
            assert_eq!(report.won().count(), 0);
        }
        stuck.batch_execute("ROLLBACK").unwrap();
        assert_eq!(database.status(job), "running");
        let report = reaper.run_once();
        assert_eq!((report.error.clone(), report.won().count()), (None, 1), "{lock}");
        assert_eq!(database.status(job), "queued");
        assert_eq!(database.count("reaper_events"), 1);
    }
}
