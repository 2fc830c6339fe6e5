//! The migrations: how they are shown, run, and taken back.
//!
//! They are run by diesel's [`MigrationHarness`], on a private wrapper: the owner may use diesel too, and its
//! bookkeeping table is the owner's. Reaper's is `reaper_migrations`. A migration whose work is not whole (any more)
//! is pending, whatever that table says: an owner who rebuilds a table loses its triggers.

use std::marker::PhantomData;

use diesel::{
    connection::{BoxableConnection, SimpleConnection as _},
    migration::{self, MigrationMetadata, MigrationName, MigrationSource, MigrationVersion},
};
use diesel_migrations::MigrationHarness;

use super::{Database, Driver, Fault, Script, Statement, Texts};
use crate::{Schema, StoreError, schema::Migration};

impl<S: Database> Schema for S {
    fn pending(&self) -> Result<Vec<Migration>, StoreError> {
        if !self.is_there() {
            return Ok(S::Driver::SCRIPTS.iter().map(Script::shown).collect());
        }
        self.look(|connection| {
            let applied = applied(connection, self.name())?;
            connection.check_contract()?;
            let pending = without::<S::Driver>(&whole(connection, &applied)?);
            Ok(pending.iter().map(|script| script.shown()).collect())
        })
    }

    fn installed(&self) -> Result<Vec<Migration>, StoreError> {
        if !self.is_there() {
            return Ok(Vec::new());
        }
        self.look(|connection| {
            let applied = applied(connection, self.name())?;
            let there = S::Driver::SCRIPTS.iter().rev().filter(|script| applied.contains(&script.version.into()));
            Ok(there.map(Script::shown_back).collect())
        })
    }

    fn migrate(&self) -> Result<Vec<Migration>, StoreError> {
        self.make()?;
        self.alter(|connection| {
            let applied = applied(connection, self.name())?;
            connection.check_contract()?;
            connection.keep_to_one_schema()?;
            let whole = whole(connection, &applied)?;
            let pending = without::<S::Driver>(&whole);
            if !pending.is_empty() {
                connection.batch_execute(S::Driver::CREATE_MIGRATIONS)?;
                Harness { connection, applied: whole }
                    .run_pending_migrations(Scripts::<S::Driver>(PhantomData))
                    .map_err(fault)?;
            }
            Ok(pending.iter().map(|script| script.shown()).collect())
        })
    }

    fn uninstall(&self) -> Result<Vec<Migration>, StoreError> {
        self.alter(|connection| {
            connection.keep_to_one_schema()?;
            let mut applied = applied(connection, self.name())?;
            // What is there without its bookkeeping goes too.
            let is_there = connection.objects()?;
            let is_left =
                |script: &Script| script.makes().any(|made| made.name.starts_with("reaper_") && is_there(&made));
            for script in S::Driver::SCRIPTS {
                if !applied.contains(&script.version.into()) && is_left(script) {
                    applied.push(script.version.into());
                }
            }
            applied.sort_unstable();
            applied.reverse();
            let scripts = S::Driver::SCRIPTS.iter().rev();
            let reverted: Vec<_> = scripts.filter(|script| applied.contains(&script.version.into())).collect();
            Harness { connection: &mut *connection, applied: applied.clone() }
                .revert_all_migrations(Scripts::<S::Driver>(PhantomData))
                .map_err(fault)?;
            connection.batch_execute(S::Driver::DROP_MIGRATIONS)?;
            Ok(reverted.into_iter().map(Script::shown_back).collect())
        })
    }
}

/// Fails unless this is the version of the latest migration, the latest that was run.
pub(crate) fn check_version<D: Driver>(version: Option<&str>, database: &str) -> Result<(), Fault> {
    let latest = D::SCRIPTS.last().map(|script| script.version);
    let not_migrated = |problem: String| StoreError::NotMigrated { database: database.into(), problem };
    match version {
        version if version == latest => Ok(()),
        newer @ Some(found) if newer > latest => {
            Err(StoreError::NewerSchema { database: database.into(), found: found.into() }.into())
        }
        Some(older) => {
            Err(not_migrated(format!("it is at migration {older}, not {}", latest.unwrap_or_default())).into())
        }
        None => Err(not_migrated("no migration was run".into()).into()),
    }
}

