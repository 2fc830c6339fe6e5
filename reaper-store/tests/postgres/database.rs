//! A database of its own for each test, and a program beside the store that knows nothing of Reaper: plain SQL through
//! a connection of its own.

use std::{
    fmt::Display,
    sync::{Mutex, MutexGuard},
};

use diesel::PgConnection;
pub(crate) use reaper_store::postgres::Options;
use reaper_store::{
    contract::postgres::Database as Own,
    postgres::{PostgresStore, connect},
};

/// The tables of a program that has its jobs from before Reaper.
pub(crate) const SEED: &str = include_str!("seed.sql");

/// Sets where the ids of the seed's tables go on: after the last one that was given.
pub(crate) const IDS_GO_ON: &str = "SELECT setval('tasks_id_seq', max(id)) FROM tasks;
    SELECT setval('agent_runs_id_seq', max(id)) FROM agent_runs; SELECT setval('jobs_id_seq', max(id)) FROM jobs;";

/// The milliseconds of the clock.
pub(crate) const CLOCK_MS: &str = "floor(extract(epoch FROM clock_timestamp()) * 1000)";

/// Now, as the program writes it.
pub(crate) const NOW: &str = "now()";

/// So many seconds ago, as the program writes it.
pub(crate) fn ago(secs: u64) -> String {
    format!("(now() - interval '{secs} seconds')")
}

/// The same with a `T` and a `Z`.
pub(crate) fn zulu_ago(secs: u64) -> String {
    format!("to_char(now() AT TIME ZONE 'UTC' - interval '{secs} seconds', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
}

/// In so many seconds.
pub(crate) fn ahead(secs: u64) -> String {
    format!("(now() + interval '{secs} seconds')")
}

/// A table of the numbers `i` from 1 to this.
pub(crate) fn series(last: i64) -> String {
    format!("generate_series(1, {last}) AS n (i)")
}

/// Puts a row in the place of the one that may have its id.
pub(crate) fn replace(table: &str, id: impl Display, columns: &str, values: &str) -> String {
    format!("DELETE FROM {table} WHERE id = {id}; INSERT INTO {table} (id, {columns}) VALUES ({id}, {values})")
}

/// Makes a trigger of the owner's that refuses what is done where this holds.
pub(crate) fn refuses(name: &str, what: &str, when: &str, says: &str) -> String {
    format!(
        "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{says}'; END $$;
         CREATE TRIGGER {name} BEFORE {what} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION {name}()"
    )
}

/// Drops a trigger of a table.
pub(crate) fn drop_trigger(name: &str, table: &str) -> String {
    format!("DROP TRIGGER {name} ON {table}")
}

/// A database with a store and a program on it.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) store: PostgresStore,
    pub(crate) program: Program,
    own: Own,
}

impl Database {
    fn on(own: Own) -> Self {
        Self { store: own.open(Options::default()), program: Program::on(own.url()), own }
    }

    /// One that Reaper has created.
    pub(crate) fn created() -> Self {
        Self::on(Own::migrated())
    }

    /// One that another program has created and filled, and nobody has prepared.
    pub(crate) fn seeded(rows: &str) -> Self {
        let database = Self::on(Own::empty());
        database.program.run(&format!("{SEED} {rows}"));
        database
    }

    /// One that holds these tables and rows.
    pub(crate) fn with(schema: &str) -> Self {
        let database = Self::on(Own::empty());
        database.program.run(schema);
        database
    }

    pub(crate) fn url(&self) -> &str {
        self.own.url()
    }

    pub(crate) fn name(&self) -> &str {
        self.own.name()
    }

    /// Another store on it.
    pub(crate) fn open(&self, options: Options) -> PostgresStore {
        self.own.open(options)
    }
}

/// A program without Reaper.
pub(crate) struct Program(Mutex<PgConnection>);

impl Program {
    pub(crate) fn on(url: &str) -> Self {
        Self(Mutex::new(connect(url, Options::default()).unwrap()))
    }

    pub(crate) fn connection(&self) -> MutexGuard<'_, PgConnection> {
        self.0.lock().unwrap()
    }

    /// The owner's part of the schema: columns, indexes, triggers, functions.
    pub(crate) fn owners_schema(&self) -> Vec<Option<String>> {
        self.texts(
            "SELECT x FROM (
                SELECT 'column ' || c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) AS x
                    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                    WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
                UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
                UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
                UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
             ) AS s WHERE x NOT LIKE '%reaper%' ORDER BY x",
        )
    }

    /// How much bears Reaper's name.
    pub(crate) fn ours(&self) -> Option<i64> {
        self.number(
            "SELECT (SELECT count(*) FROM pg_class WHERE relname LIKE '%reaper%')
                + (SELECT count(*) FROM pg_proc WHERE proname LIKE '%reaper%')
                + (SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%reaper%')
                + (SELECT count(*) FROM pg_attribute WHERE attname LIKE 'reaper%' AND NOT attisdropped) AS x",
        )
    }

    /// Every row and column of every table, as one text.
    pub(crate) fn dump_all(&self) -> String {
        self.dump_of("name <> 'reaper_migrations'", "true")
    }

    /// The rows of some tables, in some of their columns: each a condition on the `name`.
    pub(crate) fn dump_of(&self, tables: &str, columns: &str) -> String {
        let tables = self.texts(&format!(
            "WITH all_tables AS (SELECT oid, relname AS name FROM pg_class
                WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace),
             all_columns AS (SELECT attrelid, attnum, attname AS name FROM pg_attribute
                WHERE attnum > 0 AND NOT attisdropped)
             SELECT t.name || '|' || string_agg(quote_ident(c.name), ', ' ORDER BY c.attnum) AS x
             FROM (SELECT * FROM all_tables WHERE {tables}) AS t
                JOIN (SELECT * FROM all_columns WHERE {columns}) AS c ON c.attrelid = t.oid
             GROUP BY t.name ORDER BY t.name"
        ));
        let mut dump = String::new();
        for table in tables.into_iter().flatten() {
            let (table, columns) = table.split_once('|').unwrap();
            let rows = self.texts(&format!(
                "SELECT to_jsonb(r)::text AS x FROM (SELECT {columns} FROM {table}) AS r ORDER BY 1"
            ));
            for row in rows.into_iter().flatten() {
                dump.push_str(&format!("{table}: {row}\n"));
            }
        }
        dump
    }
}
