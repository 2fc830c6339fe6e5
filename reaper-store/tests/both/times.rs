//! The times that other programs write, as the triggers read them.

use reaper_core::job::Exit;

use crate::{
    both::triggers::{SLACK_MS, age_ms, assert_age, running},
    database::{Database, NOW, ago, ahead, replace, zulu_ago},
};

/// Beginnings, each with the age in seconds that it is read as, and more of them in the words of this database.
pub(crate) fn beginnings_are_read_in_both_forms(more: &[(&str, i64)]) {
    let database = Database::adopted("");
    for (at, secs) in [
        ("NULL", 0),
        (&ago(100), 100),
        (&zulu_ago(100), 100),
        (&ahead(100), 0),
        ("'now'", 0),
        ("'yesterday'", 0),
        ("'04/05/2026 10:00'", 0),
        ("'2026-99-99 10:00:00'", 0),
        ("'2460000'", 0),
        ("'1700000000'", 0),
        ("''", 0),
        // The zeros of programs.
        ("'0001-01-01 00:00:00'", 0),
        ("'0001-01-01T00:00:00Z'", 0),
        ("'1970-01-01 00:00:00'", 0),
        ("'1970-01-01T00:00:00+00:00'", 0),
    ]
    .iter()
    .chain(more)
    {
        let written = [
            replace("jobs", 1, "agent, repo, status, started_at", &format!("'a', 'r', 'running', {at}")),
            replace("jobs", 2, "agent, repo", "'a', 'r'"),
            format!("UPDATE jobs SET status = 'running', started_at = {at} WHERE id = 2"),
            replace("jobs", 3, "agent, repo, status", "'a', 'r', 'running'"),
            format!("UPDATE jobs SET started_at = {at} WHERE id = 3"),
        ];
        database.program.run(&written.join("; "));
        for id in 1..=3 {
            let age = age_ms(&database, "reaper_started_at", id).unwrap_or_else(|| panic!("{at} gives NULL"));
            assert!((secs * 1000 - 1000..secs * 1000 + SLACK_MS).contains(&age), "{at} of job {id}: {age} ms");
        }
    }
}

#[test]
fn a_beginning_from_before_is_not_believed() {
    let database = Database::adopted(&running());
    assert_age(&database, "reaper_started_at", 1, 100);
    database.program.run("UPDATE jobs SET status = 'queued'; UPDATE jobs SET status = 'running'");
    assert_age(&database, "reaper_started_at", 1, 0);
    // An ORM that writes all columns as they were changes nothing.
    let before = database.program.number("SELECT reaper_started_at AS x FROM jobs");
    database.program.run("UPDATE jobs SET status = status, pid = pid, run_id = run_id, started_at = started_at");
    assert_eq!(database.program.number("SELECT reaper_started_at AS x FROM jobs"), before);
}

/// Exits, each with the age in seconds that its time is read as, and more of them in the words of this database.
pub(crate) fn an_exit_shows_with_its_time_in_both_forms(more: &[(&str, i64)]) {
    let database = Database::adopted("");
    for (at, secs) in [
        ("NULL", 0),
        (&ago(50), 50),
        (&zulu_ago(50), 50),
        (&ahead(50), 0),
        ("'soon'", 0),
        ("'2460000'", 0),
        ("'0001-01-01 00:00:00'", 0),
    ]
    .iter()
    .chain(more)
    {
        let written = [
            replace("agent_runs", 7, "exit_code, finished_at", "NULL, NULL"),
            replace("jobs", 1, "agent, repo, status, run_id", "'a', 'r', 'running', 7"),
            format!("UPDATE agent_runs SET exit_code = -9, finished_at = {at} WHERE id = 7"),
            replace("jobs", 2, "agent, repo, status, run_id", "'a', 'r', 'running', 7"),
            replace("jobs", 3, "agent, repo, status", "'a', 'r', 'running'"),
            "UPDATE jobs SET run_id = 7 WHERE id = 3".into(),
        ];
        database.program.run(&written.join("; "));
        for id in 1..=3 {
            assert_eq!(database.job(id).exit.map(|exit| exit.code), Some(-9), "{at} of job {id}");
            assert_age(&database, "reaper_exit_at", id, *secs);
        }
    }
}

