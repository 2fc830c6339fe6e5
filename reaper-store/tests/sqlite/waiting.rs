//! Writers that wait for the file's lock, and one after the other get it: whoever comes second sees what the first has
//! written.

use std::{sync::Barrier, thread};

use reaper_core::{Alert, Effect, Status};
use reaper_store::{
    Attempts as _, Claim, Claims as _, Facts as _, History as _, Outbox as _, Outcome, Settlement, StoreError,
    attempts::Recorded, claims::Actor, history::Query, sqlite::Options,
};

use crate::{
    both::{at_once, claims::claim, exits},
    database::{Database, Program},
};

const RUNNING: &str = "INSERT INTO agent_runs (id) VALUES (7);
    INSERT INTO jobs (id, agent, repo, status, run_id, pid) VALUES (1, 'a', 'r', 'running', 7, 4321)";

/// A slow monitor that lives, a reaper that takes it for dead, and an exit, all of which wait for a stuck client.
#[test]
fn f05_f31_of_all_that_wait_for_the_lock_the_first_settles() {
    for _ in 0..10 {
        let database = Database::adopted(RUNNING);
        let read = database.job(1);
        let alert = Alert { kind: "job_failed".into(), job: Some(1.into()), text: "given up".into() };
        let of_reaper = Claim { effect: Some(Effect::Alert(alert)), ..claim(&read, Settlement::Fail) };
        let of_monitor = Claim { by: Actor::Monitor, ..claim(&read, Settlement::Done) };
        let stores = [0; 3].map(|_| database.open(Options::default()));
        let barrier = Barrier::new(4);
        database.program.run("BEGIN IMMEDIATE");
        let (reaper, monitor) = thread::scope(|scope| {
            let settles = |n: usize, claim: Claim| {
                let (store, barrier) = (&stores[n], &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    store.settle(&[claim]).unwrap().remove(0)
                })
            };
            let (reaper, monitor) = (settles(0, of_reaper.clone()), settles(1, of_monitor));
            let exit = scope.spawn(|| {
                barrier.wait();
                stores[2].record_exit(&7.into(), 0).unwrap()
            });
            barrier.wait();
            database.program.run("COMMIT");
            assert_eq!(exit.join().unwrap(), Recorded::New);
            (reaper.join().unwrap(), monitor.join().unwrap())
        });
        let row = database.job(1);
        let events = database.store.events(&Query { limit: 10, ..Query::default() }).unwrap().len();
        let told = database.store.undelivered(10).unwrap().len();
        match (reaper, monitor) {
            (Outcome::Won, Outcome::Lost) => assert_eq!((row.status, events, told), (Status::Failed, 1, 1)),
            (Outcome::Lost, Outcome::Won) => assert_eq!((row.status, events, told), (Status::Done, 1, 0)),
            // The exit came before both: neither rests on it.
            (Outcome::Lost, Outcome::Lost) => {
                assert_eq!((row.status, events, told), (Status::Running, 0, 0));
                assert_eq!(row.exit.map(|exit| exit.code), Some(0));
            }
            both => panic!("both have settled it: {both:?}"),
        }
    }
}

/// A client that holds the lock for longer than one waits: the call fails in its time, and the next one works.
#[test]
fn f18_a_stuck_client_is_waited_for_and_no_longer() {
    let database = Database::adopted(RUNNING);
    let read = database.job(1);
    let store =
        database.open(Options { busy_timeout: std::time::Duration::from_millis(100), ..Options::default() });
    let stuck = Program::on(&database.path());
    for lock in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
        stuck.run(lock);
        for problem in [
            store.settle(&[claim(&read, Settlement::Fail)]).err(),
            store.record_exit(&7.into(), 0).err(),
            store.requeue_all_running().err(),
        ] {
            assert!(matches!(problem, Some(StoreError::Busy { waited_ms: 100 })), "{lock}: {problem:?}");
        }
        stuck.run("ROLLBACK");
        assert_eq!(store.job(&1.into()).unwrap().unwrap().unwrap(), read, "{lock}");
    }
    assert_eq!(store.settle(&[claim(&read, Settlement::Fail)]).unwrap(), [Outcome::Won]);
}

/// A program that names its run on the job while the run's exit is being recorded: the exit is on the row in the end.
#[test]
fn attaches_and_exits_at_once_lose_none() {
    let database = Database::adopted("PRAGMA journal_mode = WAL");
    let (one, other) = (Program::on(&database.path()), Program::on(&database.path()));
    at_once::lose_none(&database, one, other, 100);
}

#[test]
fn f40_exits_that_the_owner_refuses_are_left_out() {
    for how in ["ABORT", "FAIL", "ROLLBACK"] {
        let database = Database::adopted("");
        database.program.run(&format!(
            "CREATE TRIGGER owner BEFORE UPDATE ON agent_runs WHEN NEW.exit_code = 9
             BEGIN SELECT RAISE({how}, 'the owner''s word'); END"
        ));
        exits::the_refused_are_left_out(&database, "the owner's word");
    }
    // What is refused at the commit alone.
    let database = Database::adopted("");
    database.program.run(
        "CREATE TABLE seen (job INTEGER REFERENCES jobs (id) DEFERRABLE INITIALLY DEFERRED);
         CREATE TRIGGER owner AFTER UPDATE ON agent_runs WHEN NEW.exit_code = 9
         BEGIN INSERT INTO seen VALUES (4711); END",
    );
    exits::the_refused_are_left_out(&database, "FOREIGN KEY");
}

/// Whoever holds the file's lock holds up every exit: that is said of the database, and of none of them.
#[test]
fn a_locked_file_is_no_exits_own_trouble() {
    let database = Database::adopted("");
    let taken = exits::taken(&database, 2);
    let store =
        database.open(Options { busy_timeout: std::time::Duration::from_millis(100), ..Options::default() });
    let stuck = Program::on(&database.path());
    stuck.run("BEGIN IMMEDIATE");
    let witnessed: Vec<_> = taken.iter().map(|taken| exits::witnessed(taken, 0)).collect();
    assert!(matches!(store.record_witnessed(&witnessed), Err(StoreError::Busy { .. })));
    assert!(matches!(store.try_record_exit(&taken[0].run, 0), Err(StoreError::Busy { .. })));
}
