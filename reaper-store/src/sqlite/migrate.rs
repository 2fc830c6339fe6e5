//! The migrations: what they are, and how they are run, shown and taken back.
//!
//! They are run by diesel's [`MigrationHarness`], on a private wrapper: the owner may use diesel too, and its
//! bookkeeping table is the owner's. Reaper's is `reaper_migrations`.

use diesel::{
    SqliteConnection,
    connection::{BoxableConnection, SimpleConnection as _},
    migration::{self, MigrationMetadata, MigrationName, MigrationSource, MigrationVersion},
    sqlite::Sqlite,
};
use diesel_migrations::MigrationHarness;

use super::{
    SqliteStore,
    connection::{Access, check_format},
    fault::Fault,
    foreign, sql,
    statement::{RawRow, Statement},
};
use crate::{Schema, StoreError, schema::Migration};

/// A migration: `migrations/sqlite/NAME/up.sql` and `down.sql`.
#[derive(Clone, Copy, Debug)]
struct Script {
    version: &'static str,
    name: &'static str,
    up: &'static str,
    down: &'static str,
}

macro_rules! script {
    ($version:literal, $name:literal) => {
        Script {
            version: $version,
            name: concat!($version, "_", $name),
            up: include_str!(concat!("../../migrations/sqlite/", $version, "_", $name, "/up.sql")),
            down: include_str!(concat!("../../migrations/sqlite/", $version, "_", $name, "/down.sql")),
        }
    };
}

const SCRIPTS: [Script; 1] = [script!("0001", "adopt")];

/// The version of the latest.
pub(super) const LATEST: &str = "0001";

impl Schema for SqliteStore {
    fn pending(&self) -> Result<Vec<Migration>, StoreError> {
        if self.pool.access() == Access::Create && !self.pool.path().exists() {
            return Ok(shown(&SCRIPTS));
        }
        self.pool.read(|connection| {
            check_format(connection)?;
            let applied = known(connection, self.database())?;
            foreign::check(connection)?;
            Ok(shown(&missing(&applied)))
        })
    }

    fn migrate(&self) -> Result<Vec<Migration>, StoreError> {
        self.create()?;
        self.alter(|connection| {
            let applied = known(connection, self.database())?;
            foreign::check(connection)?;
            connection.batch_execute(sql::CREATE_MIGRATIONS)?;
            Harness(connection).run_pending_migrations(Scripts).map_err(fault)?;
            Ok(shown(&missing(&applied)))
        })
    }

    fn uninstall(&self) -> Result<Vec<Migration>, StoreError> {
        self.alter(|connection| {
            let applied = known(connection, self.database())?;
            if !applied.is_empty() {
                Harness(connection).revert_all_migrations(Scripts).map_err(fault)?;
                connection.batch_execute(sql::DROP_MIGRATIONS)?;
            }
            let reverted = SCRIPTS.iter().rev().filter(|script| applied.contains(&script.version.into()));
            Ok(reverted.map(|script| Migration { name: script.name.into(), sql: script.down.into() }).collect())
        })
    }
}

impl SqliteStore {
    /// Changes the schema in one transaction.
    fn alter<T>(&self, alter: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>) -> Result<T, StoreError> {
        let altered = self.pool.write(|connection| {
            check_format(connection)?;
            alter(connection)
        });
        self.pool.forget();
        altered.map_err(|failed| failed.error)
    }
}

/// The versions that were applied, unless one of them is unknown.
fn known(connection: &mut SqliteConnection, database: &str) -> Result<Vec<String>, Fault> {
    let applied = applied(connection)?;
    match applied.iter().find(|version| !SCRIPTS.iter().any(|script| script.version == *version)) {
        Some(found) => Err(StoreError::NewerSchema { database: database.into(), found: found.clone() }.into()),
        None => Ok(applied),
    }
}

/// The versions that were applied, the latest first.
fn applied(connection: &mut SqliteConnection) -> Result<Vec<String>, Fault> {
    let table = Statement::new(sql::OBJECT, [("name", "reaper_migrations".into())]);
    if table.first_row(connection)?.is_none() {
        return Ok(Vec::new());
    }
    let rows = Statement::new(sql::APPLIED, []).rows(connection)?;
    Ok(rows.into_iter().filter_map(|mut row| row.next_text()).collect())
}

fn missing(applied: &[String]) -> Vec<Script> {
    SCRIPTS.into_iter().filter(|script| !applied.contains(&script.version.into())).collect()
}

