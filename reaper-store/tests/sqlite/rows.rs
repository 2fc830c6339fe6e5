//! Rows that do not parse in SQLite, whose columns hold whatever is written into them.

use reaper_store::{
    Attempts as _, Facts as _,
    attempts::{Launcher, Wants},
};

use crate::{
    both::rows::{self, Bad},
    database::Database,
};

const BAD: [Bad; 15] = [
    ("status = 17", "status", "`17`"),
    ("status = x'ff'", "status", "that are no UTF-8"),
    ("agent = x'fffe41'", "agent", "3 bytes that are no UTF-8"),
    ("agent = CAST(x'ff41' AS TEXT)", "agent", "2 bytes that are no UTF-8"),
    ("repo = CAST(zeroblob(300000) AS TEXT)", "repo", "300000 bytes long"),
    ("task_id = 'T-1'", "task_id", "`T-1`, not an integer"),
    ("task_id = 1.5", "task_id", "1.5, not an integer"),
    ("attempts = 'once'", "attempts", "`once`, not an integer"),
    ("max_attempts = x'01'", "max_attempts", "not an integer"),
    ("max_attempts = 'a' || char(27, 10, 8238) || 'b'", "max_attempts", "`a\\u{1b}\\n\\u{202e}b`"),
    ("run_id = 'r-1'", "run_id", "`r-1`"),
    ("pid = 'none'", "pid", "`none`"),
    ("reaper_fence = 'x'", "reaper_fence", "`x`"),
    ("reaper_monitor = 5", "reaper_monitor", "is no process identity"),
    ("reaper_terminating_at = 'soon'", "reaper_terminating_at", "`soon`"),
];

#[test]
fn f39_a_bad_row_is_named_and_harms_no_other() {
    rows::a_bad_row_is_named_and_harms_no_other("", &BAD);
}

/// What no take gives is listed, as far as is asked for, and holds nothing else up.
#[test]
fn a_payload_that_no_worker_can_read_is_listed() {
    let database = Database::adopted("");
    let payloads = ["zeroblob(262145)", "x'ff'", "hex(zeroblob(131073))", "'fine'", "7"];
    for (id, payload) in (1..).zip(payloads) {
        let program = &database.program;
        program.run(&format!("INSERT INTO jobs (id, agent, repo, status) VALUES ({id}, 'a', 'r', 'queued')"));
        program.run(&format!("UPDATE jobs SET reaper_payload = {payload} WHERE id = {id}"));
    }
    // A number becomes a text in a column of texts.
    assert_eq!(database.store.unreadable_payloads(10).unwrap(), [1.into(), 2.into(), 3.into()]);
    assert_eq!(database.store.unreadable_payloads(2).unwrap(), [1.into(), 2.into()]);
    let launcher = Launcher::free("here/b/1/2/3/4".parse().unwrap());
    let taken = database.store.take(&Wants::Any, &launcher).unwrap().unwrap();
    assert_eq!((taken.job.attempt.job, taken.payload.as_deref()), (4.into(), Some("fine")));
}

#[test]
fn a_bad_task_is_named() {
    rows::a_bad_task_is_named(
        // A column without an affinity keeps what is written.
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_master SET sql = replace(sql, 'work_item_id TEXT', 'work_item_id') WHERE name = 'tasks';
         PRAGMA writable_schema = RESET",
        &[
            ("stage = x'ff'", "tasks.stage"),
            ("reaper_stage_version = 'x'", "tasks.reaper_stage_version"),
            ("branch = x'ff'", "tasks.branch"),
            ("work_item_id = 1.5", "tasks.work_item_id"),
        ],
    );
}

/// What the attempt before has left behind is not looked at.
#[test]
fn an_inherited_value_is_not_parsed() {
    let database =
        Database::adopted("INSERT INTO jobs (id, agent, repo, pid, run_id) VALUES (1, 'a', 'r', 'x', 'y')");
    assert_eq!(database.bad(1).column, "run_id");
    database.program.run("UPDATE jobs SET status = 'running'");
    let job = database.job(1);
    assert_eq!((job.pid, job.run), (None, None));
}

/// Work items may have numbers for names.
#[test]
fn a_work_item_may_be_a_number() {
    let database = Database::adopted("");
    database.program.run(
        "ALTER TABLE tasks DROP COLUMN work_item_id;
         ALTER TABLE tasks ADD COLUMN work_item_id INTEGER;
         INSERT INTO tasks (id, repo, stage, work_item_id) VALUES (1, 'r', 's', 77);
         INSERT INTO jobs (id, agent, repo, status, task_id) VALUES (1, 'a', 'r', 'running', 1)",
    );
    assert_eq!(database.job(1).task.unwrap().work_item.as_deref(), Some("77"));
}

#[test]
fn a_take_looks_past_bad_rows() {
    rows::a_take_looks_past_bad_rows("'x'");
}

#[test]
fn a_census_counts_every_status() {
    rows::a_census_counts_every_status("x'ff'", "`\u{fffd}` (1 bytes that are no UTF-8)");
}
