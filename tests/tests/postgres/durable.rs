//! F23: `synchronous_commit = off` in the database, and a server that falls right after a claim was acknowledged.

use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};
use reaper_core::Status;
use reaper_store::{
    Claim, Claims as _, Facts as _, Outcome, Settlement,
    claims::{Actor, EventId},
    postgres::{Options, PostgresStore},
};
use reaper_tests::{
    cluster::Cluster,
    database::{Database, Scratch},
    program::skipped,
};

use crate::setting::prepared;

/// How often a commit without a wait for the disk is tried, until one is seen to be lost.
const TRIES: u32 = 8;

#[test]
fn f23_an_acknowledged_claim_outlives_a_fall_whatever_the_default_is() {
    let Some(mut cluster) = Cluster::start() else { return };
    // The log is flushed by nobody but by whoever waits for it.
    let mut admin = PgConnection::establish(cluster.url()).unwrap();
    for setting in [
        "wal_writer_delay = '10s'",
        "wal_writer_flush_after = '2GB'",
        "synchronous_commit = off",
        "autovacuum = off",
    ] {
        admin.batch_execute(&format!("ALTER SYSTEM SET {setting}")).unwrap();
    }
    cluster.kill();
    cluster.start_again();
    let database = Database::on_scratch(Scratch::on(cluster.url()));
    let _program = prepared(&database, "");
    let mut was_lost = false;
    for _ in 0..TRIES {
        database.sql("SET synchronous_commit = on; INSERT INTO tasks (stage) VALUES ('kept')");
        // Another program's write, for comparison: it was acknowledged, too.
        database.sql("INSERT INTO tasks (stage) VALUES ('perhaps lost')");
        cluster.kill();
        cluster.start_again();
        was_lost = database.count("tasks WHERE stage = 'perhaps lost'") == 0;
        if was_lost {
            break;
        }
        database.sql("SET synchronous_commit = on; DELETE FROM tasks");
    }
    if !was_lost {
        skipped("this server lost no commit that did not wait for the disk: there is nothing to compare with");
        return;
    }
    for settlement in [Settlement::Done, Settlement::Fail] {
        let insert = "INSERT INTO jobs (agent, repo, status) VALUES ('a', 'r', 'running')";
        let job = database.insert(insert);
        database.sql("SET synchronous_commit = on; INSERT INTO tasks (stage) VALUES ('kept')");
        let store = PostgresStore::open(database.url(), Options::default()).unwrap();
        let read = store.job(&job.into()).unwrap().unwrap().unwrap();
        let claim = Claim {
            event: EventId::draw(),
            attempt: read.attempt.clone(),
            basis: read.basis(),
            settlement,
            by: Actor::Reaper,
            rule: String::new(),
            reason: String::new(),
            evidence: serde_json::Value::Null,
            death: None,
            effect: None,
        };
        assert_eq!(store.settle(&[claim]).unwrap(), [Outcome::Won]);
        cluster.kill();
        cluster.start_again();
        let row = store.job(&job.into());
        // The first call finds the connection broken that it has kept.
        let row = row.or_else(|_| store.job(&job.into())).unwrap().unwrap().unwrap();
        let expected = if settlement == Settlement::Done { Status::Done } else { Status::Failed };
        assert_eq!(row.status, expected);
        assert_eq!(database.count(&format!("reaper_events WHERE job_id = {job}")), 1);
    }
}