fn shown(scripts: &[Script]) -> Vec<Migration> {
    scripts.iter().map(|script| Migration { name: script.name.into(), sql: script.up.into() }).collect()
}

/// The migrations as diesel takes them.
struct Scripts;

impl MigrationSource<Sqlite> for Scripts {
    fn migrations(&self) -> migration::Result<Vec<Box<dyn migration::Migration<Sqlite>>>> {
        let mut scripts: Vec<Box<dyn migration::Migration<Sqlite>>> = Vec::new();
        for script in SCRIPTS {
            scripts.push(Box::new(script));
        }
        Ok(scripts)
    }
}

impl migration::Migration<Sqlite> for Script {
    fn run(&self, connection: &mut dyn BoxableConnection<Sqlite>) -> migration::Result<()> {
        run_lines(connection, self.up)
    }

    fn revert(&self, connection: &mut dyn BoxableConnection<Sqlite>) -> migration::Result<()> {
        run_lines(connection, self.down)
    }

    fn metadata(&self) -> &dyn MigrationMetadata {
        self
    }

    fn name(&self) -> &dyn MigrationName {
        self
    }
}

impl MigrationMetadata for Script {}

impl std::fmt::Display for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl MigrationName for Script {
    fn version(&self) -> MigrationVersion<'_> {
        MigrationVersion::from(self.version)
    }
}

/// Runs a script. SQLite adds and drops no column only if need be, so a line that does is left out where there is
/// nothing to do.
fn run_lines(connection: &mut dyn BoxableConnection<Sqlite>, script: &str) -> migration::Result<()> {
    let connection = connection.downcast_mut::<SqliteConnection>().ok_or("these migrations are SQLite's")?;
    let mut gathered = String::new();
    for line in script.lines() {
        if let Some(column) = Column::of(line) {
            connection.batch_execute(&gathered)?;
            gathered.clear();
            if column.is_there(connection).map_err(|fault| format!("{fault:?}"))? == column.is_dropped {
                connection.batch_execute(line)?;
            }
        } else {
            gathered.push_str(line);
            gathered.push('\n');
        }
    }
    Ok(connection.batch_execute(&gathered)?)
}

/// A line that adds or drops a column.
struct Column<'l> {
    table: &'l str,
    name: &'l str,
    is_dropped: bool,
}

impl<'l> Column<'l> {
    fn of(line: &'l str) -> Option<Self> {
        let mut words = line.strip_prefix("ALTER TABLE ")?.trim_end_matches(';').split(' ');
        let table = words.next()?;
        let is_dropped = words.next()? == "DROP";
        let name = words.nth(1)?;
        Some(Self { table, name, is_dropped })
    }

    fn is_there(&self, connection: &mut SqliteConnection) -> Result<bool, Fault> {
        let columns = Statement::new(sql::COLUMNS, [("table", self.table.into())]).rows(connection)?;
        let names = columns.into_iter().filter_map(|mut row: RawRow| row.next_text());
        Ok(names.into_iter().any(|name| name == self.name))
    }
}

/// Diesel's runner of migrations over Reaper's own bookkeeping.
struct Harness<'c>(&'c mut SqliteConnection);

impl MigrationHarness<Sqlite> for Harness<'_> {
    fn run_migration(
        &mut self,
        migration: &dyn migration::Migration<Sqlite>,
    ) -> migration::Result<MigrationVersion<'static>> {
        migration.run(self.0)?;
        let version = migration.name().version().as_owned();
        Statement::new(sql::NOTE_MIGRATION, [("version", (&version.to_string()).into())]).run(self.0)?;
        Ok(version)
    }

    fn revert_migration(
        &mut self,
        migration: &dyn migration::Migration<Sqlite>,
    ) -> migration::Result<MigrationVersion<'static>> {
        migration.revert(self.0)?;
        let version = migration.name().version().as_owned();
        Statement::new(sql::FORGET_MIGRATION, [("version", (&version.to_string()).into())]).run(self.0)?;
        Ok(version)
    }

    fn applied_migrations(&mut self) -> migration::Result<Vec<MigrationVersion<'static>>> {
        let applied = applied(self.0).map_err(|fault| format!("{fault:?}"))?;
        Ok(applied.into_iter().map(MigrationVersion::from).collect())
    }
}

/// The driver's error inside a migration's, where there is one.
fn fault(error: Box<dyn std::error::Error + Send + Sync>) -> Fault {
    match error.downcast::<diesel::result::Error>() {
        Ok(error) => (*error).into(),
        Err(error) => StoreError::Database(error.to_string()).into(),
    }
}
