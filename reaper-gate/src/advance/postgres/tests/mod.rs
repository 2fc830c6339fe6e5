//! Each test has a schema of its own, with the tables as Reaper prepares them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _,
    connection::{InstrumentationEvent, SimpleConnection as _},
    sql_query,
    sql_types::Text,
};

use self::database::{Database, JobRow};
use super::*;

mod database;

fn superseded(stage: &str) -> Advanced {
    Advanced::Superseded { stage: Some(stage.to_owned()) }
}

fn advanced(next: i64) -> Advanced {
    Advanced::Advanced { next: Some(next.into()) }
}

#[test]
fn a_task_is_moved_and_its_next_job_enqueued() {
    let Some(database) = Database::new() else { return };
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
#[test]
fn a_task_from_before_is_moved_once() {
    let Some(database) = Database::new() else { return };
    database.run("UPDATE tasks SET reaper_stage_version = NULL");
    let order = database.order_of(0);
    assert_eq!(database.advance().advance(&order).unwrap(), advanced(1));
    database.run("UPDATE tasks SET stage = 'architecture'; DELETE FROM reaper_advances; DELETE FROM jobs");
    assert_eq!(database.advance().advance(&order).unwrap(), superseded("architecture"), "it was sent back");
}

/// Whatever kind of text the owner's columns hold.
#[test]
fn columns_may_be_enumerations() {
    let Some(database) = Database::new() else { return };
    database.run(
        "CREATE TYPE stage AS ENUM ('architecture', 'development'); CREATE TYPE repo AS ENUM ('orchestrator');
         CREATE TYPE agent AS ENUM ('developer'); CREATE TYPE status AS ENUM ('queued', 'running');
         DROP TRIGGER reaper_tasks ON tasks;
         ALTER TABLE tasks ALTER stage TYPE stage USING stage::stage, ALTER repo TYPE repo USING repo::repo;
         ALTER TABLE jobs ALTER agent TYPE agent USING agent::agent, ALTER repo TYPE repo USING repo::repo,
            ALTER status TYPE status USING status::status;
         CREATE TRIGGER reaper_tasks BEFORE INSERT OR UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION draw_version();",
    );
    let order = database.order_of(database.version());
    assert_eq!(database.advance().advance(&order).unwrap(), advanced(1));
    let stage = "SELECT stage::text || ' ' || agent || ' ' || j.repo FROM tasks, jobs AS j";
    assert_eq!(database.value(stage).as_deref(), Some("development developer orchestrator"));
    assert_eq!(database.advance().advance(&order).unwrap(), Advanced::AlreadyDone);
    // A stage that the owner's type does not have is an error, and changes nothing.
    let order =
        AdvanceOrder { from: "development".into(), to: "nowhere".into(), ..database.order_of(database.version()) };
    let problem = database.advance().advance(&order).unwrap_err().to_string();
    assert!(problem.contains("nowhere"), "{problem}");
}

#[test]
fn a_second_delivery_does_nothing() {
    let Some(database) = Database::new() else { return };
    let order = database.order();
    let advance = database.advance();
    assert_eq!(advance.advance(&order).unwrap(), advanced(1));
    assert_eq!(advance.advance(&order).unwrap(), Advanced::AlreadyDone);
    // Another reaper, and after the task has moved on from there and the job is done and removed.
    database.run("UPDATE tasks SET stage = 'review'; DELETE FROM jobs;");
    assert_eq!(database.advance().advance(&order).unwrap(), Advanced::AlreadyDone);
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("review", 0));
}

#[test]
fn a_stage_without_a_next_job_is_entered_once_too() {
    let Some(database) = Database::new() else { return };
    let order = AdvanceOrder { next_agent: None, ..database.order() };
    let advance = database.advance();
    assert_eq!(advance.advance(&order).unwrap(), Advanced::Advanced { next: None });
    assert_eq!(advance.advance(&order).unwrap(), Advanced::AlreadyDone);
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("development", 0));
}

#[test]
fn a_task_that_went_elsewhere_stays_there() {
    let Some(database) = Database::new() else { return };
    let order = database.order();
    database.run("UPDATE tasks SET stage = 'cancelled'");
    let advance = database.advance();
    assert_eq!(advance.advance(&order).unwrap(), superseded("cancelled"));
    assert_eq!(advance.advance(&order).unwrap(), superseded("cancelled"), "and is said so each time");
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("cancelled", 0));
}

#[test]
fn a_task_that_came_back_to_the_stage_is_on_another_visit() {
    let Some(database) = Database::new() else { return };
    let order = database.order();
    database.run("UPDATE tasks SET stage = 'development'; UPDATE tasks SET stage = 'architecture';");
    let advance = database.advance();
    assert_eq!(advance.advance(&order).unwrap(), superseded("architecture"));
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("architecture", 0));
    assert_eq!(advance.advance(&database.order()).unwrap(), advanced(1), "the new visit has an order of its own");
}

