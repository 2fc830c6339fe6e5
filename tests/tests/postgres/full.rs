//! F19: the disk is full where the tables are.

use std::{
    io::{BufRead, BufReader},
    sync::mpsc,
    thread,
};

use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};
use reaper_tests::{
    cluster::Cluster,
    database::{Database, Scratch},
    disk::Disk,
    program::{eventually, signal},
};
use rustix::process::Signal;

use crate::setting::prepared;

/// Fills the tablespace to its last page.
fn fill(connection: &mut PgConnection) {
    connection.batch_execute("CREATE TABLE filler (x text)").unwrap();
    connection.batch_execute("ALTER TABLE filler ALTER x SET STORAGE PLAIN").unwrap();
    for rows in [1_000, 100, 10, 1] {
        let insert = format!("INSERT INTO filler SELECT repeat('x', 7000) FROM generate_series(1, {rows})");
        while connection.batch_execute(&insert).is_ok() {}
    }
}

#[test]
fn f19_a_full_disk_changes_nothing_and_the_same_reaper_goes_on_when_there_is_room() {
    const JOBS: i64 = 400;
    let Some(cluster) = Cluster::start() else { return };
    let Some(disk) = Disk::mount(24) else { return };
    disk.give_to_owner_of(cluster.data());
    let scratch = Scratch::on(cluster.url());
    let mut admin = PgConnection::establish(cluster.url()).unwrap();
    admin.batch_execute(&format!("CREATE TABLESPACE small LOCATION '{}'", disk.path().display())).unwrap();
    let move_there = format!("ALTER DATABASE {} SET TABLESPACE small", scratch.name());
    admin.batch_execute(&move_there).unwrap();
    let database = Database::on_scratch(scratch);
    let program =
        prepared(&database, "interval = \"50ms\"\nbreaker = { percent = 100, at_least = 1000, hold = \"1s\" }");
    // Every row fills a page, so that no claim finds room where it is.
    database.sql(&format!(
        "ALTER TABLE jobs ADD COLUMN notes text; ALTER TABLE jobs ALTER notes SET STORAGE PLAIN;
         INSERT INTO jobs (agent, repo, status, started_at, notes)
            SELECT 'a', 'r', 'running', now() - interval '10 years', repeat('x', 7000) FROM generate_series(1, {JOBS})"
    ));
    let mut filler = PgConnection::establish(database.url()).unwrap();
    fill(&mut filler);

    let once = program.run(&["tick"]).with_code(1);
    assert!(once.stderr.contains("the disk is full"), "{}{}", once.stdout, once.stderr);
    let mut reaper = program.spawn(&["run"]);
    let lines = BufReader::new(reaper.stderr.take().unwrap()).lines();
    let (say, said) = mpsc::channel();
    thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| say.send(line)));
    let mut told = said.iter().take(1_000);
    assert!(told.any(|line| line.contains("the disk is full")), "an operator is told");
    assert_eq!(database.count("jobs WHERE status = 'running'"), JOBS, "nothing of a set is kept");
    assert_eq!(database.count("reaper_events") + database.count("reaper_outbox"), 0);

    filler.batch_execute("DROP TABLE filler").unwrap();
    eventually("the same reaper settles what it could not", || {
        database.count("jobs WHERE status = 'running'") == 0
    });
    assert_eq!(database.count("reaper_events"), JOBS);
    signal(&reaper, Signal::TERM);
    eventually("it ends well", || reaper.try_wait().unwrap().is_some_and(|status| status.success()));
    drop((filler, admin));
}
