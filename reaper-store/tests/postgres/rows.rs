//! Rows that do not parse: each is reported by its column, and none hinders another.

use reaper_core::job::BadRow;
use reaper_store::{
    Attempts as _, Facts as _, Outcome, Schema as _, Settlement,
    attempts::{Launcher, NewTask, Wants},
    facts::{Cursor, Here, Wanted},
};

use crate::{both::claims::claim, database::Database};

/// What is written into a column of a running row, which column is named, and what the report says.
const BAD: [(&str, &str, &str); 20] = [
    ("status = 'pausiert'", "status", "`pausiert`"),
    ("agent = repeat('x', 300000)", "agent", "300000 bytes long"),
    ("repo = repeat('ж', 262144)", "repo", "524288 bytes long"),
    ("attempts = -1", "attempts", "-1, which is no count"),
    ("attempts = 4294967296", "attempts", "no count"),
    ("max_attempts = -2", "max_attempts", "no count"),
    ("pid = 0", "pid", "no process can have"),
    ("pid = -7", "pid", "-7"),
    ("pid = 4294967296", "pid", "no process can have"),
    ("reaper_fence = NULL", "reaper_fence", "run `reaper migrate`"),
    ("reaper_started_at = NULL", "reaper_started_at", "run `reaper migrate`"),
    ("reaper_started_at = 9223372036854775807", "reaper_started_at", "no instant"),
    ("reaper_exit_code = 2147483648, reaper_exit_at = 0", "agent_runs.exit_code", "no exit code"),
    ("reaper_exit_code = 0, reaper_exit_at = NULL", "reaper_exit_at", "is NULL"),
    ("reaper_executor = 'a process'", "reaper_executor", "is no process identity"),
    ("reaper_monitor = '5'", "reaper_monitor", "is no process identity"),
    ("reaper_attach = E'per\\u001b[31mhaps'", "reaper_attach", "`per\\u{1b}[31mhaps`"),
    ("reaper_beat = 1", "reaper_beat_at", "is NULL"),
    ("reaper_terminating_at = -9223372036854775808", "reaper_terminating_at", "no instant"),
    ("reaper_rescues = -3", "reaper_rescues", "no count"),
];

/// A row that holds such a value is not written by the owner's statement alone: the columns are as wide as they may be.
const WIDE: &str = "ALTER TABLE jobs ALTER attempts TYPE bigint; ALTER TABLE jobs ALTER max_attempts TYPE bigint;
    ALTER TABLE jobs ALTER pid TYPE bigint;";

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
    let database = Database::adopted(WIDE);
    for (set, column, says) in BAD {
        database.program.run("DELETE FROM jobs");
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

/// A task that does not parse is reported with the job that belongs to it.
#[test]
fn a_bad_task_is_named() {
    let database = Database::adopted(
        "INSERT INTO tasks (id, repo, stage) VALUES (1, 'r', 's');
         INSERT INTO jobs (id, agent, repo, status, task_id) VALUES (1, 'a', 'r', 'running', 1);
         ALTER TABLE tasks ALTER stage DROP NOT NULL; ALTER TABLE jobs DROP CONSTRAINT jobs_task_id_fkey",
    );
    for (set, column) in [("branch = repeat('x', 300000)", "tasks.branch"), ("stage = NULL", "tasks.stage")] {
        database.program.run(&format!("UPDATE tasks SET branch = NULL, stage = 's'; UPDATE tasks SET {set}"));
        assert_eq!(database.bad(1).column, column, "{set}");
    }
    database.program.run("DELETE FROM tasks");
    let task = database.job(1).task.unwrap();
    assert_eq!((task.id, task.place), (1.into(), None), "a task that is gone is no bad row");
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
    running(&database, 1);
    let fail = reaper_store::Claim { reason: "a\0b".into(), ..claim(&database.job(1), Settlement::Fail) };
    assert_eq!(reaper_store::Claims::settle(&database.store, &[fail]).unwrap(), [Outcome::Won]);
    let kept = database.program.text("SELECT reaper_last_error AS x FROM jobs");
    assert_eq!(kept.as_deref(), Some("a\u{fffd}b"));
}

/// However many rows that do not parse wait in front.
#[test]
fn a_take_looks_past_bad_rows() {
    let database = Database::adopted(
        "INSERT INTO jobs (agent, repo, attempts) SELECT 'a', 'r', -1 FROM generate_series(1, 100) AS n (i);
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
        "INSERT INTO jobs (agent, repo, status) VALUES ('a', 'r', 'running'), ('a', 'r', 'paused'), ('a', 'r', ''),
            ('a', 'r', 'paused')",
    );
    let census = database.store.census().unwrap();
    let counts: Vec<_> = census.jobs.iter().map(|(status, n)| (status.as_str(), *n)).collect();
    assert_eq!(counts, [("", 1), ("paused", 2), ("running", 1)]);
    assert_eq!(census.oldest_running.unwrap().0, 1.into());
    assert_eq!(database.store.running(10).unwrap(), 1);
    assert_eq!(database.store.running(0).unwrap(), 0);
}
