//! How SQLite goes about the statements of a pass on these very rows.

use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types::Text};

use super::rows::Rowed;

/// The statements of a pass that has nothing to do, and of its claims.
const STATEMENTS: [&str; 7] = ["OUTSET", "LOAD", "UPCOMING", "ANY_DUE", "SETTING", "CLAIM_REQUEUE", "CLAIM_DONE"];

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// Fails where one of them reads a table from end to end.
pub fn assert_indexed(rows: &Rowed) {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../reaper-store/tests/golden/sqlite.sql");
    let golden = std::fs::read_to_string(golden).unwrap();
    let mut connection = rows.connection();
    for name in STATEMENTS {
        let text = golden.split(&format!("-- {name}\n")).nth(1).and_then(|rest| rest.split(";\n").next());
        let text = text.unwrap_or_else(|| panic!("no statement {name}"));
        let plan: Vec<Step> = sql_query(format!("EXPLAIN QUERY PLAN {text}")).load(&mut connection).unwrap();
        assert!(!plan.is_empty(), "{name} has a plan");
        for Step { detail } in &plan {
            let scans = ["jobs", "j", "tasks", "t", "agent_runs", "reaper_events", "reaper_outbox"]
                .iter()
                .any(|table| detail == &format!("SCAN {table}") || detail.starts_with(&format!("SCAN {table} ")));
            assert!(!scans || detail.contains("INDEX reaper_"), "{name}: {detail}");
        }
    }
}
