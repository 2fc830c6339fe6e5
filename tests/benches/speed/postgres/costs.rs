//! What the statements of an idle pass cost the server on these very rows: buffers, log, transaction ids.
//!
//! Each is asked within a transaction of its own. The counters of the server count whatever else it does, too.

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types::Text,
};

use super::rows::Rowed;
use crate::{parts::HERE, table::Case};

/// What a pass that has nothing to do reads, and no more buffers than that: a search in an index of a million rows is three,
/// and all sets are five searches.
const IDLE: [(&str, u64); 3] = [("OUTSET", 16), ("LOAD_DUE_ON", 16), ("LOAD_HEALTHY_ON", 16)];

/// The statements of a pass that must not read a table from end to end.
const INDEXED: [&str; 6] = ["OUTSET", "LOAD", "JOBS", "ANY_DUE", "CLAIM_REQUEUE", "CLAIM_DONE"];

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    #[diesel(column_name = "QUERY PLAN")]
    line: String,
}

/// Fails where a statement of a pass reads a table from end to end, or one of an idle pass writes anything. Answers with
/// the buffers of those.
pub fn assert_cheap(rows: &Rowed) -> Vec<Case> {
    let mut connection = rows.connection();
    for name in INDEXED {
        let plan = explained(&mut connection, name, "EXPLAIN");
        // The other tables are small here, and a small table is best read whole.
        assert!(!plan.contains("Seq Scan on jobs"), "{name}:\n{plan}");
    }
    let costs = IDLE.iter().map(|&(name, most)| {
        // Once before, so that the catalogue is at hand.
        explained(&mut connection, name, "EXPLAIN (ANALYZE)");
        let plan = explained(&mut connection, name, "EXPLAIN (ANALYZE, BUFFERS, WAL)");
        assert!(!plan.contains("WAL:"), "{name} writes to the log:\n{plan}");
        let buffers = buffers(&plan);
        eprintln!("postgres: {name} reads {buffers} buffers");
        assert!(buffers <= most, "{name} reads {buffers} buffers:\n{plan}");
        Case::Figure { name: format!("{name}, once"), value: buffers as f64, goal: most as f64, unit: "buffers" }
    });
    costs.collect()
}

/// What the root of a plan has read: the first line that tells, and none of what planning read.
fn buffers(plan: &str) -> u64 {
    let run = plan.split("\nPlanning").next().unwrap();
    let line = run.lines().find_map(|line| line.trim().strip_prefix("Buffers: shared"));
    let words = line.into_iter().flat_map(str::split_whitespace);
    words.filter_map(|word| word.split_once('=')?.1.parse::<u64>().ok()).sum()
}

/// A statement's plan, in a transaction that only reads and takes no id.
fn explained(connection: &mut PgConnection, name: &str, explain: &str) -> String {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../reaper-store/tests/golden/postgres.sql");
    let golden = std::fs::read_to_string(golden).unwrap();
    let text = golden.split(&format!("-- {name}\n")).nth(1).and_then(|rest| rest.split(";\n").next());
    let (text, types, values) = prepared(text.unwrap_or_else(|| panic!("no statement {name}")));
    let writes = text.starts_with("UPDATE");
    connection.batch_execute(if writes { "BEGIN" } else { "BEGIN READ ONLY" }).unwrap();
    connection
        .batch_execute(&format!("SET LOCAL plan_cache_mode = force_generic_plan; PREPARE asked {types} AS {text}"))
        .unwrap();
    let plan: Vec<Line> = sql_query(format!("{explain} EXECUTE asked {values}")).load(connection).unwrap();
    let taken = "SELECT coalesce(pg_current_xact_id_if_assigned()::text, 'none') AS \"QUERY PLAN\"";
    let taken: Line = sql_query(taken).get_result(connection).unwrap();
    assert_eq!(taken.line, "none", "{name} takes a transaction id");
    connection.batch_execute("ROLLBACK; DEALLOCATE asked").unwrap();
    plan.into_iter().map(|line| line.line + "\n").collect()
}

/// A text with numbered places, their types, and values as an idle pass has them.
fn prepared(text: &str) -> (String, String, String) {
    let (mut sql, mut types, mut values) = (String::new(), Vec::new(), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(':') {
        sql.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(after.len());
        let (name, tail) = after.split_at(end);
        if name.is_empty() {
            sql.push_str("::");
            rest = after.trim_start_matches(':');
            continue;
        }
        let is_list = sql.rfind("unnest(").is_some_and(|at| !sql[at..].contains(')'));
        let (kind, value) = place(name, is_list);
        types.push(kind.to_owned());
        values.push(value);
        sql.push_str(&format!("${}", types.len()));
        rest = tail;
    }
    sql.push_str(rest);
    let list =
        |words: Vec<String>| if words.is_empty() { String::new() } else { format!("({})", words.join(", ")) };
    (sql, list(types), list(values))
}

/// The type of a place by its name, and a value.
fn place(name: &str, is_list: bool) -> (&'static str, String) {
    match name {
        "mode" | "breaker" => ("text", format!("'{name}'")),
        "host" => ("text", format!("'{HERE}'")),
        "lost_hosts" | "lost_prefixes" => ("text[]", "'{}'".into()),
        "suspects" | "jobs" | "lost_whole" => ("bigint[]", "'{}'".into()),
        "status" | "attach" | "reason" if is_list => ("text[]", "'{}'".into()),
        _ if is_list => ("bigint[]", "'{}'".into()),
        name if name.starts_with("limit_") => {
            let is_wanted = !["suspects", "bare", "lost_executors", "lost_monitors"].contains(&&name[6..]);
            ("bigint", if is_wanted { "1000" } else { "0" }.into())
        }
        name if name.starts_with("after_") || name.starts_with("key_") => ("bigint", i64::MIN.to_string()),
        _ => ("bigint", "0".into()),
    }
}
