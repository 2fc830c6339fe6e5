//! What is told once for both databases, on the tables of each. A test that both have in full is listed below and becomes one
//! of each; of one that differs, the body stands here, and beside each database how it differs.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use diesel::{
    Connection as _,
    connection::{InstrumentationEvent, SimpleConnection as _},
};
use reaper_core::AdvanceOrder;

use self::tables::{JobRow, Tables};
use crate::advance::{Advance as _, Advanced};

pub(crate) mod tables;

/// The tests that both databases have in full, each on a new one that the caller makes, where it can. The compiler tells of a
/// test that is missing here: nothing calls it.
macro_rules! tests_of_both {
    ($database:expr) => {
        tests_of_both! { $database =>
            a_task_is_moved_and_its_next_job_enqueued
            a_task_from_before_is_moved_once
            a_second_delivery_does_nothing
            a_stage_without_a_next_job_is_entered_once_too
            a_task_that_went_elsewhere_stays_there
            a_task_that_came_back_to_the_stage_is_on_another_visit
            a_task_that_is_gone_or_whose_id_is_used_again_is_superseded
            an_order_whose_note_was_pruned_is_still_not_carried_out_twice
            a_job_that_somebody_enqueued_under_the_key_is_the_next_one
            hostile_text_is_data
            after_a_panic_nothing_was_changed_and_the_next_order_has_a_new_connection
        }
    };
    ($database:expr => $($test:ident)+) => {
        $(
            #[test]
            fn $test() {
                if let Some(database) = $database {
                    $crate::advance::database::tests::$test(&database);
                }
            }
        )+
    };
}
pub(crate) use tests_of_both;

pub(crate) fn superseded(stage: &str) -> Advanced {
    Advanced::Superseded { stage: Some(stage.to_owned()) }
}

pub(crate) fn advanced(next: i64) -> Advanced {
    Advanced::Advanced { next: Some(next.into()) }
}

pub(crate) fn a_task_is_moved_and_its_next_job_enqueued(database: &impl Tables) {
    let order = database.order();
    assert_eq!(database.advance().advance(&order).unwrap(), advanced(1));
    let task = database.task();
    assert_eq!(task.stage.as_deref(), Some("development"));
    assert_ne!(task.reaper_stage_version, order.version.as_int().unwrap(), "the trigger drew another version");
    let expected = JobRow {
        id: 1,
        agent: "developer".into(),
        repo: "orchestrator".into(),
        task_id: Some(3),
        status: "queued".into(),
        reaper_source_key: Some(order.source_key()),
    };
    assert_eq!(database.jobs(), [expected]);
}

/// A task that was there before Reaper has no version until it moves, which is read as 0.
pub(crate) fn a_task_from_before_is_moved_once(database: &impl Tables) {
    database.run("UPDATE tasks SET reaper_stage_version = NULL");
    let order = database.order_of(0);
    assert_eq!(database.advance().advance(&order).unwrap(), advanced(1));
    database.run("UPDATE tasks SET stage = 'architecture'; DELETE FROM reaper_advances; DELETE FROM jobs");
    assert_eq!(database.advance().advance(&order).unwrap(), superseded("architecture"), "it was sent back");
}

pub(crate) fn a_second_delivery_does_nothing(database: &impl Tables) {
    let order = database.order();
    let advance = database.advance();
    assert_eq!(advance.advance(&order).unwrap(), advanced(1));
    assert_eq!(advance.advance(&order).unwrap(), Advanced::AlreadyDone);
    // Another reaper, and after the task has moved on from there and the job is done and removed.
    database.run("UPDATE tasks SET stage = 'review'; DELETE FROM jobs;");
    assert_eq!(database.advance().advance(&order).unwrap(), Advanced::AlreadyDone);
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("review", 0));
}

