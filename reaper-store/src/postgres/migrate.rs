//! The migrations: how they are shown, run, and taken back.
//!
//! They are run by diesel's [`MigrationHarness`], on a private wrapper: the owner may use diesel too, and its
//! bookkeeping table is the owner's. Reaper's is `reaper_migrations`. A migration whose work is not whole (any more)
//! is pending, whatever that table says: an owner who rebuilds a table loses its triggers.

use diesel::{
    PgConnection,
    connection::SimpleConnection as _,
    migration::{self, MigrationSource, MigrationVersion},
    pg::Pg,
};
use diesel_migrations::MigrationHarness;

use super::{PostgresStore, fault::Fault, foreign, script, sql, statement::Statement};
use crate::{Schema, StoreError, schema::Migration, script::Script};

macro_rules! script {
    ($version:literal, $name:literal) => {
        Script {
            version: $version,
            name: concat!($version, "_", $name),
            up: include_str!(concat!("../../migrations/postgres/", $version, "_", $name, "/up.sql")),
            down: include_str!(concat!("../../migrations/postgres/", $version, "_", $name, "/down.sql")),
        }
    };
}

const SCRIPTS: [Script; 1] = [script!("0001", "adopt")];

/// The version of the latest.
pub(super) const LATEST: &str = "0001";

impl Schema for PostgresStore {
    fn pending(&self) -> Result<Vec<Migration>, StoreError> {
        self.pool.read(|session| {
            let connection = session.connection;
            let applied = applied(connection, self.database())?;
            foreign::check(connection)?;
            let pending = without(&whole(connection, &applied)?);
            Ok(pending.iter().map(Script::shown).collect())
        })
    }

    fn installed(&self) -> Result<Vec<Migration>, StoreError> {
        self.pool.read(|session| {
            let applied = applied(session.connection, self.database())?;
            let there = SCRIPTS.iter().rev().filter(|script| applied.contains(&script.version.into()));
            Ok(there.map(Script::shown_back).collect())
        })
    }

    fn migrate(&self) -> Result<Vec<Migration>, StoreError> {
        self.alter(|connection| {
            let applied = applied(connection, self.database())?;
            foreign::check(connection)?;
            keep_to_one_schema(connection)?;
            let whole = whole(connection, &applied)?;
            let pending = without(&whole);
            if !pending.is_empty() {
                connection.batch_execute(sql::CREATE_MIGRATIONS)?;
                Harness { connection, applied: whole }.run_pending_migrations(Scripts).map_err(fault)?;
            }
            Ok(pending.iter().map(Script::shown).collect())
        })
    }

    fn uninstall(&self) -> Result<Vec<Migration>, StoreError> {
        self.alter(|connection| {
            keep_to_one_schema(connection)?;
            let mut applied = applied(connection, self.database())?;
            // What is there without its bookkeeping goes too.
            for script in &SCRIPTS {
                if !applied.contains(&script.version.into()) && script::is_present(script, connection)? {
                    applied.push(script.version.into());
                }
            }
            applied.sort_unstable();
            applied.reverse();
            let reverted: Vec<_> =
                SCRIPTS.iter().rev().filter(|script| applied.contains(&script.version.into())).collect();
            Harness { connection: &mut *connection, applied: applied.clone() }
                .revert_all_migrations(Scripts)
                .map_err(fault)?;
            connection.batch_execute(sql::DROP_MIGRATIONS)?;
            Ok(reverted.into_iter().map(Script::shown_back).collect())
        })
    }
}

impl PostgresStore {
    /// Changes the schema in one transaction, in which nobody else does.
    fn alter<T>(&self, alter: impl FnOnce(&mut PgConnection) -> Result<T, Fault>) -> Result<T, StoreError> {
        let altered = self.pool.write(|session| {
            let connection = session.connection;
            Statement::new(sql::MIGRATION_LOCK, []).first_row(connection)?;
            alter(connection)
        });
        self.pool.forget();
        altered.map_err(Self::failure)
    }
}

/// From here on every name is one of the schema that the tables are in, or will be.
fn keep_to_one_schema(connection: &mut PgConnection) -> Result<(), Fault> {
    let schema = Statement::new(sql::SCHEMA, []).first_row(connection)?;
    let schema = schema.and_then(|mut row| row.next_text()).ok_or_else(|| {
        StoreError::Database("no schema of the search_path is there to put the tables into".into())
    })?;
    Statement::new(sql::SEARCH_SCHEMA, [("schema", (&schema).into())]).first_row(connection)?;
    Ok(())
}