#[test]
fn a_time_that_comes_one_statement_later_counts() {
    let database = Database::adopted(
        "INSERT INTO agent_runs (id) VALUES (7);
         INSERT INTO jobs (id, agent, repo, status, run_id) VALUES (1, 'a', 'r', 'running', 7)",
    );
    database.program.run("UPDATE agent_runs SET exit_code = 3");
    assert_age(&database, "reaper_exit_at", 1, 0);
    let seen = database.program.number("SELECT reaper_exit_at AS x FROM jobs");
    database.program.run("UPDATE agent_runs SET finished_at = 'unreadable'");
    assert_eq!(database.program.number("SELECT reaper_exit_at AS x FROM jobs"), seen, "the first sight stays");
    database.program.run(&format!("UPDATE agent_runs SET finished_at = {}", ago(50)));
    assert_age(&database, "reaper_exit_at", 1, 50);
    database.program.run("UPDATE agent_runs SET exit_code = NULL");
    assert_eq!(database.job(1).exit, None);
    assert_eq!(age_ms(&database, "reaper_exit_at", 1), None);
}

#[test]
fn a_time_before_the_exit_waits_for_it() {
    let database = Database::adopted(
        "INSERT INTO agent_runs (id) VALUES (7);
         INSERT INTO jobs (id, agent, repo, status, run_id) VALUES (1, 'a', 'r', 'running', 7)",
    );
    database.program.run(&format!("UPDATE agent_runs SET finished_at = {}", ago(50)));
    assert_eq!(age_ms(&database, "reaper_exit_at", 1), None);
    database.program.run("UPDATE agent_runs SET exit_code = 0");
    assert_age(&database, "reaper_exit_at", 1, 50);
}

#[test]
fn an_exit_is_compared_to_the_millisecond_with_what_the_store_reads() {
    let database = Database::adopted(
        "INSERT INTO agent_runs (id) VALUES (7);
         INSERT INTO jobs (id, agent, repo, status, run_id, started_at)
            VALUES (1, 'a', 'r', 'running', 7, '2026-05-04 10:00:00.123')",
    );
    database.program.run("UPDATE agent_runs SET exit_code = 4, finished_at = '2026-05-04T10:00:01.457Z'");
    let job = database.job(1);
    let at = |text: &str| text.parse().unwrap();
    assert_eq!(job.started_at, Some(at("2026-05-04T10:00:00.123Z")));
    assert_eq!(job.exit, Some(Exit { code: 4, at: at("2026-05-04T10:00:01.457Z") }));
}

/// So that no grace and no ceiling is cut short by what a program does not say.
#[test]
fn a_time_that_leaves_something_out_is_the_end_of_what_it_says() {
    for (at, within, expected) in [
        ("2026-01-02 03:04:05", 60_000, 5_999),
        ("2026-01-02 03:04:05.25", 60_000, 5_250),
        ("2026-01-02 03:04", 3_600_000, 299_999),
        ("2026-01-02T03:04Z", 3_600_000, 299_999),
        ("2026-01-02 03:04+02:00", 3_600_000, 299_999),
        // Whatever the zone is.
        ("2026-01-02", 900_000, 899_999),
    ] {
        let run = format!("agent_runs (id, exit_code, finished_at) VALUES (7, 1, '{at}')");
        let job = format!(
            "jobs (id, agent, repo, status, run_id, started_at) VALUES (1, 'a', 'r', 'running', 7, '{at}')"
        );
        let insert = format!("INSERT INTO {run}; INSERT INTO {job}");
        let adopted = Database::adopted(&insert);
        let seen = Database::adopted("");
        seen.program.run(&insert);
        let recorded = Database::adopted(
            "INSERT INTO agent_runs (id) VALUES (7);
             INSERT INTO jobs (id, agent, repo, status, run_id) VALUES (1, 'a', 'r', 'running', 7)",
        );
        recorded.program.run(&format!(
            "UPDATE jobs SET started_at = '{at}'; UPDATE agent_runs SET exit_code = 1, finished_at = '{at}'"
        ));
        for database in [adopted, seen, recorded] {
            for column in ["reaper_started_at", "reaper_exit_at"] {
                let ms = database.program.number(&format!("SELECT {column} % {within} AS x FROM jobs"));
                assert_eq!(ms, Some(expected), "{at} as {column}");
            }
        }
    }
}

#[test]
fn a_time_in_whole_seconds_has_not_come_to_the_end_of_its_second() {
    let database = Database::adopted("");
    database.program.run(&format!(
        "INSERT INTO jobs (id, agent, repo, status, started_at) VALUES (1, 'a', 'r', 'running', {NOW})"
    ));
    assert!(age_ms(&database, "reaper_started_at", 1).is_some_and(|age| age >= 0));
}