pub(crate) fn a_stage_without_a_next_job_is_entered_once_too(database: &impl Tables) {
    let order = AdvanceOrder { next_agent: None, ..database.order() };
    let advance = database.advance();
    assert_eq!(advance.advance(&order).unwrap(), Advanced::Advanced { next: None });
    assert_eq!(advance.advance(&order).unwrap(), Advanced::AlreadyDone);
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("development", 0));
}

pub(crate) fn a_task_that_went_elsewhere_stays_there(database: &impl Tables) {
    let order = database.order();
    database.run("UPDATE tasks SET stage = 'cancelled'");
    let advance = database.advance();
    assert_eq!(advance.advance(&order).unwrap(), superseded("cancelled"));
    assert_eq!(advance.advance(&order).unwrap(), superseded("cancelled"), "and is said so each time");
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("cancelled", 0));
}

pub(crate) fn a_task_that_came_back_to_the_stage_is_on_another_visit(database: &impl Tables) {
    let order = database.order();
    database.run("UPDATE tasks SET stage = 'development'; UPDATE tasks SET stage = 'architecture';");
    let advance = database.advance();
    assert_eq!(advance.advance(&order).unwrap(), superseded("architecture"));
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("architecture", 0));
    assert_eq!(advance.advance(&database.order()).unwrap(), advanced(1), "the new visit has an order of its own");
}

pub(crate) fn a_task_that_is_gone_or_whose_id_is_used_again_is_superseded(database: &impl Tables) {
    let order = database.order();
    let advance = database.advance();
    database.run("DELETE FROM tasks");
    assert_eq!(advance.advance(&order).unwrap(), Advanced::Superseded { stage: None });
    database.run("INSERT INTO tasks (id, repo, stage) VALUES (3, 'another', 'architecture')");
    assert_eq!(advance.advance(&order).unwrap(), superseded("architecture"));
    database.run("UPDATE tasks SET stage = NULL");
    assert_eq!(advance.advance(&order).unwrap(), superseded(""));
    assert_eq!(database.jobs(), []);
}

pub(crate) fn an_order_whose_note_was_pruned_is_still_not_carried_out_twice(database: &impl Tables) {
    let order = database.order();
    let advance = database.advance();
    assert_eq!(advance.advance(&order).unwrap(), advanced(1));
    database.run("DELETE FROM reaper_advances");
    assert_eq!(advance.advance(&order).unwrap(), Advanced::AlreadyDone, "its job is there");
    database.run("DELETE FROM jobs");
    assert_eq!(advance.advance(&order).unwrap(), superseded("development"));
    assert_eq!(database.jobs(), []);
}

pub(crate) fn a_job_that_somebody_enqueued_under_the_key_is_the_next_one(database: &impl Tables) {
    let order = database.order();
    database.run(&format!(
        "INSERT INTO jobs (id, agent, repo, task_id, status, reaper_source_key) \
         VALUES (17, 'developer', 'orchestrator', 3, 'queued', '{}')",
        order.source_key()
    ));
    assert_eq!(database.advance().advance(&order).unwrap(), advanced(17));
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("development", 1));
}

pub(crate) fn hostile_text_is_data(database: &impl Tables) {
    let hostile = "x'); DROP TABLE jobs; --\n\"%s$1\\\u{202e}";
    let order = AdvanceOrder {
        repo: hostile.into(),
        to: hostile.into(),
        next_agent: Some(hostile.into()),
        ..database.order()
    };
    assert_eq!(database.advance().advance(&order).unwrap(), advanced(1));
    let job = database.jobs().remove(0);
    assert_eq!((job.agent.as_str(), job.repo.as_str()), (hostile, hostile));
    assert_eq!(database.stage(), hostile);
}

