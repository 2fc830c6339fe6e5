//! Rows that do not parse: each is reported by its column, and none hinders another.

use reaper_core::job::BadRow;
use reaper_store::{
    Attempts as _, Claims as _, Facts as _, Outcome, Settlement,
    attempts::{Launcher, Wants},
    facts::{Cursor, Here, Wanted},
};

use crate::{
    both::{claims::claim, errors::everything},
    database::{Database, series},
};

/// What is written into a column of a running row, which column is named, and what the report says.
pub(crate) type Bad = (&'static str, &'static str, &'static str);

const BAD: [Bad; 18] = [
    ("status = 'pausiert'", "status", "`pausiert`"),
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
    ("reaper_attach = 'perhaps'", "reaper_attach", "`perhaps`"),
    ("reaper_beat = 1", "reaper_beat_at", "is NULL"),
    ("reaper_terminating_at = -9223372036854775808", "reaper_terminating_at", "no instant"),
    ("reaper_rescues = -3", "reaper_rescues", "no count"),
];

const GOOD: i64 = 1_000;

fn wanted() -> Wanted {
    let here = Some(Here { host: "here".into(), bare_pids: true, since: None });
    Wanted { suspects: vec![GOOD.into()], here, ..everything() }
}

pub(crate) fn running(database: &Database, id: i64) {
    database
        .program
        .run(&format!("INSERT INTO jobs (id, agent, repo, status, pid) VALUES ({id}, 'a', 'r', 'running', 4321)"));
}

/// Of [`BAD`] and what more this database can hold, once this has made its columns as wide as they may be.
pub(crate) fn a_bad_row_is_named_and_harms_no_other(wide: &str, more: &[Bad]) {
    let database = Database::adopted(wide);
    for (set, column, says) in BAD.iter().chain(more) {
        database.program.run("DELETE FROM jobs");
        running(&database, 1);
        running(&database, GOOD);
        database.program.run(&format!("UPDATE jobs SET {set} WHERE id = 1"));
        let BadRow { job, column: named, problem } = database.bad(1);
        assert_eq!((job, named.as_str()), (1.into(), *column), "{set}: {problem}");
        assert!(problem.contains(says), "{set}: {problem}");
        assert!(problem.chars().count() < 200 && !problem.chars().any(char::is_control), "{set}: {problem}");

        let rows = database.store.load(&wanted(), &Cursor::default(), 10).unwrap().rows;
        let good: Vec<_> = rows.into_iter().flatten().collect();
        assert_eq!(good.len(), 1, "{set}");
        let settled = database.store.settle(&[claim(&good[0], Settlement::Fail)]).unwrap();
        assert_eq!(settled, [Outcome::Won], "{set}");
    }
}

/// A task that does not parse is reported with the job that belongs to it. A statement of the caller's lets the columns hold
/// what is written.
pub(crate) fn a_bad_task_is_named(loose: &str, bad: &[(&str, &str)]) {
    for (set, column) in bad {
        let database = Database::adopted(
            "INSERT INTO tasks (id, repo, stage) VALUES (1, 'r', 's');
             INSERT INTO jobs (id, agent, repo, status, task_id) VALUES (1, 'a', 'r', 'running', 1)",
        );
        database.program.run(loose);
        database.program.run(&format!("UPDATE tasks SET {set}"));
        assert_eq!(database.bad(1).column, *column, "{set}");
        database.program.run("DELETE FROM tasks");
        let task = database.job(1).task.unwrap();
        assert_eq!((task.id, task.place), (1.into(), None), "a task that is gone is no bad row");
    }
}

/// However many rows that do not parse, by these attempts, wait in front.
pub(crate) fn a_take_looks_past_bad_rows(attempts: &str) {
    let numbers = series(100);
    let database = Database::adopted(&format!(
        "INSERT INTO jobs (agent, repo, attempts) SELECT 'a', 'r', {attempts} FROM {numbers};
         INSERT INTO jobs (id, agent, repo) VALUES (1000, 'a', 'r')"
    ));
    let monitor = Launcher::free("here/b/1/2/3/4".parse().unwrap());
    assert_eq!(database.store.take(&Wants::Any, &monitor).unwrap().unwrap().job.attempt.job, GOOD.into());
    assert_eq!(database.store.take(&Wants::Any, &monitor).unwrap(), None);
    assert_eq!(database.store.take(&Wants::Job(1.into()), &monitor).unwrap(), None);
}

/// Figures for people count whatever stands in the status: also this, which they show so.
pub(crate) fn a_census_counts_every_status(status: &str, shown: &str) {
    let database = Database::adopted(&format!(
        "INSERT INTO jobs (agent, repo, status) VALUES ('a', 'r', 'running'), ('a', 'r', 'paused'), ('a', 'r', {status}),
            ('a', 'r', 'paused')"
    ));
    let census = database.store.census().unwrap();
    let counts: Vec<_> = census.jobs.iter().map(|(status, n)| (status.as_str(), *n)).collect();
    assert_eq!(counts, [(shown, 1), ("paused", 2), ("running", 1)]);
    assert_eq!(census.oldest_running.unwrap().0, 1.into());
    assert_eq!(database.store.running(10).unwrap(), 1);
    assert_eq!(database.store.running(0).unwrap(), 0);
}
