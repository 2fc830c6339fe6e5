//! A database of its own for each test, and a program beside the store that knows nothing of Reaper: plain SQL through
//! a connection of its own.

use std::{
    fmt::Display,
    sync::{Mutex, MutexGuard},
};

use diesel::PgConnection;
use reaper_store::{
    contract::postgres::Database as Own,
    postgres::{Options, PostgresStore, connect},
};

/// The tables of a program that has its jobs from before Reaper.
pub(crate) const SEED: &str = include_str!("seed.sql");

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

    /// Every row and column of every table, as one text.
    pub(crate) fn dump_all(&self) -> String {
        self.dump_of("c.relname <> 'reaper_migrations'", "true")
    }

    /// The rows of some tables (a condition on `pg_class c`), in some columns (a condition on `pg_attribute a`).
    pub(crate) fn dump_of(&self, tables: &str, columns: &str) -> String {
        let tables = self.texts(&format!(
            "SELECT c.relname || '|' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS x
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
             WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
                AND {tables} AND {columns} GROUP BY c.relname ORDER BY c.relname"
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