pub(crate) fn after_a_panic_nothing_was_changed_and_the_next_order_has_a_new_connection<T: Tables>(database: &T) {
    let order = database.order();
    let (armed, made) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (connect, bomb, counter) = (database.factory(""), Arc::clone(&armed), Arc::clone(&made));
    let advance = T::over(Box::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        let mut connection = connect()?;
        let bomb = Arc::clone(&bomb);
        connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event
                && query.to_string().starts_with("INSERT INTO reaper_advances")
                && bomb.swap(false, Ordering::Relaxed)
            {
                panic!("in the midst of it");
            }
        });
        Ok(connection)
    }));
    assert!(catch_unwind(AssertUnwindSafe(|| advance.advance(&order))).is_err());
    assert!(!armed.load(Ordering::Relaxed));
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("architecture", 0));

    assert_eq!(advance.advance(&order).unwrap(), advanced(T::id_after(1)));
    assert_eq!(advance.advance(&order).unwrap(), Advanced::AlreadyDone);
    assert_eq!(made.load(Ordering::Relaxed), 2, "the second connection is kept");
}

/// One race. Each needs tables that nothing has happened in.
pub(crate) fn of_racing_deliveries_one_advances(database: &impl Tables) {
    let order = database.order();
    let barrier = Barrier::new(4);
    let shared = database.advance();
    let own: Vec<_> = (0..2).map(|_| database.advance()).collect();
    // Two threads share an advance, two have one of their own, as other processes do.
    let mut ends: Vec<_> = thread::scope(|scope| {
        let racers = [&shared, &shared, &own[0], &own[1]].map(|advance| {
            let (barrier, order) = (&barrier, &order);
            scope.spawn(move || {
                barrier.wait();
                advance.advance(order).unwrap()
            })
        });
        racers.map(|racer| racer.join().unwrap()).into()
    });
    ends.sort_by_key(|end| *end == Advanced::AlreadyDone);
    let done = || Advanced::AlreadyDone;
    assert_eq!(ends, [advanced(1), done(), done(), done()]);
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("development", 1));
}

/// Somebody has written in a transaction that this begins, and the advance's connections are prepared to be told soon.
pub(crate) fn what_is_locked_for_too_long_is_an_error_and_works_later(
    database: &impl Tables,
    begin: &str,
    prepare: &'static str,
    said: &str,
) {
    let order = database.order();
    let advance = database.advance_with(prepare);
    let mut other = database.connect();
    other.batch_execute(&format!("{begin}; UPDATE tasks SET branch = 'y'")).unwrap();
    assert_eq!(advance.advance(&order).unwrap_err().to_string(), format!("could not advance: {said}"));
    other.batch_execute("COMMIT").unwrap();
    assert_eq!(advance.advance(&order).unwrap(), advanced(1));
}

pub(crate) fn a_connection_that_cannot_be_made_is_an_error_and_is_tried_again<T: Tables>(database: &T) {
    let tries = AtomicUsize::new(0);
    let connect = database.factory("");
    let advance = T::over(Box::new(move || match tries.fetch_add(1, Ordering::Relaxed) {
        0 => Err("nobody is there".to_owned()),
        _ => connect(),
    }));
    let order = database.order();
    assert_eq!(advance.advance(&order).unwrap_err().to_string(), "could not advance: nobody is there");
    assert_eq!(advance.advance(&order).unwrap(), advanced(1));
    assert_eq!(advance.advance(&order).unwrap(), Advanced::AlreadyDone);
}

/// The database refuses the order's job, then its note, each by statements of the caller's and with what is said then, until
/// others let it be.
pub(crate) fn an_order_is_carried_out_whole_or_not_at_all<T: Tables>(
    database: &T,
    refusals: [(&str, &str); 2],
    let_be: &str,
) {
    let order = database.order();
    let advance = database.advance();
    for (refuse, said) in refusals {
        database.run(refuse);
        assert_eq!(advance.advance(&order).unwrap_err().to_string(), format!("could not advance: {said}"));
        assert_eq!((database.stage().as_str(), database.jobs().len()), ("architecture", 0), "{said}");
    }
    database.run(let_be);
    assert_eq!(advance.advance(&order).unwrap(), advanced(T::id_after(2)));
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("development", 1));
}
