//! The advance on SQLite: in what it differs from PostgreSQL, and what it alone has.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _,
    connection::{InstrumentationEvent, SimpleConnection as _},
    sql_query,
    sql_types::Text,
};

use self::database::Database;
use super::*;
use crate::advance::database::{
    Steps as _, Texts,
    tests::{self as both, advanced, superseded, tables::Tables as _, tests_of_both},
};

mod database;

tests_of_both!(Some(Database::new()));

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
fn of_racing_deliveries_one_advances() {
    for _ in 0..5 {
        both::of_racing_deliveries_one_advances(&Database::new());
    }
}

#[test]
fn a_busy_database_is_an_error_and_works_later() {
    both::what_is_locked_for_too_long_is_an_error_and_works_later(
        &Database::new(),
        "BEGIN IMMEDIATE",
        "PRAGMA busy_timeout = 1",
        "database is locked",
    );
}

#[test]
fn a_database_that_cannot_be_opened_is_an_error_and_is_tried_again() {
    both::a_connection_that_cannot_be_made_is_an_error_and_is_tried_again(&Database::new());
}

#[test]
fn an_order_is_carried_out_whole_or_not_at_all() {
    let no_jobs = "CREATE TRIGGER no BEFORE INSERT ON jobs BEGIN SELECT RAISE(ABORT, 'no jobs today'); END";
    // This trigger has rolled back itself, so that diesel's own rollback fails: the first error is said.
    let no_notes = "DROP TRIGGER no; CREATE TRIGGER no BEFORE INSERT ON reaper_advances
        BEGIN SELECT RAISE(ROLLBACK, 'no notes today'); END";
    let refusals = [(no_jobs, "no jobs today"), (no_notes, "no notes today")];
    both::an_order_is_carried_out_whole_or_not_at_all(&Database::new(), refusals, "DROP TRIGGER no");
}

#[test]
fn a_full_disk_is_an_error_that_says_so_and_works_later() {
    let database = Database::new();
    let order = AdvanceOrder { repo: "x".repeat(100_000), ..database.order() };
    let connect = database.factory("");
    let full = Arc::new(AtomicBool::new(true));
    let is_full = Arc::clone(&full);
    let advance = Database::over(Box::new(move || {
        let mut connection = connect()?;
        if is_full.load(Ordering::Relaxed) {
            // Sets the limit to the present size.
            connection.batch_execute("PRAGMA max_page_count = 1").map_err(|error| error.to_string())?;
        }
        Ok(connection)
    }));
    let error = advance.advance(&order).unwrap_err();
    assert_eq!(error.to_string(), "could not advance: database or disk is full");
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("architecture", 0));

    full.store(false, Ordering::Relaxed);
    assert_eq!(advance.advance(&order).unwrap(), advanced(1));
}

#[test]
fn no_statement_scans_a_table() {
    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = Text)]
        detail: String,
    }
    let database = Database::new();
    let mut connection = database.connect();
    let Texts { is_noted, job_of, move_task, stage_of, enqueue, note } = SqliteConnection::TEXTS;
    for statement in [is_noted, job_of, move_task, stage_of, enqueue, note] {
        let plan = sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load::<Step>(&mut connection).unwrap();
        for step in plan {
            assert!(step.detail.starts_with("SEARCH "), "{statement}: {}", step.detail);
        }
    }
}

/// Of two databases the second takes the place of the first in the midst of an order, and the first comes back between two.
#[test]
fn an_order_is_carried_out_where_the_database_is_or_not_at_all() {
    let [first, second] = [Database::new(), Database::new()];
    let place = Arc::new(AtomicUsize::new(0));
    let (connects, now) = ([first.factory(""), second.factory("")], Arc::clone(&place));
    let advance = SqliteAdvance::new(Box::new(move || {
        let opened = now.load(Ordering::Relaxed);
        let mut connection = connects[opened]()?;
        let (replaced, now) = (Arc::clone(&now), Arc::clone(&now));
        connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event
                && query.to_string().starts_with("INSERT INTO reaper_advances")
            {
                replaced.store(1, Ordering::Relaxed);
            }
        });
        let is_there = move || now.load(Ordering::Relaxed) == opened;
        Ok((connection, Box::new(move || if is_there() { Ok(()) } else { Err("it was replaced".into()) })))
    }));
    let stages = || [first.stage(), second.stage()];
    let order = first.order();
    assert_eq!(advance.advance(&order).unwrap_err().to_string(), "could not advance: it was replaced");
    assert_eq!(stages(), ["architecture", "architecture"]);
    assert_eq!(advance.advance(&second.order()).unwrap(), advanced(1));
    assert_eq!(stages(), ["architecture", "development"]);

    place.store(0, Ordering::Relaxed);
    first.run("UPDATE tasks SET stage = 'released'");
    assert_eq!(advance.advance(&order).unwrap(), superseded("released"), "as it is in the first");
}
