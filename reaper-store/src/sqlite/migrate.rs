//! Brings a database up to date, adopts one, and takes all of it away again.

use diesel::{
    SqliteConnection,
    connection::SimpleConnection,
    migration::{Migration as _, MigrationSource},
    sqlite::Sqlite,
};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

use super::{
    SqliteStore,
    fault::Fault,
    sql::{execute, first, rows},
};
use crate::{Schema, StoreError, schema::Migration};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// The columns of the contract, by table.
const CONTRACT: [(&str, &[&str]); 3] = [
    ("tasks", &["id", "work_item_id", "repo", "branch", "stage"]),
    (
        "jobs",
        &["id", "agent", "repo", "task_id", "status", "attempts", "max_attempts", "run_id", "pid", "started_at"],
    ),
    ("agent_runs", &["id", "task_id", "agent", "started_at", "finished_at", "exit_code"]),
];

/// A migration that is part of this program, with its texts for showing it.
struct Known {
    name: String,
    up: &'static str,
    down: &'static str,
    migration: Box<dyn diesel::migration::Migration<Sqlite>>,
}

/// The migrations of this program, in order, with their texts.
fn known() -> Result<Vec<Known>, Fault> {
    let broken = |problem: String| StoreError::Corrupt { what: "list of migrations", problem };
    let mut migrations = MigrationSource::<Sqlite>::migrations(&MIGRATIONS).map_err(|e| broken(e.to_string()))?;
    migrations.sort_by_key(|migration| migration.name().to_string());
    let with_texts = |migration: Box<dyn diesel::migration::Migration<Sqlite>>| {
        let name = migration.name().to_string();
        match TEXTS.iter().find(|(of, ..)| *of == name) {
            Some((_, up, down)) => Ok(Known { name, up, down, migration }),
            None => Err(broken(format!("the text of {name} is missing")).into()),
        }
    };
    migrations.into_iter().map(with_texts).collect()
}

/// The texts of the migrations, for showing them without running them.
const TEXTS: [(&str, &str, &str); 2] = [
    (
        "00000000000001_contract_tables",
        include_str!("../../migrations/sqlite/00000000000001_contract_tables/up.sql"),
        include_str!("../../migrations/sqlite/00000000000001_contract_tables/down.sql"),
    ),
    (
        "00000000000002_reaper",
        include_str!("../../migrations/sqlite/00000000000002_reaper/up.sql"),
        include_str!("../../migrations/sqlite/00000000000002_reaper/down.sql"),
    ),
];

