//! The times that other programs write, as the triggers read them.

use reaper_core::job::Exit;
use reaper_store::Schema as _;

use crate::{
    database::Database,
    triggers::{RUNNING, SLACK_MS, age_ms, assert_age},
};

#[test]
fn beginnings_are_read_in_both_forms() {
    let database = Database::adopted("");
    for (at, secs) in [
        ("now() - interval '100 seconds'", 100),
        ("to_char(now() AT TIME ZONE 'UTC' - interval '100 seconds', 'YYYY-MM-DD HH24:MI:SS')", 100),
        ("to_char(now() AT TIME ZONE 'UTC' - interval '100 seconds', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')", 100),
        ("to_char(now() AT TIME ZONE 'UTC' - interval '100 seconds', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')", 100),
        (
            "to_char(now() AT TIME ZONE 'UTC' - interval '100 seconds', 'YYYY-MM-DD HH24:MI:SS.MS') || '+00:00'",
            100,
        ),
        (
            "to_char(now() AT TIME ZONE 'UTC' - interval '100 seconds' + interval '2 hours', 'YYYY-MM-DD\"T\"HH24:MI:SS') || '+02:00'",
            100,
        ),
        (
            "to_char(now() AT TIME ZONE 'UTC' - interval '100 seconds' - interval '90 minutes', 'YYYY-MM-DD HH24:MI:SS') || ' -0130'",
            100,
        ),
        ("now() + interval '100 seconds'", 0),
        ("NULL", 0),
        ("'now'", 0),
        ("'infinity'", 0),
        ("'yesterday'", 0),
        ("'04/05/2026 10:00'", 0),
        ("'2026-99-99 10:00:00'", 0),
        ("'2026-02-30 10:00:00'", 0),
        ("'2026-02-28 24:00:00'", 0),
        ("'2026-02-28 10:00:00+99'", 0),
        ("'2026-02-28 10:00:00 UTC'", 0),
        ("'0000-00-00'", 0),
        ("'2460000'", 0),
        ("'1700000000'", 0),
        ("''", 0),
        ("repeat('2026-', 1000)", 0),
    ] {
        database.program.run(&format!(
            "DELETE FROM jobs WHERE id = 1; INSERT INTO jobs (id, agent, repo, status, started_at) VALUES (1, 'a', 'r', 'running', {at});
             DELETE FROM jobs WHERE id = 2; INSERT INTO jobs (id, agent, repo) VALUES (2, 'a', 'r');
             UPDATE jobs SET status = 'running', started_at = {at} WHERE id = 2;
             DELETE FROM jobs WHERE id = 3; INSERT INTO jobs (id, agent, repo, status) VALUES (3, 'a', 'r', 'running');
             UPDATE jobs SET started_at = {at} WHERE id = 3"
        ));
        for id in 1..=3 {
            let age = age_ms(&database, "reaper_started_at", id).unwrap_or_else(|| panic!("{at} gives NULL"));
            assert!((secs * 1000 - 1000..secs * 1000 + SLACK_MS).contains(&age), "{at} of job {id}: {age} ms");
        }
    }
}

#[test]
fn a_beginning_from_before_is_not_believed() {
    let database = Database::adopted(RUNNING);
    assert_age(&database, "reaper_started_at", 1, 100);
    database.program.run("UPDATE jobs SET status = 'queued'; UPDATE jobs SET status = 'running'");
    assert_age(&database, "reaper_started_at", 1, 0);
    // An ORM that writes all columns as they were changes nothing.
    let before = database.program.number("SELECT reaper_started_at AS x FROM jobs");
    database.program.run("UPDATE jobs SET status = status, pid = pid, run_id = run_id, started_at = started_at");
    assert_eq!(database.program.number("SELECT reaper_started_at AS x FROM jobs"), before);
}

