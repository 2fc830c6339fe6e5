//! F21: the server falls in the middle of a start-up requeue.

use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};
use reaper_tests::{
    cluster::Cluster,
    database::{Database, Scratch},
    program::eventually,
};

use crate::setting::{prepared, settled_once};

const JOBS: i64 = 200;

#[test]
fn f21_a_server_that_falls_in_a_start_up_requeue_leaves_all_or_nothing() {
    let Some(mut cluster) = Cluster::start() else { return };
    let database = Database::on_scratch(Scratch::on(cluster.url()));
    let program = prepared(&database, "bare_pids = true");
    database.sql(&format!(
        "INSERT INTO jobs (agent, repo, status, pid) SELECT 'a', 'r', 'running', 4194303 FROM generate_series(1, {JOBS});
         CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.id = {JOBS} / 2 THEN PERFORM pg_advisory_xact_lock_shared(4711); END IF; RETURN NULL; END $$;
         CREATE TRIGGER hold AFTER UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION hold()"
    ));
    for which in ["--all", "--orphans"] {
        // The requeue comes to a stand in its middle, with rows written and nothing committed.
        let mut holder = PgConnection::establish(database.url()).unwrap();
        holder.batch_execute("SELECT pg_advisory_lock(4711)").unwrap();
        let requeue = program.spawn(&["requeue-running", which]);
        eventually("the requeue is in its middle", || {
            database.count("pg_locks WHERE locktype = 'advisory' AND NOT granted") == 1
        });
        cluster.kill();
        let ended = requeue.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(1), "{}", String::from_utf8_lossy(&ended.stderr));
        cluster.start_again();
        assert_eq!(database.count("jobs WHERE status = 'running'"), JOBS, "{which}: nothing was changed");
        assert_eq!(database.count("reaper_events"), 0, "{which}");
    }
    let again = program.run(&["requeue-running", "--all"]).ok();
    assert!(again.stdout.contains(&JOBS.to_string()), "{}", again.stdout);
    assert_eq!(database.count("jobs WHERE status = 'queued'"), JOBS);
    assert_eq!(database.count("reaper_events"), JOBS);
    settled_once(&database);
}
