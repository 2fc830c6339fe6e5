//! What happened to jobs while triggers were away, as after a table was rebuilt, and what a migration makes of it.

use std::time::Duration;

use reaper_core::{JobSnapshot, Status};
use reaper_store::{Claims as _, Outcome, Schema as _, Settlement};

use crate::{
    both::{claims::claim, triggers::age_ms},
    database::{Database, ago},
    lost::LOSE,
};

/// What is done to job 1, which runs under run 1 with the pid 11 since ten minutes.
struct Case {
    what: &'static str,
    /// While the triggers are there.
    before: &'static [&'static str],
    /// How it is settled then, if it is.
    settled: Option<Settlement>,
    /// While they are not.
    away: &'static [&'static str],
}

const fn case(what: &'static str, before: &'static [&'static str], away: &'static [&'static str]) -> Case {
    Case { what, before, settled: None, away }
}

const FAILED: [&str; 2] = [
    "UPDATE agent_runs SET exit_code = 1, finished_at = {500} WHERE id = 1",
    "UPDATE jobs SET status = 'failed' WHERE id = 1",
];

impl Case {
    /// The row, before and after the migration, and how old its beginning is then, in seconds.
    fn played(&self, lose: &str) -> (Database, JobSnapshot, JobSnapshot, i64) {
        let database = Database::adopted("");
        let run = |sql: &str| {
            let times = [50, 100, 500, 600].into_iter();
            let sql = times.fold(sql.to_owned(), |sql, secs| sql.replace(&format!("{{{secs}}}"), &ago(secs)));
            database.program.run(&sql);
        };
        run("INSERT INTO agent_runs (id) VALUES (1), (2);
             INSERT INTO jobs (id, agent, repo, status, attempts, run_id, pid, started_at)
                VALUES (1, 'a', 'r', 'running', 1, 1, 11, {600});
             UPDATE jobs SET reaper_executor = 'here/b/1/11/1/1', reaper_monitor = 'here/b/1/2/2/2', reaper_beat = 4,
                reaper_beat_at = 1");
        self.before.iter().for_each(|sql| run(sql));
        if let Some(settlement) = self.settled {
            let outcomes = database.store.settle(&[claim(&database.job(1), settlement)]).unwrap();
            assert_eq!(outcomes, [Outcome::Won], "{}", self.what);
        }
        let before = database.job(1);
        database.program.run(lose);
        self.away.iter().for_each(|sql| run(sql));
        assert_eq!(database.store.migrate().unwrap().len(), 1, "{}", self.what);
        let (after, age) = (database.job(1), age_ms(&database, "reaper_started_at", 1).unwrap_or(-1) / 1000);
        (database, before, after, age)
    }
}

/// How an attempt was begun meanwhile, with its pid and how many seconds ago that was.
fn taken_meanwhile() -> [(Case, Option<u32>, i64); 5] {
    let is_own = Some(12);
    [
        (
            case(
                "a failed job is retried, and taken with a run and a pid",
                &FAILED,
                &[
                    "UPDATE jobs SET status = 'queued'",
                    "UPDATE jobs SET status = 'running', run_id = 2, pid = 12, started_at = {100}",
                ],
            ),
            is_own,
            100,
        ),
        (
            case(
                "so it is where the beginning is the same",
                &FAILED,
                &["UPDATE jobs SET status = 'running', run_id = 2, pid = 12"],
            ),
            is_own,
            0,
        ),
        (
            case(
                "only its beginning is written",
                &FAILED,
                &["UPDATE jobs SET status = 'running', started_at = {100}"],
            ),
            None,
            100,
        ),
        (
            case(
                "the exit of the one before came meanwhile",
                &[],
                &[
                    FAILED[0],
                    "UPDATE jobs SET status = 'queued'",
                    "UPDATE jobs SET status = 'running', started_at = {100}",
                ],
            ),
            None,
            100,
        ),
        (
            Case {
                settled: Some(Settlement::Fail),
                ..case("what was settled runs again", &FAILED[..1], &["UPDATE jobs SET status = 'running'"])
            },
            None,
            0,
        ),
    ]
}

/// An attempt that was begun while no trigger saw it is one of its own: nothing of the one before is told of it.
#[test]
fn what_was_taken_while_they_were_away_is_another_attempt() {
    for (lose, (case, pid, age)) in LOSE.into_iter().flat_map(|lose| taken_meanwhile().map(|case| (lose, case))) {
        let (database, before, after, began) = case.played(lose);
        let what = case.what;
        assert_ne!(after.attempt.fence, before.attempt.fence, "{what}");
        assert_eq!((after.status, after.exit, after.pid), (Status::Running, None, pid), "{what}");
        assert_eq!((after.executor, after.monitor, after.beat), (None, None, None), "{what}");
        assert!((age - 1..age + 60).contains(&began), "{what}: it began {began} s ago, not {age}");
        // Its own exit is seen.
        database.program.run("UPDATE jobs SET run_id = 2; UPDATE agent_runs SET exit_code = 7 WHERE id = 2");
        assert_eq!(database.job(1).exit.map(|exit| exit.code), Some(7), "{what}");
    }
}

/// An exit that no trigger saw is made up for.
#[test]
fn an_exit_that_was_recorded_while_they_were_away_shows() {
    for lose in LOSE {
        const EXIT: &[&str] = &["UPDATE agent_runs SET exit_code = 3, finished_at = {50} WHERE id = 1"];
        let (database, before, after, _) = case("an exit", &[], EXIT).played(lose);
        assert_eq!((after.exit.map(|exit| exit.code), after.run, after.pid), (Some(3), before.run, Some(11)));
        let age = age_ms(&database, "reaper_exit_at", 1).unwrap() / 1000;
        assert!((49..110).contains(&age), "{age} s");
    }
}

/// What agrees with itself goes on: nothing of it is changed, and whoever knows its fence is heard.
#[test]
fn what_agrees_with_itself_goes_on() {
    for lose in LOSE {
        for case in [
            case("nothing is written", &[], &[]),
            case("its exit was seen before", &FAILED[..1], &[]),
            case("its beginning cannot be read", &["UPDATE jobs SET started_at = NULL"], &[]),
            case(
                "its run is the one before's",
                &[
                    FAILED[0],
                    "UPDATE jobs SET status = 'queued'",
                    "UPDATE jobs SET status = 'running', started_at = {50}",
                ],
                &[],
            ),
        ] {
            let (_, before, after, _) = case.played(lose);
            assert_eq!(after, before, "{}", case.what);
        }
    }
}

/// A job that waits again has no exit of the attempt before, but for a late finish.
#[test]
fn what_waits_shows_late_finishes_alone() {
    for lose in LOSE {
        const ZERO: &[&str] = &["UPDATE agent_runs SET exit_code = 0 WHERE id = 1"];
        let done = Case {
            settled: Some(Settlement::Done),
            ..case("done again", ZERO, &["UPDATE jobs SET status = 'queued'"])
        };
        let (_, _, after, _) = done.played(lose);
        assert_eq!((after.status, after.exit, after.executor), (Status::Queued, None, None));

        let requeue = Settlement::Requeue { wait: Duration::ZERO, rescue_cap: None };
        let late = Case { settled: Some(requeue), ..case("a late finish", &[], ZERO) };
        let (database, _, after, _) = late.played(lose);
        // No trigger has seen it. The next time one does.
        assert_eq!((after.status, after.exit), (Status::Queued, None));
        database
            .program
            .run("UPDATE agent_runs SET exit_code = NULL; UPDATE agent_runs SET exit_code = 0 WHERE id = 1");
        let before = database.job(1);
        assert!(before.is_late_finish());
        database.program.run(lose);
        assert_eq!(database.store.migrate().unwrap().len(), 1);
        assert_eq!(database.job(1), before);
    }
}

/// Any one of the triggers on jobs and runs counts, each lost by its statement, and nothing else that is lost.
pub(crate) fn each_of_them_counts(database: &Database, triggers: &[(String, String)]) {
    let spoilt = "UPDATE jobs SET reaper_exit_code = 9, reaper_exit_at = 1";
    database.program.run("INSERT INTO jobs (id, agent, repo, status) VALUES (1, 'a', 'r', 'running')");
    for (name, lose) in triggers {
        database.program.run(&format!("{spoilt}; {lose}"));
        assert_eq!(database.store.migrate().unwrap().len(), 1, "{name}");
        assert_eq!(database.job(1).exit, None, "{name}");
    }
    database.program.run(&format!("{spoilt}; DROP INDEX reaper_jobs_late"));
    assert_eq!(database.store.migrate().unwrap().len(), 1);
    assert_eq!(database.job(1).exit.map(|exit| exit.code), Some(9), "nothing says that a trigger was away");
}