#[test]
fn a_task_that_is_gone_or_whose_id_is_used_again_is_superseded() {
    let Some(database) = Database::new() else { return };
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

#[test]
fn a_key_of_another_kind_is_an_error_and_changes_nothing() {
    let Some(database) = Database::new() else { return };
    let text = reaper_core::job::Key::Text("T-1".into());
    let orders = [
        AdvanceOrder { task: reaper_core::TaskId(text.clone()), ..database.order() },
        AdvanceOrder { version: reaper_core::StageVersion(text), ..database.order() },
    ];
    for order in orders {
        let error = database.advance().advance(&order).unwrap_err();
        assert_eq!(error.to_string(), "could not advance: operator does not exist: bigint = text");
    }
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("architecture", 0));
}

#[test]
fn an_order_whose_note_was_pruned_is_still_not_carried_out_twice() {
    let Some(database) = Database::new() else { return };
    let order = database.order();
    let advance = database.advance();
    assert_eq!(advance.advance(&order).unwrap(), advanced(1));
    database.run("DELETE FROM reaper_advances");
    assert_eq!(advance.advance(&order).unwrap(), Advanced::AlreadyDone, "its job is there");
    database.run("DELETE FROM jobs");
    assert_eq!(advance.advance(&order).unwrap(), superseded("development"));
    assert_eq!(database.jobs(), []);
}

#[test]
fn a_job_that_somebody_enqueued_under_the_key_is_the_next_one() {
    let Some(database) = Database::new() else { return };
    let order = database.order();
    database.run(&format!(
        "INSERT INTO jobs (id, agent, repo, task_id, status, reaper_source_key) \
         VALUES (17, 'developer', 'orchestrator', 3, 'queued', '{}')",
        order.source_key()
    ));
    assert_eq!(database.advance().advance(&order).unwrap(), advanced(17));
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("development", 1));
}

