//! A SQLite file in a folder of its own, and a program beside the store that knows nothing of Reaper: plain SQL
//! through a connection of its own.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};

use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};
pub(crate) use reaper_store::sqlite::Options;
use reaper_store::{Schema as _, sqlite::SqliteStore};
use tempfile::TempDir;

/// The tables of a program that has its jobs from before Reaper.
pub(crate) const SEED: &str = include_str!("seed.sql");

/// Sets where the ids of the seed's tables go on: here they go on after the last one by themselves.
pub(crate) const IDS_GO_ON: &str = "";

/// The milliseconds of the clock, to the nearest one as the triggers have them.
pub(crate) const CLOCK_MS: &str = "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)";

/// Now, as the program writes it.
pub(crate) const NOW: &str = "datetime('now')";

/// So many seconds ago, as the program writes it.
pub(crate) fn ago(secs: u64) -> String {
    format!("datetime('now', '-{secs} seconds')")
}

/// The same with a `T` and a `Z`.
pub(crate) fn zulu_ago(secs: u64) -> String {
    format!("strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-{secs} seconds')")
}

/// In so many seconds.
pub(crate) fn ahead(secs: u64) -> String {
    format!("datetime('now', '+{secs} seconds')")
}

/// A table of the numbers `i` from 1 to this.
pub(crate) fn series(last: i64) -> String {
    format!(
        "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {last}) SELECT i FROM n) AS n"
    )
}

/// Puts a row in the place of the one that may have its id.
pub(crate) fn replace(table: &str, id: impl Display, columns: &str, values: &str) -> String {
    format!("REPLACE INTO {table} (id, {columns}) VALUES ({id}, {values})")
}

/// Makes a trigger of the owner's that refuses what is done where this holds.
pub(crate) fn refuses(name: &str, what: &str, when: &str, says: &str) -> String {
    format!("CREATE TRIGGER {name} BEFORE {what} WHEN {when} BEGIN SELECT RAISE(ABORT, '{says}'); END")
}

/// Drops a trigger of a table.
pub(crate) fn drop_trigger(name: &str, _table: &str) -> String {
    format!("DROP TRIGGER {name}")
}

/// A prepared database.
#[derive(Debug)]
pub(crate) struct Database {
    folder: TempDir,
    pub(crate) store: SqliteStore,
    pub(crate) program: Program,
}

impl Database {
    /// One that Reaper has created.
    pub(crate) fn created() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let store = SqliteStore::create_or_open(&path, Options::default()).unwrap();
        store.migrate().unwrap();
        Self { store, program: Program::on(&path), folder }
    }

    /// One that another program has created and filled, and nobody has prepared.
    pub(crate) fn seeded(rows: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let program = Program::on(&path);
        program.run(SEED);
        program.run(rows);
        let store = SqliteStore::open(&path, Options::default()).unwrap();
        Self { store, program, folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("jobs.db")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Another store on the same file.
    pub(crate) fn open(&self, options: Options) -> SqliteStore {
        SqliteStore::open(&self.path(), options).unwrap()
    }
}

/// A program without Reaper.
pub(crate) struct Program(Mutex<SqliteConnection>);

impl Program {
    pub(crate) fn on(path: &Path) -> Self {
        let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        // As in an SQLite that is built without options: foreign keys are not enforced.
        connection.batch_execute("PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = OFF").unwrap();
        Self(Mutex::new(connection))
    }

    pub(crate) fn connection(&self) -> MutexGuard<'_, SqliteConnection> {
        self.0.lock().unwrap()
    }

    /// The owner's part of the schema, as it stands in the file.
    pub(crate) fn owners_schema(&self) -> Vec<Option<String>> {
        self.texts(
            "SELECT type || ' ' || name || ': ' || coalesce(sql, '') AS x FROM sqlite_master
             WHERE name NOT LIKE 'reaper%' AND name NOT LIKE 'sqlite_autoindex_reaper%' ORDER BY rowid",
        )
    }

    /// How much bears Reaper's name.
    pub(crate) fn ours(&self) -> Option<i64> {
        self.number(
            "SELECT (SELECT count(*) FROM sqlite_master WHERE name LIKE '%reaper%')
                + (SELECT count(*) FROM sqlite_master AS t, pragma_table_info(t.name) AS c
                    WHERE t.type = 'table' AND c.name LIKE 'reaper%') AS x",
        )
    }

    /// Every row and column of every table, as one text.
    pub(crate) fn dump_all(&self) -> String {
        self.dump_of("name NOT LIKE 'sqlite_%' AND name <> 'reaper_migrations'", "true")
    }

    /// The rows of some tables, in some of their columns: each a condition on the `name`.
    pub(crate) fn dump_of(&self, tables: &str, columns: &str) -> String {
        let mut dump = String::new();
        let tables = self.texts(&format!(
            "SELECT name AS x FROM sqlite_master WHERE type = 'table' AND {tables} ORDER BY name"
        ));
        for table in tables.into_iter().flatten() {
            let columns = self.texts(&format!(
                "SELECT name AS x FROM pragma_table_info('{table}') WHERE {columns} ORDER BY cid"
            ));
            let quoted: Vec<_> =
                columns.into_iter().flatten().map(|name| format!("'{name}=' || quote(\"{name}\")")).collect();
            let rows =
                self.texts(&format!("SELECT {} AS x FROM \"{table}\" ORDER BY rowid", quoted.join(" || ' ' || ")));
            for row in rows.into_iter().flatten() {
                dump.push_str(&format!("{table}: {row}\n"));
            }
        }
        dump
    }
}