/// The migrations that were run, in order; none where Reaper was never set up.
fn applied(connection: &mut SqliteConnection) -> Result<Vec<String>, Fault> {
    let there =
        first(connection, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'reaper_migrations'", &[])?;
    if there.is_none() {
        return Ok(Vec::new());
    }
    let rows = rows(connection, "SELECT name FROM reaper_migrations ORDER BY name", &[])?;
    Ok(rows.iter().filter_map(|row| row.text(0)).collect())
}

/// Refuses a database that a newer Reaper has prepared.
fn refuse_newer(applied: &[String], known: &[Known], database: &str) -> Result<(), Fault> {
    match applied.iter().find(|name| !known.iter().any(|known| known.name == **name)) {
        Some(found) => Err(StoreError::NewerSchema { database: database.to_owned(), found: found.clone() }.into()),
        None => Ok(()),
    }
}

/// Refuses a database that is not exactly as this program has prepared it.
pub(super) fn require_known(connection: &mut SqliteConnection, database: &str) -> Result<(), Fault> {
    let (applied, known) = (applied(connection)?, known()?);
    refuse_newer(&applied, &known, database)?;
    let problem = match (applied.len(), known.len()) {
        (0, _) => "reaper was never set up in it".to_owned(),
        (run, all) if run < all => format!("{} of {all} migrations are not run", all.saturating_sub(run)),
        _ => return Ok(()),
    };
    Err(StoreError::NotMigrated { database: database.to_owned(), problem }.into())
}

/// Refuses tables of somebody else that cannot be adopted.
fn require_contract(connection: &mut SqliteConnection) -> Result<(), Fault> {
    for (table, columns) in CONTRACT {
        let found = rows(connection, "SELECT name, pk, upper(type) FROM pragma_table_info(?)", &[table.into()])?;
        if found.is_empty() {
            continue;
        }
        let fail = |problem| StoreError::ForeignTable { table: table.to_owned(), problem };
        let names: Vec<_> = found.iter().filter_map(|row| row.text(0)).collect();
        let missing: Vec<_> = columns.iter().filter(|column| !names.iter().any(|name| name == *column)).collect();
        if !missing.is_empty() {
            let list = missing.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ");
            let add: Vec<_> =
                missing.iter().map(|column| format!("ALTER TABLE {table} ADD COLUMN {column};")).collect();
            return Err(fail(format!("lacks {list}, which reaper reads: {}", add.join(" "))).into());
        }
        let is_rowid = |row: &super::sql::Row| {
            row.text(0).as_deref() == Some("id")
                && row.int(1) == Some(1)
                && row.text(2).as_deref() == Some("INTEGER")
        };
        if !found.iter().any(is_rowid) {
            return Err(fail("`id` must be its INTEGER PRIMARY KEY".into()).into());
        }
    }
    Ok(())
}

fn shown(known: &Known) -> Migration {
    Migration { name: known.name.clone(), sql: known.up.to_owned() }
}

/// Runs a migration, or takes it back.
fn run<T>(ran: diesel::migration::Result<T>) -> Result<T, Fault> {
    ran.map_err(|error| match error.downcast::<diesel::result::Error>() {
        Ok(error) => Fault::Database(*error),
        Err(error) => StoreError::Database(error.to_string()).into(),
    })
}

impl Schema for SqliteStore {
    fn pending(&self) -> Result<Vec<Migration>, StoreError> {
        self.connections.unprepared(|connection| {
            let (applied, known) = (applied(connection)?, known()?);
            refuse_newer(&applied, &known, &self.connections.name())?;
            require_contract(connection)?;
            Ok(known.iter().filter(|known| !applied.contains(&known.name)).map(shown).collect())
        })
    }

    fn installed(&self) -> Result<Vec<Migration>, StoreError> {
        self.connections.unprepared(|connection| {
            let (applied, known) = (applied(connection)?, known()?);
            refuse_newer(&applied, &known, &self.connections.name())?;
            let there = known.into_iter().rev().filter(|known| applied.contains(&known.name));
            Ok(there.map(|known| Migration { name: known.name, sql: known.down.to_owned() }).collect())
        })
    }

    fn migrate(&self) -> Result<Vec<Migration>, StoreError> {
        if self.pending()?.is_empty() {
            return Ok(Vec::new());
        }
        if self.connections.options.wal {
            self.connections
                .unprepared(|connection| Ok(connection.batch_execute("PRAGMA journal_mode = WAL")?))?;
        }
        self.connections.immediate_unprepared(|connection| {
            // Somebody else may have run them meanwhile.
            let (applied, known) = (applied(connection)?, known()?);
            refuse_newer(&applied, &known, &self.connections.name())?;
            require_contract(connection)?;
            connection.batch_execute(
                "CREATE TABLE IF NOT EXISTS reaper_migrations (name TEXT PRIMARY KEY, run_at TEXT NOT NULL)",
            )?;
            let mut ran = Vec::new();
            for known in known.iter().filter(|known| !applied.contains(&known.name)) {
                run(known.migration.run(connection))?;
                let note = "INSERT INTO reaper_migrations (name, run_at) VALUES (?, datetime('now'))";
                execute(connection, note, &[known.name.as_str().into()])?;
                ran.push(shown(known));
            }
            Ok(ran)
        })
    }

    fn uninstall(&self) -> Result<Vec<Migration>, StoreError> {
        let installed = self.installed()?;
        if installed.is_empty() {
            return Ok(installed);
        }
        self.connections.immediate_unprepared(|connection| {
            for known in
                known()?.iter().rev().filter(|known| installed.iter().any(|there| there.name == known.name))
            {
                run(known.migration.revert(connection))?;
            }
            connection.batch_execute("DROP TABLE reaper_migrations")?;
            Ok(())
        })?;
        Ok(installed)
    }
}