/// What the migrations make and the database lacks, each as `trigger reaper_…` and the like.
pub(crate) fn absent<D: Driver>(connection: &mut D) -> Result<Vec<String>, Fault> {
    let is_there = connection.objects()?;
    let made = D::SCRIPTS.iter().flat_map(Script::makes);
    Ok(made.filter(|made| !is_there(made)).map(|made| made.to_string()).collect())
}

/// The versions that were applied, unless one of them is unknown.
fn applied<D: Driver>(connection: &mut D, database: &str) -> Result<Vec<String>, Fault> {
    if !connection.has_migrations()? {
        return Ok(Vec::new());
    }
    let rows = Statement::new(D::APPLIED, []).rows(connection)?;
    let applied: Vec<_> = rows.into_iter().filter_map(|mut row| row.next_text()).collect();
    match applied.iter().find(|version| !D::SCRIPTS.iter().any(|script| script.version == *version)) {
        Some(found) => Err(StoreError::NewerSchema { database: database.into(), found: found.clone() }.into()),
        None => Ok(applied),
    }
}

/// Those of the applied whose work is all there.
fn whole<D: Driver>(connection: &mut D, applied: &[String]) -> Result<Vec<String>, Fault> {
    let is_there = connection.objects()?;
    let applied = D::SCRIPTS.iter().filter(|script| applied.contains(&script.version.into()));
    let whole = applied.filter(|script| script.makes().all(|made| is_there(&made)));
    Ok(whole.map(|script| script.version.into()).collect())
}

fn without<D: Driver>(whole: &[String]) -> Vec<&'static Script> {
    D::SCRIPTS.iter().filter(|script| !whole.contains(&script.version.into())).collect()
}

/// The migrations as diesel takes them.
struct Scripts<D>(PhantomData<D>);

impl<D: Driver> MigrationSource<D::Backend> for Scripts<D> {
    fn migrations(&self) -> migration::Result<Vec<Box<dyn migration::Migration<D::Backend>>>> {
        let mut migrations: Vec<Box<dyn migration::Migration<D::Backend>>> = Vec::new();
        for script in D::SCRIPTS {
            migrations.push(Box::new(Migrating::<D> { script, on: PhantomData }));
        }
        Ok(migrations)
    }
}

/// A migration of one database's.
struct Migrating<D> {
    script: &'static Script,
    on: PhantomData<D>,
}

impl<D: Driver> migration::Migration<D::Backend> for Migrating<D> {
    fn run(&self, connection: &mut dyn BoxableConnection<D::Backend>) -> migration::Result<()> {
        run::<D>(connection, self.script.up)
    }

    fn revert(&self, connection: &mut dyn BoxableConnection<D::Backend>) -> migration::Result<()> {
        run::<D>(connection, self.script.down)
    }

    fn metadata(&self) -> &dyn MigrationMetadata {
        self.script
    }

    fn name(&self) -> &dyn MigrationName {
        self.script
    }
}

fn run<D: Driver>(connection: &mut dyn BoxableConnection<D::Backend>, text: &str) -> migration::Result<()> {
    let connection =
        connection.downcast_mut::<D>().ok_or("these migrations are for another kind of connection")?;
    Ok(connection.run_script(text)?)
}

/// Diesel's runner of migrations over Reaper's own bookkeeping.
struct Harness<'c, D> {
    connection: &'c mut D,
    /// What counts as applied.
    applied: Vec<String>,
}

impl<D: Driver> MigrationHarness<D::Backend> for Harness<'_, D> {
    fn run_migration(
        &mut self,
        migration: &dyn migration::Migration<D::Backend>,
    ) -> migration::Result<MigrationVersion<'static>> {
        migration.run(self.connection)?;
        self.note(D::NOTE_MIGRATION, migration)
    }

    fn revert_migration(
        &mut self,
        migration: &dyn migration::Migration<D::Backend>,
    ) -> migration::Result<MigrationVersion<'static>> {
        migration.revert(self.connection)?;
        self.connection.batch_execute(D::CREATE_MIGRATIONS)?;
        self.note(D::FORGET_MIGRATION, migration)
    }

    fn applied_migrations(&mut self) -> migration::Result<Vec<MigrationVersion<'static>>> {
        Ok(self.applied.iter().map(|version| MigrationVersion::from(version.clone())).collect())
    }
}

impl<D: Driver> Harness<'_, D> {
    fn note(
        &mut self,
        sql: &'static str,
        migration: &dyn migration::Migration<D::Backend>,
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
