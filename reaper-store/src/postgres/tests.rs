//! What can only be seen from inside: connections that are kept, a panic, places without a value.

use std::panic::{AssertUnwindSafe, catch_unwind};

use reaper_core::Attempt;

use super::{Options, sql};
use crate::{
    Attempts as _, Facts as _, StoreError,
    attempts::Written,
    contract::postgres::Database,
    database::{Database as _, Statement},
};

#[test]
fn a_connection_that_saw_a_panic_is_dropped() {
    let database = Database::migrated();
    let store = database.open(Options::default());
    store.now().unwrap();
    assert_eq!(store.pool.idle(), 1);
    let panicked: Result<Result<(), StoreError>, _> = catch_unwind(AssertUnwindSafe(|| {
        store.write(|connection| {
            let set = [("key", "mode".into()), ("value", "off".into())];
            Statement::new(sql::SET, set).run(connection)?;
            panic!("in the middle of a transaction")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(store.pool.idle(), 0);
    assert_eq!(crate::Control::mode(&store).unwrap(), reaper_core::Mode::Enforce, "nothing of it was kept");
}

#[test]
fn connections_are_kept_and_bounded() {
    let database = Database::migrated();
    let store = database.open(Options::default());
    let barrier = std::sync::Barrier::new(9);
    std::thread::scope(|scope| {
        for _ in 0..9 {
            scope.spawn(|| {
                store.pool.read(|_| {
                    barrier.wait();
                    Ok(())
                })
            });
        }
    });
    assert_eq!(store.pool.idle(), 4);
    let attempt = Attempt { job: 1.into(), fence: 1.into() };
    for _ in 0..10 {
        assert_eq!(store.beat(&attempt).unwrap(), Written::NotMine);
    }
    assert_eq!(store.pool.idle(), 4);
}

/// Values are bound by name, wherever and however often the name stands; casts and colons in literals are no names.
#[test]
fn places_are_found_by_their_names() {
    let database = Database::migrated();
    let store = database.open(Options::default());
    let sum = |values: [(&'static str, i64); 2]| {
        store.pool.read(|session| {
            let values = values.map(|(name, value)| (name, value.into()));
            let text = "SELECT (:a + :b * :a)::bigint::text || ':HH24:MI::'";
            Ok(Statement::new(text, values).first_row(session.connection)?.and_then(|mut row| row.next_text()))
        })
    };
    assert_eq!(sum([("b", 10), ("a", 3)]).unwrap().as_deref(), Some("33:HH24:MI::"));
    assert!(sum([("b", 10), ("c", 3)]).unwrap_err().to_string().contains("`:a` has no value"));
}

/// The server's clock is the one that is told, and a text key names no row.
#[test]
fn a_key_that_is_a_text_names_no_row() {
    let database = Database::migrated();
    let store = database.open(Options::default());
    let attempt = Attempt { job: reaper_core::JobId("x".parse().unwrap()), fence: 1.into() };
    assert_eq!(store.beat(&attempt).unwrap(), Written::NotMine);
    assert!(store.job(&attempt.job).unwrap().is_none());
}