#[test]
fn hostile_text_is_data() {
    let Some(database) = Database::new() else { return };
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

#[test]
fn of_racing_deliveries_one_advances() {
    for _ in 0..5 {
        let Some(database) = Database::new() else { return };
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
}

/// Holds the task's row, has these advances deliver the order until all of them wait for it, and lets it go by `end`.
fn all_wait_for_the_row(database: &Database, count: u32, end: &str) -> Vec<Advanced> {
    let order = database.order();
    let mut holder = database.connect();
    holder.batch_execute("BEGIN; UPDATE tasks SET branch = 'held'").unwrap();
    thread::scope(|scope| {
        let racers: Vec<_> =
            (0..count).map(|_| scope.spawn(|| database.advance().advance(&order).unwrap())).collect();
        database.wait_for_waiters(count);
        holder.batch_execute(end).unwrap();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    })
}

#[test]
fn of_deliveries_that_have_all_looked_before_one_moved_it_one_advances() {
    for end in ["ROLLBACK", "COMMIT"] {
        let Some(database) = Database::new() else { return };
        let mut ends = all_wait_for_the_row(&database, 3, end);
        ends.sort_by_key(|end| *end == Advanced::AlreadyDone);
        assert_eq!(ends, [advanced(1), Advanced::AlreadyDone, Advanced::AlreadyDone], "{end}");
        assert_eq!((database.stage().as_str(), database.jobs().len()), ("development", 1));
        assert_eq!(database.value("SELECT count(*) FROM reaper_advances").as_deref(), Some("1"));
    }
}

#[test]
fn a_task_that_moves_while_the_delivery_waits_for_its_row_is_not_moved_again() {
    let Some(database) = Database::new() else { return };
    let ends = all_wait_for_the_row(&database, 2, "UPDATE tasks SET stage = 'cancelled'; COMMIT");
    assert_eq!(ends, [superseded("cancelled"), superseded("cancelled")]);
    // There and back again within one transaction: the stage is the same, the visit is not.
    database.run("UPDATE tasks SET stage = 'architecture'");
    let back = "UPDATE tasks SET stage = 'x'; UPDATE tasks SET stage = 'architecture'; COMMIT";
    assert_eq!(all_wait_for_the_row(&database, 1, back), [superseded("architecture")]);
    assert_eq!(database.jobs(), []);
}

#[test]
fn a_lock_that_is_held_too_long_is_an_error_and_it_works_later() {
    let Some(database) = Database::new() else { return };
    let order = database.order();
    let advance = database.advance_with("SET lock_timeout = '50ms'");
    let mut other = database.connect();
    other.batch_execute("BEGIN; UPDATE tasks SET branch = 'y'").unwrap();
    let error = advance.advance(&order).unwrap_err();
    assert_eq!(error.to_string(), "could not advance: canceling statement due to lock timeout");
    other.batch_execute("COMMIT").unwrap();
    assert_eq!(advance.advance(&order).unwrap(), advanced(1));
}

#[test]
fn a_server_that_cannot_be_reached_is_an_error_and_is_tried_again() {
    let Some(database) = Database::new() else { return };
    let tries = AtomicUsize::new(0);
    let connect = database.factory("");
    let advance = PostgresAdvance::new(Box::new(move || match tries.fetch_add(1, Ordering::Relaxed) {
        0 => Err("no such server".to_owned()),
        _ => connect(),
    }));
    let order = database.order();
    assert_eq!(advance.advance(&order).unwrap_err().to_string(), "could not advance: no such server");
    assert_eq!(advance.advance(&order).unwrap(), advanced(1));
    assert_eq!(advance.advance(&order).unwrap(), Advanced::AlreadyDone);
}

#[test]
fn a_connection_that_the_server_has_ended_is_an_error_once() {
    let Some(database) = Database::new() else { return };
    let order = database.order();
    let advance = database.advance();
    assert_eq!(advance.advance(&order).unwrap(), advanced(1));
    database.end_connections();
    let said = advance.advance(&order).unwrap_err().to_string();
    assert!(said.contains("terminating connection") || said.contains("closed the connection"), "{said}");
    assert_eq!(advance.advance(&order).unwrap(), Advanced::AlreadyDone);
}

#[test]
fn an_order_is_carried_out_whole_or_not_at_all() {
    let Some(database) = Database::new() else { return };
    let order = database.order();
    let advance = database.advance();
    database.run(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'no % today', TG_TABLE_NAME; END $$;
         CREATE TRIGGER no BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION refuse();",
    );
    assert_eq!(advance.advance(&order).unwrap_err().to_string(), "could not advance: no jobs today");
    database.run(
        "DROP TRIGGER no ON jobs;
         CREATE TRIGGER no BEFORE INSERT ON reaper_advances FOR EACH ROW EXECUTE FUNCTION refuse();",
    );
    assert_eq!(advance.advance(&order).unwrap_err().to_string(), "could not advance: no reaper_advances today");
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("architecture", 0));

    database.run("DROP TRIGGER no ON reaper_advances");
    // The ids that the failed tries have drawn are not given out again.
    assert!(matches!(advance.advance(&order).unwrap(), Advanced::Advanced { next: Some(_) }));
    assert_eq!((database.stage().as_str(), database.jobs().len()), ("development", 1));
}

#[test]
fn its_commit_waits_for_the_disk_whatever_the_default_is() {
    for (default, seen) in [("off", "on"), ("on", "on"), ("remote_apply", "remote_apply")] {
        let Some(database) = Database::new() else { return };
        database.run(
            "CREATE TABLE seen (setting text);
             CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$;
             CREATE TRIGGER look BEFORE INSERT ON reaper_advances FOR EACH ROW EXECUTE FUNCTION look();",
        );
        let advance = database.advance_with(match default {
            "off" => "SET synchronous_commit = off",
            "on" => "SET synchronous_commit = on",
            _ => "SET synchronous_commit = remote_apply",
        });
        assert_eq!(advance.advance(&database.order()).unwrap(), advanced(1));
        assert_eq!(database.value("SELECT setting FROM seen").as_deref(), Some(seen), "by default {default}");
    }
}

#[test]
fn stricter_defaults_of_the_database_do_not_change_what_it_does() {
    let Some(database) = Database::new() else { return };
    let advance = database.advance_with(
        "SET default_transaction_isolation = 'serializable'; SET default_transaction_read_only = on",
    );
    assert_eq!(advance.advance(&database.order()).unwrap(), advanced(1));
}

#[test]
fn after_a_panic_nothing_was_changed_and_the_next_order_has_a_new_connection() {
    let Some(database) = Database::new() else { return };
    let order = database.order();
    let (armed, made) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (connect, bomb, counter) = (database.factory(""), Arc::clone(&armed), Arc::clone(&made));
    let advance = PostgresAdvance::new(Box::new(move || {
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

    assert!(matches!(advance.advance(&order).unwrap(), Advanced::Advanced { next: Some(_) }));
    assert_eq!(advance.advance(&order).unwrap(), Advanced::AlreadyDone);
    assert_eq!(made.load(Ordering::Relaxed), 2, "the second connection is kept");
}

#[test]
fn no_statement_scans_a_table() {
    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
        step: String,
    }
    let Some(database) = Database::new() else { return };
    let mut connection = database.connect();
    // A small table is scanned because it is small; what counts is whether there is another way.
    connection.batch_execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan").unwrap();
    for (number, (statement, types)) in statements::SEARCHES.into_iter().enumerate() {
        connection.batch_execute(&format!("PREPARE s{number} ({types}) AS {statement}")).unwrap();
        let values = types.split(", ").map(|_| "'1'").collect::<Vec<_>>().join(", ");
        let explain = format!("EXPLAIN (COSTS OFF) EXECUTE s{number} ({values})");
        let plan = sql_query(explain).load::<Step>(&mut connection).unwrap();
        let steps: Vec<_> = plan.iter().map(|step| step.step.as_str()).collect();
        assert!(steps.iter().any(|step| step.contains("Index Cond")), "{statement}: {steps:?}");
        assert!(!steps.iter().any(|step| step.contains("Seq Scan")), "{statement}: {steps:?}");
    }
}
