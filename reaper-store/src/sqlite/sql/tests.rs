//! The texts as a golden file, and how SQLite goes about them.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection, connection::SimpleConnection as _,
    sql_query, sql_types::Text,
};

use super::{claims, instances, load, nodes, outbox, same, schema, worker};
use crate::{
    Schema as _,
    sqlite::{Options, SqliteStore},
};

fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    [load::ALL, claims::ALL, nodes::ALL, instances::ALL, outbox::ALL, same::ALL, worker::ALL, schema::ALL]
        .concat()
        .into_iter()
}

/// `UPDATE_GOLDEN=1` writes the file anew.
#[test]
fn the_texts_are_as_in_the_golden_file() {
    let mut texts = String::new();
    for (name, text) in all() {
        write!(texts, "-- {name}\n{text};\n\n").unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sqlite.sql");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &texts).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert!(golden == texts, "{} differs; run this test with UPDATE_GOLDEN=1 and read the change", path.display());
}

/// The statements that read a whole table, and why they may.
const WHOLE: [(&str, &str); 5] = [
    ("CENSUS", "figures about the whole table, for people"),
    ("HISTORY", "the latest events come first, and a limit ends it"),
    ("STALLED", "all tasks are looked at, for people"),
    ("REQUEUE_ALL_EVENTS", "somebody's explicit word, once"),
    ("REQUEUE_ALL", "somebody's explicit word, once"),
];

/// The statements that a pass runs when there is nothing to do.
const IDLE: [&str; 7] = ["VERSION", "OUTSET", "LOAD", "UPCOMING", "RUNNING", "ANY_DUE", "SETTING"];

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct Trigger {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    sql: String,
}

/// The owner's tables with an index of the owner's on the status, many rows, and their statistics: whatever may tempt
/// the planner.
fn database(folder: &Path) -> SqliteConnection {
    let path = folder.join("jobs.db");
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    // A foreign key of the owner's is searched for as the owner's indexes allow; that is not looked at here.
    let seed = include_str!("../../../tests/sqlite/seed.sql").replace(" REFERENCES tasks(id)", "");
    connection.batch_execute(&seed).unwrap();
    SqliteStore::open(&path, Options::default()).unwrap().migrate().unwrap();
    connection
        .batch_execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
             INSERT INTO tasks (repo, stage) SELECT 'shop', 'review' FROM n;
             INSERT INTO agent_runs (task_id, exit_code) SELECT id, CASE WHEN id % 7 = 0 THEN 0 END FROM tasks;
             INSERT INTO jobs (agent, repo, task_id, status, run_id, pid, started_at)
                SELECT 'developer', 'shop', id,
                    CASE WHEN id % 5 = 0 THEN 'done' WHEN id % 11 = 0 THEN 'queued' ELSE 'running' END,
                    id, id, datetime('now') FROM tasks;
             UPDATE jobs SET reaper_executor = 'here/b/1/' || id || '/1/1', reaper_monitor = 'here/b/1/2/2/2'
                WHERE id % 2 = 0;
             ANALYZE",
        )
        .unwrap();
    connection
}

fn plan(connection: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let steps = sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load::<Step>(connection);
    steps.unwrap_or_else(|error| panic!("{error}: {sql}")).into_iter().map(|step| step.detail).collect()
}

/// The steps that read one of the big tables from end to end, or an index of it that is not one of Reaper's small ones.
fn scans(plan: &[String]) -> Vec<&String> {
    let big = |table: &str| {
        let is_sub_query = plan.contains(&format!("CO-ROUTINE {table}"));
        ["jobs", "j", "o", "tasks", "t", "agent_runs", "r", "reaper_events"].contains(&table) && !is_sub_query
    };
    let is_scan = |detail: &&String| {
        let mut words = detail.split(' ');
        words.next() == Some("SCAN") && words.next().is_some_and(big) && !detail.contains("INDEX reaper_jobs_")
    };
    plan.iter().filter(is_scan).collect()
}

#[test]
fn no_statement_reads_a_whole_table_unless_it_must() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = database(folder.path());
    let (mut looked_at, mut whole) = (0, BTreeSet::new());
    for (name, text) in all() {
        if ["SELECT", "UPDATE", "INSERT", "DELETE"].iter().any(|verb| text.starts_with(verb)) {
            let plan = plan(&mut connection, text);
            looked_at += 1;
            if !scans(&plan).is_empty() {
                whole.insert(name);
            }
            assert!(
                scans(&plan).is_empty() || WHOLE.iter().any(|(known, _)| *known == name),
                "{name}:\n{}",
                plan.join("\n")
            );
        }
    }
    assert!(looked_at > 35, "{looked_at} statements were looked at");
    for idle in IDLE {
        assert!(all().any(|(name, _)| name == idle) && !whole.contains(idle), "{idle}");
    }
}

/// Each part of the load goes by an index of its own.
#[test]
fn a_load_goes_by_its_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(&mut database(folder.path()), super::LOAD);
    for (index, times) in [
        ("reaper_jobs_exit (reaper_exit_at=? AND id>?)", 1),
        ("reaper_jobs_exit (reaper_exit_at>? AND reaper_exit_at<?)", 1),
        ("reaper_jobs_exit (reaper_exit_at>?)", 1),
        ("reaper_jobs_age (reaper_started_at=? AND id>?)", 1),
        ("reaper_jobs_age (reaper_started_at>? AND reaper_started_at<?)", 1),
        ("reaper_jobs_age (reaper_started_at>?)", 1),
        ("reaper_jobs_beat (reaper_beat_at>? AND reaper_beat_at<?)", 1),
        ("reaper_jobs_late (id>?)", 1),
        ("reaper_jobs_executor (<expr>=? AND id>?)", 2),
        ("reaper_jobs_monitor (<expr>=? AND id>?)", 2),
        ("reaper_jobs_bare (id>?)", 1),
    ] {
        let found = plan.iter().filter(|step| step.contains(index)).count();
        assert_eq!(found, times, "{index}:\n{}", plan.join("\n"));
    }
    assert!(!plan.iter().any(|step| step.contains("idx_jobs_status")), "{}", plan.join("\n"));
}

/// What a trigger does costs the owner's statement no search through a table either.
#[test]
fn no_trigger_reads_a_whole_table() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = database(folder.path());
    let triggers = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'reaper%'";
    let triggers = sql_query(triggers).load::<Trigger>(&mut connection).unwrap();
    assert_eq!(triggers.len(), 9);
    for Trigger { name, sql } in triggers {
        let body = sql.split_once("BEGIN").unwrap().1.rsplit_once("END").unwrap().0;
        // The rows of the statement that fired it are single values.
        let body = body.replace("NEW.", ":new_").replace("OLD.", ":old_");
        for statement in body.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
            let plan = plan(&mut connection, statement);
            assert_eq!(scans(&plan), Vec::<&String>::new(), "{name}");
            assert!(plan.iter().any(|step| step.starts_with("SEARCH")), "{name}: {plan:?}");
        }
    }
}