#[test]
fn an_exit_shows_with_its_time_in_both_forms() {
    let database = Database::adopted("");
    for (at, secs) in [
        ("to_char(now() AT TIME ZONE 'UTC' - interval '50 seconds', 'YYYY-MM-DD HH24:MI:SS')", 50),
        ("to_char(now() AT TIME ZONE 'UTC' - interval '50 seconds', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')", 50),
        ("now() + interval '50 seconds'", 0),
        ("NULL", 0),
        ("'soon'", 0),
        ("'2460000'", 0),
    ] {
        database.program.run(&format!(
            "DELETE FROM agent_runs WHERE id = 7; INSERT INTO agent_runs (id, exit_code, finished_at) VALUES (7, NULL, NULL);
             DELETE FROM jobs WHERE id = 1; INSERT INTO jobs (id, agent, repo, status, run_id) VALUES (1, 'a', 'r', 'running', 7);
             UPDATE agent_runs SET exit_code = -9, finished_at = {at} WHERE id = 7;
             DELETE FROM jobs WHERE id = 2; INSERT INTO jobs (id, agent, repo, status, run_id) VALUES (2, 'a', 'r', 'running', 7);
             DELETE FROM jobs WHERE id = 3; INSERT INTO jobs (id, agent, repo, status) VALUES (3, 'a', 'r', 'running');
             UPDATE jobs SET run_id = 7 WHERE id = 3"
        ));
        for id in 1..=3 {
            assert_eq!(database.job(id).exit.map(|exit| exit.code), Some(-9), "{at} of job {id}");
            assert_age(&database, "reaper_exit_at", id, secs);
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
    database.program.run("UPDATE agent_runs SET finished_at = now() - interval '50 seconds'");
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
    database.program.run("UPDATE agent_runs SET finished_at = now() - interval '50 seconds'");
    assert_eq!(age_ms(&database, "reaper_exit_at", 1), None);
    database.program.run("UPDATE agent_runs SET exit_code = 0");
    assert_age(&database, "reaper_exit_at", 1, 50);
}

/// A time without a zone is the session's or UTC: the later one, so that no grace is cut short, and never the future.
#[test]
fn a_time_without_a_zone_is_never_older_than_it_may_be() {
    for (kind, zone, at, secs) in [
        ("timestamp", "UTC", "now()", 0),
        ("timestamp", "America/New_York", "now() - interval '100 seconds'", 100),
        ("timestamp", "America/New_York", "timezone('UTC', now()) - interval '100 seconds'", 0),
        ("timestamp", "Asia/Tokyo", "timezone('UTC', now()) - interval '100 seconds'", 100),
        ("timestamp", "Asia/Tokyo", "now() - interval '100 seconds'", 0),
        ("text", "Asia/Tokyo", "(timezone('UTC', now()) - interval '100 seconds')::text", 100),
        ("timestamptz", "Asia/Tokyo", "now() - interval '100 seconds'", 100),
        ("timestamptz", "UTC", "'infinity'", 0),
        ("timestamptz", "UTC", "'-infinity'", 0),
    ] {
        let database = Database::seeded(&format!(
            "ALTER TABLE jobs ALTER started_at TYPE {kind} USING NULL;
             ALTER TABLE agent_runs ALTER finished_at TYPE {kind} USING NULL"
        ));
        database.store.migrate().unwrap();
        database.program.run(&format!(
            "SET TIME ZONE '{zone}';
             INSERT INTO agent_runs (id, exit_code, finished_at) VALUES (7, 1, {at});
             INSERT INTO jobs (id, agent, repo, status, run_id, started_at) VALUES (1, 'a', 'r', 'running', 7, {at})"
        ));
        assert_age(&database, "reaper_started_at", 1, secs);
        assert_age(&database, "reaper_exit_at", 1, secs);
        // Our own take writes the owner's column whatever its type, and is read back as of now.
        database.program.run("UPDATE jobs SET status = 'queued'");
        let monitor = reaper_store::attempts::Launcher::free("here/b/1/2/3/4".parse().unwrap());
        let taken = reaper_store::Attempts::take(&database.store, &reaper_store::attempts::Wants::Any, &monitor);
        let taken = taken.unwrap().expect("the job is due");
        assert_age(&database, "reaper_started_at", 1, 0);
        reaper_store::Attempts::record_exit(&database.store, &taken.run, 0).map(|_recorded| ()).unwrap();
        assert_age(&database, "reaper_exit_at", 1, 0);
        let written = "SELECT started_at AS x FROM jobs";
        assert!(database.program.text(written).unwrap().starts_with("20"), "{kind}");
    }
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

#[test]
fn a_time_in_whole_seconds_is_the_end_of_its_second() {
    let database = Database::adopted(
        "INSERT INTO jobs (id, agent, repo, status, started_at)
         VALUES (1, 'a', 'r', 'running', '2026-01-02 03:04:05'),
                (2, 'a', 'r', 'running', '2026-01-02 03:04:05.250')",
    );
    let ms =
        |id| database.program.number(&format!("SELECT reaper_started_at % 60000 AS x FROM jobs WHERE id = {id}"));
    assert_eq!((ms(1), ms(2)), (Some(5_999), Some(5_250)), "no grace is cut short by a missing fraction");
    // What was written just now has not come to its second's end.
    database
        .program
        .run("INSERT INTO jobs (id, agent, repo, status, started_at) VALUES (3, 'a', 'r', 'running', now())");
    assert!(age_ms(&database, "reaper_started_at", 3).is_some_and(|age| age >= 0));
}
