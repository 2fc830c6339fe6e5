//! The texts as a golden file, and how PostgreSQL goes about them.

use std::{fmt::Write as _, path::Path};

use super::{claims, figures, instances, load, nodes, outbox, same, schema, worker};

fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    [
        load::ALL,
        figures::ALL,
        claims::ALL,
        nodes::ALL,
        instances::ALL,
        outbox::ALL,
        same::ALL,
        worker::ALL,
        schema::ALL,
    ]
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
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/postgres.sql");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &texts).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert!(golden == texts, "{} differs; run this test with UPDATE_GOLDEN=1 and read the change", path.display());
}

#[cfg(feature = "contract")]
mod plans {
    use std::collections::BTreeSet;

    use diesel::{
        PgConnection, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query,
        sql_types::Text,
    };

    use super::all;
    use crate::{
        contract::postgres::Database,
        postgres::{Options, connect},
    };

    /// The statements that read a whole table, and why they may.
    const WHOLE: [(&str, &str); 4] = [
        ("CENSUS", "figures about the whole table, for people"),
        ("STALLED", "all tasks are looked at, for people"),
        ("PRUNE_EVENTS", "most of the table may go, once in a while"),
        ("PRUNE_OUTBOX", "most of the table may go, once in a while"),
    ];

    /// The statements that a pass runs when there is nothing to do.
    const IDLE: [&str; 10] = [
        "CHECK",
        "OUTSET",
        "LOAD",
        "LOAD_HEALTHY_ON",
        "LOAD_WATCHED_ON",
        "LOAD_NAMED_ON",
        "LOAD_DUE_ON",
        "RUNNING",
        "ANY_DUE",
        "SETTING",
    ];

    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = Text)]
        #[diesel(column_name = "QUERY PLAN")]
        step: String,
    }

    /// A table of 20,000 jobs, an index of the owner's on the status, and the settings that a store has.
    fn database(statistics: &str) -> (Database, PgConnection) {
        let database = Database::migrated();
        let mut connection = connect(database.url(), Options::default()).unwrap();
        connection
            .batch_execute(&format!(
                "INSERT INTO tasks (repo, stage) SELECT 'shop', 'review' FROM generate_series(1, 5000);
                 INSERT INTO agent_runs (task_id, exit_code)
                    SELECT i % 5000 + 1, CASE WHEN i % 70 = 0 THEN 0 END FROM generate_series(1, 20000) i;
                 INSERT INTO jobs (agent, repo, task_id, status, run_id, pid, started_at)
                    SELECT 'developer', 'shop', i % 5000 + 1,
                        CASE WHEN i % 5 = 0 THEN 'done' WHEN i % 11 = 0 THEN 'queued' ELSE 'running' END,
                        i, i, now() FROM generate_series(1, 20000) i;
                 UPDATE jobs SET reaper_executor = 'here/b/1/' || id || '/1/1', reaper_monitor = 'here/b/1/2/2/2'
                    WHERE id % 2 = 0;
                 INSERT INTO reaper_events (id, at, job_id, actor, action, rule, reason, evidence)
                    SELECT i, i, i, 'reaper', 'fail', '', '', 'null' FROM generate_series(1, 20000) i;
                 INSERT INTO reaper_outbox (key, effect, state, created_at, due_at)
                    SELECT i::text, '', CASE WHEN i % 1000 = 0 THEN 'pending' ELSE 'done' END, i, i
                    FROM generate_series(1, 20000) i;
                 CREATE INDEX owner_status ON jobs (status);
                 {statistics}"
            ))
            .unwrap();
        (database, connection)
    }

    /// The type of a place by its name: within `unnest` all are lists.
    fn kind(name: &str, is_unnested: bool) -> &'static str {
        const TEXTS: &[&str] = &[
            "mode",
            "breaker",
            "host",
            "boot",
            "reaper",
            "agent",
            "monitor",
            "executor",
            "key",
            "note",
            "reason",
            "actor",
            "work_item",
            "repo",
            "branch",
            "stage",
            "source_key",
            "value",
            "instance",
            "version",
            "schema",
            "name",
            "lock_timeout",
            "statement_timeout",
            "idle",
            "status",
            "attach",
            "action",
            "rule",
            "from_status",
            "to_status",
            "evidence",
            "signature",
        ];
        match name {
            "keys" | "final_stages" | "lost_hosts" | "lost_prefixes" => "text[]",
            "jobs" | "ids" | "suspects" => "bigint[]",
            name if TEXTS.contains(&name) || name == "effect" => {
                if is_unnested {
                    "text[]"
                } else {
                    "text"
                }
            }
            _ if is_unnested => "bigint[]",
            _ => "bigint",
        }
    }

    /// A value for a place with which a load finds all it may: far limits in time, room for a hundred rows.
    fn value((name, kind): &(&str, &str)) -> String {
        match *kind {
            "text[]" | "bigint[]" => "'{}'".to_owned(),
            "text" => "''".to_owned(),
            _ if name.starts_with("limit_") => "100".to_owned(),
            _ if name.ends_with("_until") => i64::MAX.to_string(),
            _ => "0".to_owned(),
        }
    }

    /// A text with numbered places, their names and types.
    fn prepared(text: &'static str) -> (String, Vec<(&'static str, &'static str)>) {
        let form = crate::database::Form::new::<()>(text, &[]);
        let (mut sql, mut places) = (String::new(), Vec::new());
        for (before, name, _) in form.places() {
            sql.push_str(before);
            let inside = sql.rfind("unnest(").is_some_and(|at| !sql[at..].contains(')'));
            places.push((name, kind(name, inside)));
            sql.push_str(&format!("${}", places.len()));
        }
        sql.push_str(form.end());
        (sql, places)
    }

    fn types(places: &[(&str, &str)]) -> String {
        places.iter().map(|(_, kind)| *kind).collect::<Vec<_>>().join(", ")
    }

    /// The generic plan, which is the one that is used.
    fn plan(connection: &mut PgConnection, text: &'static str) -> String {
        let (sql, places) = prepared(text);
        let (types, nulls) = match places.len() {
            0 => (String::new(), String::new()),
            n => (format!("({})", types(&places)), format!("({})", vec!["NULL"; n].join(", "))),
        };
        connection
            .batch_execute(&format!("PREPARE looked_at{types} AS {sql}"))
            .unwrap_or_else(|error| panic!("{error}: {sql}"));
        let steps = sql_query(format!("EXPLAIN EXECUTE looked_at{nulls}")).load::<Step>(connection).unwrap();
        connection.batch_execute("DEALLOCATE looked_at").unwrap();
        steps.into_iter().map(|step| step.step + "\n").collect()
    }

    /// The big tables that a plan reads from end to end, or by an index that is not made for it.
    fn whole(plan: &str) -> Vec<&str> {
        let big = ["jobs", "tasks", "agent_runs", "reaper_events", "reaper_outbox"];
        let reads_all = |line: &&str| {
            let scan = big.iter().any(|table| {
                line.contains(&format!("Seq Scan on {table} ")) || line.ends_with(&format!("Seq Scan on {table}"))
            });
            scan || line.contains("owner_status")
        };
        plan.lines().filter(reads_all).collect()
    }

    #[test]
    fn no_statement_reads_a_whole_table_unless_it_must() {
        for statistics in ["", "ANALYZE"] {
            let (_database, mut connection) = database(statistics);
            let (mut looked_at, mut idle) = (0, BTreeSet::new());
            for (name, text) in all() {
                if !["SELECT", "UPDATE", "INSERT", "DELETE", "WITH"].iter().any(|verb| text.starts_with(verb)) {
                    continue;
                }
                // What puts every running job back may read every job: somebody's explicit word, once.
                if name == "REQUEUE_ALL" {
                    continue;
                }
                let plan = plan(&mut connection, text);
                looked_at += 1;
                assert!(
                    whole(&plan).is_empty() || WHOLE.iter().any(|(known, _)| *known == name),
                    "{name} ({statistics}):\n{plan}"
                );
                if IDLE.contains(&name) {
                    idle.insert(name);
                }
            }
            assert!(looked_at > 45, "{looked_at} statements were looked at");
            assert_eq!(idle.len(), IDLE.len());
        }
    }

    /// Each part of the load goes by an index of its own, and none sorts.
    #[test]
    fn a_load_goes_by_its_indexes() {
        for statistics in ["", "ANALYZE"] {
            let (_database, mut connection) = database(statistics);
            let plan = plan(&mut connection, super::super::LOAD);
            for (index, times) in [
                ("reaper_jobs_exit", 2),
                ("reaper_jobs_age", 2),
                ("reaper_jobs_beat", 1),
                ("reaper_jobs_late", 1),
                ("jobs_pkey", 1),
                ("reaper_jobs_executor", 2),
                ("reaper_jobs_monitor", 2),
                ("reaper_jobs_bare", 1),
            ] {
                let found = plan.matches(&format!("using {index} on")).count();
                assert_eq!(found, times, "{index} ({statistics}):\n{plan}");
            }
        }
    }

    /// A load writes nothing: no log, no transaction id, and all of it would do on a server that only reads.
    ///
    /// It is asked within its own transaction: the counters of the server count the other tests' too.
    #[test]
    fn a_load_takes_no_transaction_id_and_writes_no_log() {
        let (_database, mut connection) = database("ANALYZE");
        connection.batch_execute("VACUUM").unwrap();
        connection.batch_execute("BEGIN READ ONLY").unwrap();
        let (sql, places) = prepared(super::super::LOAD);
        connection.batch_execute(&format!("PREPARE looked_at ({}) AS {sql}", types(&places))).unwrap();
        let given: Vec<_> = places.iter().map(value).collect();
        let explain = format!("EXPLAIN (ANALYZE, WAL, BUFFERS) EXECUTE looked_at ({})", given.join(", "));
        let steps = sql_query(explain).load::<Step>(&mut connection).unwrap();
        let report: String = steps.into_iter().map(|step| step.step + "\n").collect();
        // It did find rows, or it would prove nothing.
        assert!(report.contains("rows=100 loops=1"), "{report}");
        assert!(!report.contains("WAL:"), "{report}");
        let taken = "SELECT coalesce(pg_current_xact_id_if_assigned()::text, 'none') AS \"QUERY PLAN\"";
        let taken = sql_query(taken).get_result::<Step>(&mut connection).unwrap().step;
        assert_eq!(taken, "none");
    }
}
