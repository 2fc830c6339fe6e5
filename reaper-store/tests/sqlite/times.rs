//! The times that SQLite's programs write, as the triggers read them: also in a program that has a zone of its own.

use std::process::Command;

use crate::{
    both::{
        times,
        triggers::{SLACK_MS, age_ms},
    },
    database::Database,
};

#[test]
fn beginnings_are_read_in_both_forms() {
    times::beginnings_are_read_in_both_forms(&[
        ("strftime('%Y-%m-%dT%H:%M:%f', 'now', '-100 seconds')", 100),
        ("strftime('%Y-%m-%d %H:%M:%f', 'now', '-100 seconds') || '+00:00'", 100),
        ("strftime('%Y-%m-%dT%H:%M:%S', 'now', '+2 hours', '-100 seconds') || '+02:00'", 100),
        ("2460000", 0),
        ("1700000000", 0),
        ("2460000.5", 0),
        ("x'fffe'", 0),
    ]);
}

#[test]
fn an_exit_shows_with_its_time_in_both_forms() {
    times::an_exit_shows_with_its_time_in_both_forms(&[("2460000", 0)]);
}

/// By its column's type SQLite compares a text with a number, which is less than any text.
#[test]
fn a_programs_zero_is_no_time_whatever_the_columns_type() {
    for kind in ["", "TEXT", "DATETIME", "TIMESTAMP", "DATE", "INTEGER"] {
        for zero in ["0001-01-01 00:00:00+00:00", "1970-01-01 00:00:00"] {
            let database = Database::seeded(&format!(
                "ALTER TABLE jobs DROP COLUMN started_at;
                 ALTER TABLE jobs ADD COLUMN started_at {kind};
                 ALTER TABLE agent_runs DROP COLUMN finished_at;
                 ALTER TABLE agent_runs ADD COLUMN finished_at {kind};
                 INSERT INTO agent_runs (id, exit_code, finished_at) VALUES (7, 1, '{zero}'), (8, NULL, NULL);
                 INSERT INTO jobs (id, agent, repo, status, run_id, started_at) VALUES (1, 'a', 'r', 'running', 7, '{zero}')"
            ));
            reaper_store::Schema::migrate(&database.store).unwrap();
            database.program.run(&format!(
                "INSERT INTO jobs (id, agent, repo, status, run_id, started_at) VALUES (2, 'a', 'r', 'running', 7, '{zero}'),
                    (3, 'a', 'r', 'queued', NULL, NULL), (4, 'a', 'r', 'running', NULL, NULL), (5, 'a', 'r', 'running', 8, NULL);
                 UPDATE jobs SET status = 'running', started_at = '{zero}', run_id = 7 WHERE id = 3;
                 UPDATE jobs SET started_at = '{zero}', run_id = 7 WHERE id = 4;
                 UPDATE agent_runs SET exit_code = 1, finished_at = '{zero}' WHERE id = 8"
            ));
            for (id, column) in (1..=5).flat_map(|id| [(id, "reaper_started_at"), (id, "reaper_exit_at")]) {
                let age =
                    age_ms(&database, column, id).unwrap_or_else(|| panic!("{kind}: no {column} of job {id}"));
                assert!(
                    (-1000..SLACK_MS).contains(&age),
                    "{kind}: {zero} as {column} of job {id} is {age} ms old"
                );
            }
        }
    }
}

/// Tells the child which of the zones it is in.
const ZONE: &str = "REAPER_TEST_ZONE";

/// A zone as the environment has it, and in it expressions of times with the age in seconds that they are read as.
type Zone = (&'static str, &'static str, &'static [(&'static str, i64)]);

const ZONES: [Zone; 3] = [
    (
        "west",
        "PST8PDT,M3.2.0,M11.1.0",
        &[
            ("datetime('now', 'localtime', '-100 seconds')", 100),
            ("strftime('%Y-%m-%dT%H:%M:%f', 'now', 'localtime', '-100 seconds')", 100),
            // It may be local, and would then lie ahead.
            ("datetime('now', '-100 seconds')", 0),
            ("strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-100 seconds')", 100),
            ("strftime('%Y-%m-%d %H:%M:%f', 'now', '+2 hours', '-100 seconds') || '+02:00'", 100),
            ("strftime('%Y-%m-%d %H:%M:%f', 'now', '-90 minutes', '-100 seconds') || ' -01:30'", 100),
            ("NULL", 0),
            ("'now'", 0),
            ("'2026-99-99 10:00:00'", 0),
            ("2460000", 0),
            ("1700000000", 0),
            ("''", 0),
        ],
    ),
    (
        "east",
        "<+09>-9",
        &[
            ("datetime('now', '-100 seconds')", 100),
            ("strftime('%Y-%m-%dT%H:%M:%f', 'now', '-100 seconds')", 100),
            // It may be UTC, and would then lie ahead, or be younger.
            ("datetime('now', 'localtime', '-100 seconds')", 0),
            ("datetime('now', 'localtime', '-9 hours', '-100 seconds')", 100),
            ("strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-100 seconds')", 100),
            ("strftime('%Y-%m-%d %H:%M:%f', 'now', '+9 hours', '-100 seconds') || '+09:00'", 100),
            ("'now'", 0),
            ("2460000.5", 0),
        ],
    ),
    (
        "utc",
        "UTC0",
        &[("datetime('now', '-100 seconds')", 100), ("datetime('now', 'localtime', '-100 seconds')", 100)],
    ),
];

