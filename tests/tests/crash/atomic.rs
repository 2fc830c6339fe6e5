//! What changes all rows at once, or the tables, on a file: at each system call it is all done, or none of it.

use reaper_tests::{database::Database, jobs::RunningJob, program::Program, proof, setting::settled_once};

use crate::{
    scene::{BINARY, is_whole},
    sqlite::{CHANGES, ENDLESS},
    strace::{self, Fault, Whom},
};

/// Of so many points a quick run takes one, beginning at any.
const STEP: usize = 8;

/// What is in a database, as one text.
fn tables(database: &Database) -> String {
    let tables =
        "SELECT group_concat(type || name || coalesce(sql, ''), char(10)) FROM (SELECT * FROM sqlite_master
        WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name)";
    database.value(tables).unwrap()
}

/// Kills the program at each call that changes something, each time in a round that `begin` has prepared, and asks
/// `holds` about what is there then.
fn killed_at_each(program: &Program, args: &[&str], begin: impl Fn(), holds: impl Fn(&str)) {
    begin();
    let calls = strace::calls_of(Whom::All, program, args);
    holds("without a fault");
    let mut points = 0;
    for call in calls.iter().filter(|call| CHANGES.contains(&call.as_str())) {
        for n in proof::some_of(1..ENDLESS, STEP) {
            begin();
            let hit = strace::with_fault(Whom::All, program, args, call, n, Fault::Killed);
            holds(&format!("killed at {call} {n}: {hit:?}"));
            if hit.is_none() {
                break;
            }
            points += 1;
        }
    }
    assert!(points > 0, "it makes calls that change something");
    proof::tried("points at which a start-up requeue or a migration on SQLite was killed", points);
}

#[test]
fn f01_f02_f03_a_start_up_requeue_that_is_killed_at_any_call_is_all_or_nothing() {
    if !strace::is_here() {
        return;
    }
    let database = Database::volatile();
    let program = Program::new(BINARY, database.dir());
    let _migrated = program.run(&["migrate"]).ok();
    let begin = || {
        database.sql("DELETE FROM jobs; DELETE FROM reaper_events");
        for _ in 0..3 {
            let _job = RunningJob { attempts: 1, ..RunningJob::default() }.insert(&database);
        }
    };
    killed_at_each(&program, &["requeue-running", "--all"], begin, |point| {
        is_whole(&database, point);
        let requeued = database.count("jobs WHERE status = 'queued'");
        assert!([0, 3].contains(&requeued), "{point}: {requeued} of three");
        assert_eq!(database.count("reaper_events WHERE to_status = 'queued'"), requeued, "{point}");
        let again = program.run(&["requeue-running", "--all"]);
        assert_eq!(again.code, if requeued == 3 { 3 } else { 0 }, "{point}: {again:?}");
        assert_eq!(database.count("jobs WHERE status = 'queued'"), 3, "{point}");
        settled_once(&database);
    });
}

#[test]
fn f01_f02_f03_a_migration_that_is_killed_at_any_call_is_all_or_nothing() {
    if !strace::is_here() {
        return;
    }
    let database = Database::volatile();
    let program = Program::new(BINARY, database.dir());
    let before = tables(&database);
    let _migrated = program.run(&["migrate"]).ok();
    let after = tables(&database);
    assert_ne!(before, after);
    let begin = || {
        let _none = program.run(&["migrate", "--uninstall"]).ok();
        assert_eq!(tables(&database), before);
    };
    killed_at_each(&program, &["migrate"], begin, |point| {
        is_whole(&database, point);
        let found = tables(&database);
        assert!(found == before || found == after, "{point}: {found}");
        let _again = program.run(&["migrate"]).ok();
        assert_eq!(tables(&database), after, "{point}");
    });
}
