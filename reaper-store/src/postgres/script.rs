//! How a migration's text is run, and whether what it makes is there.

use std::collections::BTreeSet;

use diesel::{
    PgConnection,
    connection::{BoxableConnection, SimpleConnection as _},
    migration::{self, MigrationMetadata, MigrationName},
    pg::Pg,
};

use super::{fault::Fault, sql, statement::Statement};
use crate::script::{Made, Script};

/// What the script makes and the database does not have (any more), each as `trigger reaper_…` and the like.
pub(super) fn absent(script: &Script, connection: &mut PgConnection) -> Result<Vec<String>, Fault> {
    let there = Objects::of(connection)?;
    Ok(script.makes().filter(|made| !there.has(made)).map(|made| made.to_string()).collect())
}

/// Whether anything that the script makes for Reaper alone is there.
pub(super) fn is_present(script: &Script, connection: &mut PgConnection) -> Result<bool, Fault> {
    let there = Objects::of(connection)?;
    Ok(script.makes().any(|made| made.name.starts_with("reaper_") && there.has(&made)))
}

impl migration::Migration<Pg> for Script {
    fn run(&self, connection: &mut dyn BoxableConnection<Pg>) -> migration::Result<()> {
        run(connection, self.up)
    }

    fn revert(&self, connection: &mut dyn BoxableConnection<Pg>) -> migration::Result<()> {
        run(connection, self.down)
    }

    fn metadata(&self) -> &dyn MigrationMetadata {
        self
    }

    fn name(&self) -> &dyn MigrationName {
        self
    }
}

fn run(connection: &mut dyn BoxableConnection<Pg>, script: &str) -> migration::Result<()> {
    let connection =
        connection.downcast_mut::<PgConnection>().ok_or("these migrations are for a PostgreSQL connection")?;
    Ok(connection.batch_execute(script)?)
}

/// What a database has, each by kind, table and name.
struct Objects(BTreeSet<(String, String, String)>);

impl Objects {
    fn of(connection: &mut PgConnection) -> Result<Self, Fault> {
        let mut objects = BTreeSet::new();
        for mut row in Statement::new(sql::OBJECTS, []).rows(connection)? {
            let mut word = || row.next_text().unwrap_or_default();
            objects.insert((word(), word(), word()));
        }
        Ok(Self(objects))
    }

    fn has(&self, made: &Made<'_>) -> bool {
        let table = made.table.unwrap_or_default();
        self.0.contains(&(made.kind.to_owned(), table.to_owned(), made.name.to_owned()))
    }
}