/// A time without a zone is the program's or UTC: the later one, so that no ceiling and no grace is cut short, and never
/// the future. The triggers run in the program's process; this test is one for each zone.
#[test]
fn a_time_without_a_zone_is_never_older_than_it_may_be() {
    if let Ok(name) = std::env::var(ZONE) {
        let (.., times) = ZONES.into_iter().find(|(zone, ..)| *zone == name).expect("the zone is one of these");
        return read_in_this_zone(&name, times);
    }
    for (name, zone, _) in ZONES {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "times::a_time_without_a_zone_is_never_older_than_it_may_be", "--nocapture"])
            .env("TZ", zone)
            .env(ZONE, name)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        let cause = String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success() && said.contains("1 passed"), "{name}: {said}{cause}");
    }
}

fn read_in_this_zone(name: &str, times: &[(&str, i64)]) {
    let database = Database::adopted("");
    let program = &database.program;
    for (at, secs) in times {
        program.run(&format!(
            "REPLACE INTO agent_runs (id, exit_code, finished_at) VALUES (7, NULL, NULL), (8, NULL, NULL), (9, 1, {at});
             REPLACE INTO jobs (id, agent, repo, status, run_id, started_at) VALUES (1, 'a', 'r', 'running', 7, {at});
             REPLACE INTO jobs (id, agent, repo) VALUES (2, 'a', 'r');
             UPDATE jobs SET status = 'running', run_id = 9, started_at = {at} WHERE id = 2;
             REPLACE INTO jobs (id, agent, repo, status) VALUES (3, 'a', 'r', 'running');
             UPDATE jobs SET run_id = 9, started_at = {at} WHERE id = 3;
             REPLACE INTO jobs (id, agent, repo, status, run_id, started_at) VALUES (4, 'a', 'r', 'running', 9, {at});
             REPLACE INTO jobs (id, agent, repo, status, run_id, started_at) VALUES (5, 'a', 'r', 'running', 8, {at});
             UPDATE agent_runs SET exit_code = 1, finished_at = {at} WHERE id = 7;
             REPLACE INTO agent_runs (id, exit_code, finished_at) VALUES (8, 1, {at})"
        ));
        // One that was there before Reaper came.
        let adopted = Database::seeded(&format!(
            "INSERT INTO agent_runs (id, exit_code, finished_at) VALUES (9, 1, {at});
             INSERT INTO jobs (id, agent, repo, status, run_id, started_at) VALUES (6, 'a', 'r', 'running', 9, {at})"
        ));
        reaper_store::Schema::migrate(&adopted.store).unwrap();
        for (database, ids) in [(&database, 1..=5), (&adopted, 6..=6)] {
            for (id, column) in ids.flat_map(|id| [(id, "reaper_started_at"), (id, "reaper_exit_at")]) {
                let age = age_ms(database, column, id).unwrap_or_else(|| panic!("{at} gives no {column}"));
                let is_right = (secs * 1000 - 1000..secs * 1000 + SLACK_MS).contains(&age);
                assert!(is_right, "{name}: {at} as {column} of job {id} is {age} ms old, not {secs} s");
            }
        }
    }
    if name == "west" {
        // Half past one comes twice when the clocks are set back: it is the second one.
        program.run(
            "REPLACE INTO jobs (id, agent, repo, status, started_at) VALUES (1, 'a', 'r', 'running', '2025-11-02 01:30:00')",
        );
        let read = "SELECT reaper_started_at / 1000 - CAST(strftime('%s', '2025-11-02 09:30:00') AS INTEGER) AS x
            FROM jobs WHERE id = 1";
        assert_eq!(program.number(read), Some(0));
    }
}
