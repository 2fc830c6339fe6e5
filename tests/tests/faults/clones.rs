//! F37: two machines that call themselves by one name.

use reaper_tests::{
    database::Database,
    program::{Program, eventually},
};

use crate::{BINARY, Running, on_both};

/// What the other machine calls its boot.
const OTHER: &str = "11111111-2222-3333-4444-555555555555";

#[test]
fn f37_a_cloned_host_is_told_of_and_nothing_of_it_moves() {
    on_both(|database: Database| {
        let program = Program::on(BINARY, &database);
        let _migrated = program.run(&["migrate"]).ok();
        database.sql(&format!(
            "INSERT INTO reaper_nodes (host, boot, state, beat, beat_at, ttl_ms, reaper)
                VALUES ('cloned', '{OTHER}', 'up', 1, 0, 60000, 'cloned:1');
             INSERT INTO jobs (id, agent, repo, status) VALUES (1, 'a', 'r', 'running'), (2, 'a', 'r', 'running');
             UPDATE jobs SET reaper_executor = 'cloned/{OTHER}/4026531836/77/1/2', reaper_attach = 'done' WHERE id = 1;
             UPDATE jobs SET reaper_monitor = 'cloned/{OTHER}/4026531836/78/1/2', reaper_attach = 'pending' WHERE id = 2"
        ));
        let mut reaper = Running::on_host(&program, "cloned", &["node.ttl=60s"]);
        let told = "reaper_outbox WHERE key LIKE 'host_shared:%'";
        eventually("somebody is told that two machines share a name", || {
            // The other machine's reaper beats.
            database.sql(&format!("UPDATE reaper_nodes SET beat = beat + 1 WHERE boot = '{OTHER}'"));
            database.count(told) == 1
        });
        // Some more ticks with both of them beating.
        let beats =
            |boot: &str| database.value(&format!("SELECT beat FROM reaper_nodes WHERE boot {boot}")).unwrap();
        let before: i64 = beats(&format!("<> '{OTHER}'")).parse().unwrap();
        eventually("both go on", || {
            database.sql(&format!("UPDATE reaper_nodes SET beat = beat + 1 WHERE boot = '{OTHER}'"));
            beats(&format!("<> '{OTHER}'")).parse::<i64>().unwrap() > before + 5
        });
        assert!(reaper.is_running());
        let said = reaper.stop();
        assert!(said.contains("two machines share its name"), "{said}");
        assert_eq!(database.count(told), 1, "it is told once");
        assert_eq!(database.count("jobs WHERE status = 'running'"), 2);
        assert_eq!(database.count("reaper_events WHERE job_id IS NOT NULL"), 0);
    });
}
