//! F19: the disk is full on which a SQLite file lies.

use std::{
    io::{BufRead as _, BufReader},
    sync::mpsc,
    thread,
};

use reaper_tests::{
    database::Database,
    disk::Disk,
    program::{Program, eventually, signal},
    setting::settled_once,
};
use rustix::process::Signal;

use crate::{BINARY, Running};

const JOBS: i64 = 200;

#[test]
fn f19_a_full_disk_under_a_file_changes_nothing_and_the_same_reaper_goes_on_when_there_is_room() {
    let Some(disk) = Disk::mount(8) else { return };
    let database = Database::foreign_under(disk.path());
    let program = Program::on(BINARY, &database);
    program.configure("interval = \"50ms\"\nbreaker = { percent = 100, at_least = 1000, hold = \"1s\" }\n");
    let _migrated = program.run(&["migrate"]).ok();
    // All are over the ceiling: one look decides.
    database.sql(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {JOBS})
         INSERT INTO jobs (agent, repo, status, started_at) SELECT 'a', 'r', 'running', '2001-01-01' FROM n"
    ));
    disk.fill();

    let once = program.run(&["tick"]).with_code(1);
    assert!(once.stderr.contains("the disk is full"), "{}{}", once.stdout, once.stderr);
    let mut reaper = Running(program.spawn(&["run"]));
    let lines = BufReader::new(reaper.0.stderr.take().unwrap()).lines();
    let (say, said) = mpsc::channel();
    thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| say.send(line)));
    assert!(said.iter().take(1_000).any(|line| line.contains("the disk is full")), "an operator is told");
    assert_eq!(database.count("jobs WHERE status = 'running'"), JOBS, "nothing of a set is kept");
    assert_eq!(database.count("reaper_events") + database.count("reaper_outbox"), 0);

    disk.clear();
    eventually("the same reaper settles what it could not", || {
        database.count("jobs WHERE status = 'running'") == 0
    });
    assert!(reaper.is_running());
    assert_eq!(database.count("reaper_events"), JOBS);
    assert_eq!(database.value("SELECT integrity_check FROM pragma_integrity_check").as_deref(), Some("ok"));
    settled_once(&database);
    signal(&reaper.0, Signal::TERM);
    eventually("it ends well", || reaper.0.try_wait().unwrap().is_some_and(|status| status.success()));
}
