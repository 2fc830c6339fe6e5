//! The times that PostgreSQL's programs write, as the triggers read them.

use reaper_store::{
    Attempts as _, Schema as _,
    attempts::{Launcher, Wants},
};

use crate::{
    both::{times, triggers::assert_age},
    database::Database,
};

#[test]
fn beginnings_are_read_in_both_forms() {
    times::beginnings_are_read_in_both_forms(&[
        ("to_char(now() AT TIME ZONE 'UTC' - interval '100 seconds', 'YYYY-MM-DD HH24:MI:SS')", 100),
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
        ("'infinity'", 0),
        ("'2026-02-30 10:00:00'", 0),
        ("'2026-02-28 24:00:00'", 0),
        ("'2026-02-28 10:00:00+99'", 0),
        ("'2026-02-28 10:00:00 UTC'", 0),
        ("'0000-00-00'", 0),
        ("repeat('2026-', 1000)", 0),
    ]);
}

#[test]
fn an_exit_shows_with_its_time_in_both_forms() {
    times::an_exit_shows_with_its_time_in_both_forms(&[(
        "to_char(now() AT TIME ZONE 'UTC' - interval '50 seconds', 'YYYY-MM-DD HH24:MI:SS')",
        50,
    )]);
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
        ("timestamptz", "UTC", "'0001-01-01 00:00:00+00'", 0),
        ("timestamptz", "Asia/Tokyo", "to_timestamp(0)", 0),
        ("timestamp", "America/New_York", "'0001-01-01 00:00:00'", 0),
        ("timestamp", "America/New_York", "'1970-01-01 00:00:00'", 0),
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
        let monitor = Launcher::free("here/b/1/2/3/4".parse().unwrap());
        let taken = database.store.take(&Wants::Any, &monitor).unwrap().expect("the job is due");
        assert_age(&database, "reaper_started_at", 1, 0);
        let _recorded = database.store.record_exit(&taken.run, 0).unwrap();
        assert_age(&database, "reaper_exit_at", 1, 0);
        let written = "SELECT started_at AS x FROM jobs";
        assert!(database.program.text(written).unwrap().starts_with("20"), "{kind}");
    }
}
