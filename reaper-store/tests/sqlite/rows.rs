//! Rows that do not parse: each is reported by its column, and none hinders another.

use reaper_core::job::BadRow;
use reaper_store::{
    Attempts as _, Facts as _, Outcome, Settlement,
    attempts::{Launcher, Wants},
    facts::{Cursor, Here, Wanted},
};

use crate::{both::claims::claim, database::Database};

/// What is written into a column of a running row, which column is named, and what the report says.
const BAD: [(&str, &str, &str); 30] = [
    ("status = 'pausiert'", "status", "`pausiert`"),
    ("status = 17", "status", "`17`"),
    ("status = x'ff'", "status", "that are no UTF-8"),
    ("agent = x'fffe41'", "agent", "3 bytes that are no UTF-8"),
    ("agent = CAST(x'ff41' AS TEXT)", "agent", "2 bytes that are no UTF-8"),
    ("repo = CAST(zeroblob(300000) AS TEXT)", "repo", "300000 bytes long"),
    ("task_id = 'T-1'", "task_id", "`T-1`, not an integer"),
    ("task_id = 1.5", "task_id", "1.5, not an integer"),
    ("attempts = 'once'", "attempts", "`once`, not an integer"),
    ("attempts = -1", "attempts", "-1, which is no count"),
    ("attempts = 4294967296", "attempts", "no count"),
    ("max_attempts = x'01'", "max_attempts", "not an integer"),
    ("max_attempts = 'a' || char(27, 10, 8238) || 'b'", "max_attempts", "`a\\u{1b}\\n\\u{202e}b`"),
    ("run_id = 'r-1'", "run_id", "`r-1`"),
    ("pid = 'none'", "pid", "`none`"),
    ("pid = 0", "pid", "no process can have"),
    ("pid = -7", "pid", "-7"),
    ("pid = 4294967296", "pid", "no process can have"),
    ("reaper_fence = NULL", "reaper_fence", "run `reaper migrate`"),
    ("reaper_fence = 'x'", "reaper_fence", "`x`"),
    ("reaper_started_at = NULL", "reaper_started_at", "run `reaper migrate`"),
    ("reaper_started_at = 9223372036854775807", "reaper_started_at", "no instant"),
    ("reaper_exit_code = 2147483648, reaper_exit_at = 0", "agent_runs.exit_code", "no exit code"),
    ("reaper_exit_code = 0, reaper_exit_at = NULL", "reaper_exit_at", "is NULL"),
    ("reaper_executor = 'a process'", "reaper_executor", "is no process identity"),
    ("reaper_monitor = 5", "reaper_monitor", "is no process identity"),
    ("reaper_attach = 'perhaps'", "reaper_attach", "`perhaps`"),
    ("reaper_beat = 1", "reaper_beat_at", "is NULL"),
    ("reaper_terminating_at = 'soon'", "reaper_terminating_at", "`soon`"),
    ("reaper_rescues = -3", "reaper_rescues", "no count"),
];

const GOOD: i64 = 1_000;

fn wanted() -> Wanted {
    let until = chrono::DateTime::<chrono::Utc>::MAX_UTC;
    Wanted {
        exits_until: until,
        started_until: until,
        beats_until: Some(until),
        late_finishes: true,
        suspects: vec![GOOD.into()],
        here: Some(Here { host: "here".into(), bare_pids: true, since: None }),
        lost: Vec::new(),
    }
}

fn running(database: &Database, id: i64) {
    database
        .program
        .run(&format!("INSERT INTO jobs (id, agent, repo, status, pid) VALUES ({id}, 'a', 'r', 'running', 4321)"));
}

#[test]
fn f39_a_bad_row_is_named_and_harms_no_other() {
    for (set, column, says) in BAD {
        let database = Database::adopted("");
        running(&database, 1);
        running(&database, GOOD);
        database.program.run(&format!("UPDATE jobs SET {set} WHERE id = 1"));
        let BadRow { job, column: named, problem } = database.bad(1);
        assert_eq!((job, named.as_str()), (1.into(), column), "{set}: {problem}");
        assert!(problem.contains(says), "{set}: {problem}");
        assert!(problem.chars().count() < 200 && !problem.chars().any(char::is_control), "{set}: {problem}");

        let rows = database.store.load(&wanted(), &Cursor::default(), 10).unwrap().rows;
        let good: Vec<_> = rows.into_iter().flatten().collect();
        assert_eq!(good.len(), 1, "{set}");
        let settled = reaper_store::Claims::settle(&database.store, &[claim(&good[0], Settlement::Fail)]);
        assert_eq!(settled.unwrap(), [Outcome::Won], "{set}");
    }
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

/// A task that does not parse is reported with the job that belongs to it.
#[test]
fn a_bad_task_is_named() {
    for (set, column) in [
        ("stage = x'ff'", "tasks.stage"),
        ("reaper_stage_version = 'x'", "tasks.reaper_stage_version"),
        ("branch = x'ff'", "tasks.branch"),
        ("work_item_id = 1.5", "tasks.work_item_id"),
    ] {
        let database = Database::adopted(
            "INSERT INTO tasks (id, repo, stage) VALUES (1, 'r', 's');
             INSERT INTO jobs (id, agent, repo, status, task_id) VALUES (1, 'a', 'r', 'running', 1)",
        );
        // A column without an affinity keeps what is written.
        database.program.run(
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_master SET sql = replace(sql, 'work_item_id TEXT', 'work_item_id') WHERE name = 'tasks';
             PRAGMA writable_schema = RESET",
        );
        database.program.run(&format!("UPDATE tasks SET {set}"));
        assert_eq!(database.bad(1).column, column, "{set}");
        database.program.run("DELETE FROM tasks");
        let task = database.job(1).task.unwrap();
        assert_eq!((task.id, task.place), (1.into(), None), "a task that is gone is no bad row");
    }
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

/// However many rows that do not parse wait in front.
#[test]
fn a_take_looks_past_bad_rows() {
    let database = Database::adopted(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
         INSERT INTO jobs (agent, repo, attempts) SELECT 'a', 'r', 'x' FROM n;
         INSERT INTO jobs (id, agent, repo) VALUES (1000, 'a', 'r')",
    );
    let monitor = Launcher::free("here/b/1/2/3/4".parse().unwrap());
    assert_eq!(database.store.take(&Wants::Any, &monitor).unwrap().unwrap().job.attempt.job, GOOD.into());
    assert_eq!(database.store.take(&Wants::Any, &monitor).unwrap(), None);
    assert_eq!(database.store.take(&Wants::Job(1.into()), &monitor).unwrap(), None);
}

/// Figures for people count whatever stands in the status.
#[test]
fn a_census_counts_every_status() {
    let database = Database::adopted(
        "INSERT INTO jobs (agent, repo, status) VALUES ('a', 'r', 'running'), ('a', 'r', 'paused'), ('a', 'r', x'ff'),
            ('a', 'r', 'paused')",
    );
    let census = database.store.census().unwrap();
    let counts: Vec<_> = census.jobs.iter().map(|(status, n)| (status.as_str(), *n)).collect();
    assert_eq!(counts, [("`\u{fffd}` (1 bytes that are no UTF-8)", 1), ("paused", 2), ("running", 1)]);
    assert_eq!(census.oldest_running.unwrap().0, 1.into());
    assert_eq!(database.store.running(10).unwrap(), 1);
    assert_eq!(database.store.running(0).unwrap(), 0);
}
