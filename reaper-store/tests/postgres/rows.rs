//! Rows that do not parse in PostgreSQL, whose columns hold what their types allow.

use reaper_store::{
    Attempts as _, Claim, Claims as _, Facts as _, Outcome, Schema as _, Settlement,
    attempts::{Launcher, NewTask, Wants},
};

use crate::{
    both::{
        claims::claim,
        rows::{self, Bad},
    },
    database::Database,
};

const BAD: [Bad; 3] = [
    ("agent = repeat('x', 300000)", "agent", "300000 bytes long"),
    ("repo = repeat('ж', 262144)", "repo", "524288 bytes long"),
    ("reaper_attach = E'per\\u001b[31mhaps'", "reaper_attach", "`per\\u{1b}[31mhaps`"),
];

/// A row that holds such a value is not written by the owner's statement alone: the columns are as wide as they may be.
const WIDE: &str = "ALTER TABLE jobs ALTER attempts TYPE bigint; ALTER TABLE jobs ALTER max_attempts TYPE bigint;
    ALTER TABLE jobs ALTER pid TYPE bigint;";

#[test]
fn f39_a_bad_row_is_named_and_harms_no_other() {
    rows::a_bad_row_is_named_and_harms_no_other(WIDE, &BAD);
}

/// What no take gives is listed, as far as is asked for, and holds nothing else up.
#[test]
fn a_payload_that_no_worker_can_read_is_listed() {
    let database = Database::adopted(WIDE);
    for (id, payload) in (1..).zip(["repeat('x', 262145)", "repeat('ж', 131073)", "repeat('x', 262144)", "NULL"])
    {
        database.program.run(&format!(
            "INSERT INTO jobs (id, agent, repo, status, reaper_payload) VALUES ({id}, 'a', 'r', 'queued', {payload})"
        ));
    }
    assert_eq!(database.store.unreadable_payloads(10).unwrap(), [1.into(), 2.into()]);
    assert_eq!(database.store.unreadable_payloads(1).unwrap(), [1.into()]);
    let launcher = Launcher::free("here/b/1/2/3/4".parse().unwrap());
    let taken = database.store.take(&Wants::Any, &launcher).unwrap().unwrap();
    assert_eq!((taken.job.attempt.job, taken.payload.map(|payload| payload.len())), (3.into(), Some(262_144)));
}

#[test]
fn a_bad_task_is_named() {
    rows::a_bad_task_is_named(
        "ALTER TABLE tasks ALTER stage DROP NOT NULL; ALTER TABLE jobs DROP CONSTRAINT jobs_task_id_fkey",
        &[("branch = repeat('x', 300000)", "tasks.branch"), ("stage = NULL", "tasks.stage")],
    );
}

/// The order of a worker in another language is read however its JSON is written.
#[test]
fn an_advance_on_its_way_is_known_however_it_is_written() {
    let database = Database::adopted("INSERT INTO tasks (id, repo, stage) VALUES (7, 'r', 's')");
    let stalled = || database.store.stalled(&[], 10).unwrap().len();
    for (effect, count) in [
        (r#"{"advance":{"task":7,"repo":"r"}}"#, 0),
        (r#"{"advance": {"task": 7, "repo": "r"}}"#, 0),
        (r#" { "advance" : { "task" : 7 , "repo" : "r" } }"#, 0),
        (r#"{"advance": {"task": 77, "repo": "r"}}"#, 1),
        (r#"{"alert": {"task": 7, "repo": "r"}}"#, 1),
        ("{\"advance\": no JSON", 1),
    ] {
        database.program.run(&format!(
            "DELETE FROM reaper_outbox; INSERT INTO reaper_outbox (key, effect, created_at, due_at) VALUES ('k', '{effect}', 0, 0)"
        ));
        assert_eq!(stalled(), count, "{effect}");
    }
}

/// Work items may have numbers for names.
#[test]
fn a_work_item_may_be_a_number() {
    let database = Database::seeded(
        "ALTER TABLE tasks ALTER work_item_id TYPE integer USING NULL;
         INSERT INTO tasks (id, repo, stage, work_item_id) VALUES (100, 'r', 's', 77);
         INSERT INTO jobs (id, agent, repo, status, task_id) VALUES (1, 'a', 'r', 'running', 100)",
    );
    database.store.migrate().unwrap();
    assert_eq!(database.job(1).task.unwrap().work_item.as_deref(), Some("77"));
    let task = NewTask { repo: "r".into(), work_item: Some("78".into()), branch: None, stage: "s".into() };
    database.store.add_task(&task).unwrap();
    assert_eq!(database.program.number("SELECT max(work_item_id) AS x FROM tasks"), Some(78));
}

/// PostgreSQL's texts have no U+0000: it is kept as U+FFFD, and refuses nothing.
#[test]
fn a_zero_character_is_replaced() {
    let database = Database::adopted("");
    rows::running(&database, 1);
    let fail = Claim { reason: "a\0b".into(), ..claim(&database.job(1), Settlement::Fail) };
    assert_eq!(database.store.settle(&[fail]).unwrap(), [Outcome::Won]);
    let kept = database.program.text("SELECT reaper_last_error AS x FROM jobs");
    assert_eq!(kept.as_deref(), Some("a\u{fffd}b"));
}

#[test]
fn a_take_looks_past_bad_rows() {
    rows::a_take_looks_past_bad_rows("-1");
}

#[test]
fn a_census_counts_every_status() {
    rows::a_census_counts_every_status("''", "");
}
