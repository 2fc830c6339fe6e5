//! The advance on PostgreSQL: in what it differs from SQLite, and what it alone has.

use std::thread;

use diesel::{QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types::Text};

use self::database::Database;
use super::*;
use crate::advance::database::tests::{self as both, advanced, superseded, tables::Tables as _, tests_of_both};

mod database;

tests_of_both!(Database::new());

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
fn of_racing_deliveries_one_advances() {
    for _ in 0..5 {
        let Some(database) = Database::new() else { return };
        both::of_racing_deliveries_one_advances(&database);
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
    both::what_is_locked_for_too_long_is_an_error_and_works_later(
        &database,
        "BEGIN",
        "SET lock_timeout = '50ms'",
        "canceling statement due to lock timeout",
    );
}

#[test]
fn a_server_that_cannot_be_reached_is_an_error_and_is_tried_again() {
    let Some(database) = Database::new() else { return };
    both::a_connection_that_cannot_be_made_is_an_error_and_is_tried_again(&database);
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
    let no_jobs = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'no % today', TG_TABLE_NAME; END $$;
        CREATE TRIGGER no BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION refuse()";
    let no_notes = "DROP TRIGGER no ON jobs;
        CREATE TRIGGER no BEFORE INSERT ON reaper_advances FOR EACH ROW EXECUTE FUNCTION refuse()";
    let refusals = [(no_jobs, "no jobs today"), (no_notes, "no reaper_advances today")];
    both::an_order_is_carried_out_whole_or_not_at_all(&database, refusals, "DROP TRIGGER no ON reaper_advances");
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