/// The texts of all migrations.
#[cfg(feature = "contract")]
pub(crate) fn scripts() -> Vec<&'static str> {
    SCRIPTS.iter().map(|script| script.up).collect()
}

/// How many triggers there are.
pub(super) fn triggers() -> i64 {
    let triggers = SCRIPTS.iter().flat_map(Script::makes).filter(|made| made.kind == "trigger");
    i64::try_from(triggers.count()).unwrap_or(i64::MAX)
}

/// What the migrations make and the database lacks.
pub(super) fn absent(connection: &mut PgConnection) -> Result<Vec<String>, Fault> {
    let mut absent = Vec::new();
    for script in &SCRIPTS {
        absent.extend(script::absent(script, connection)?);
    }
    Ok(absent)
}

/// The versions that were applied, unless one of them is unknown.
fn applied(connection: &mut PgConnection, database: &str) -> Result<Vec<String>, Fault> {
    let table = Statement::new(sql::HAS_MIGRATIONS, []).first_row(connection)?;
    if table.and_then(|mut row| row.next_text()).is_none() {
        return Ok(Vec::new());
    }
    let rows = Statement::new(sql::APPLIED, []).rows(connection)?;
    let applied: Vec<_> = rows.into_iter().filter_map(|mut row| row.next_text()).collect();
    match applied.iter().find(|version| !SCRIPTS.iter().any(|script| script.version == *version)) {
        Some(found) => Err(StoreError::NewerSchema { database: database.into(), found: found.clone() }.into()),
        None => Ok(applied),
    }
}

/// Those of the applied whose work is all there.
fn whole(connection: &mut PgConnection, applied: &[String]) -> Result<Vec<String>, Fault> {
    let mut whole = Vec::new();
    for script in SCRIPTS.iter().filter(|script| applied.contains(&script.version.into())) {
        if script::absent(script, connection)?.is_empty() {
            whole.push(script.version.into());
        }
    }
    Ok(whole)
}

fn without(whole: &[String]) -> Vec<Script> {
    SCRIPTS.into_iter().filter(|script| !whole.contains(&script.version.into())).collect()
}

/// The migrations as diesel takes them.
struct Scripts;

impl MigrationSource<Pg> for Scripts {
    fn migrations(&self) -> migration::Result<Vec<Box<dyn migration::Migration<Pg>>>> {
        let mut scripts: Vec<Box<dyn migration::Migration<Pg>>> = Vec::new();
        for script in SCRIPTS {
            scripts.push(Box::new(script));
        }
        Ok(scripts)
    }
}

/// Diesel's runner of migrations over Reaper's own bookkeeping.
struct Harness<'c> {
    connection: &'c mut PgConnection,
    /// What counts as applied.
    applied: Vec<String>,
}

impl MigrationHarness<Pg> for Harness<'_> {
    fn run_migration(
        &mut self,
        migration: &dyn migration::Migration<Pg>,
    ) -> migration::Result<MigrationVersion<'static>> {
        migration.run(self.connection)?;
        self.note(sql::NOTE_MIGRATION, migration)
    }

    fn revert_migration(
        &mut self,
        migration: &dyn migration::Migration<Pg>,
    ) -> migration::Result<MigrationVersion<'static>> {
        migration.revert(self.connection)?;
        self.connection.batch_execute(sql::CREATE_MIGRATIONS)?;
        self.note(sql::FORGET_MIGRATION, migration)
    }

    fn applied_migrations(&mut self) -> migration::Result<Vec<MigrationVersion<'static>>> {
        Ok(self.applied.iter().map(|version| MigrationVersion::from(version.clone())).collect())
    }
}

impl Harness<'_> {
    fn note(
        &mut self,
        sql: &'static str,
        migration: &dyn migration::Migration<Pg>,
    ) -> migration::Result<MigrationVersion<'static>> {
        let version = migration.name().version().as_owned();
        let text = version.to_string();
        Statement::new(sql, [("version", (&text).into())]).run(self.connection)?;
        Ok(version)
    }
}

/// The driver's error inside a migration's, where there is one.
fn fault(error: Box<dyn std::error::Error + Send + Sync>) -> Fault {
    match error.downcast::<diesel::result::Error>() {
        Ok(error) => (*error).into(),
        Err(error) => StoreError::Database(error.to_string()).into(),
    }
}
