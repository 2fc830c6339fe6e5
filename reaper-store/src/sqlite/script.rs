//! How a migration's text is run, and whether what it makes is there.

use std::collections::BTreeSet;

use diesel::{
    SqliteConnection,
    connection::{BoxableConnection, SimpleConnection as _},
    migration::{self, MigrationMetadata, MigrationName},
    sqlite::Sqlite,
};

use super::{fault::Fault, sql, statement::Statement};
use crate::script::{Column, Made, Script};

/// What the script makes and the database does not have (any more), each as `trigger reaper_…` and the like.
pub(super) fn absent(script: &Script, connection: &mut SqliteConnection) -> Result<Vec<String>, Fault> {
    let there = Objects::of(connection)?;
    Ok(script.makes().filter(|made| !there.has(made)).map(|made| made.to_string()).collect())
}

/// Whether anything that the script makes for Reaper alone is there.
pub(super) fn is_present(script: &Script, connection: &mut SqliteConnection) -> Result<bool, Fault> {
    let there = Objects::of(connection)?;
    Ok(script.makes().any(|made| made.name.starts_with("reaper_") && there.has(&made)))
}

impl migration::Migration<Sqlite> for Script {
    fn run(&self, connection: &mut dyn BoxableConnection<Sqlite>) -> migration::Result<()> {
        run(connection, self.up)
    }

    fn revert(&self, connection: &mut dyn BoxableConnection<Sqlite>) -> migration::Result<()> {
        run(connection, self.down)
    }

    fn metadata(&self) -> &dyn MigrationMetadata {
        self
    }

    fn name(&self) -> &dyn MigrationName {
        self
    }
}

/// Runs a script. SQLite cannot add or drop a column only if need be, so a line that does is left out where there is
/// nothing to do.
fn run(connection: &mut dyn BoxableConnection<Sqlite>, script: &str) -> migration::Result<()> {
    let connection =
        connection.downcast_mut::<SqliteConnection>().ok_or("these migrations are for a SQLite connection")?;
    let mut gathered = String::new();
    for line in script.lines() {
        let column = Column::of(line);
        let Some(column) = column else {
            gathered.push_str(line);
            gathered.push('\n');
            continue;
        };
        connection.batch_execute(&gathered)?;
        gathered.clear();
        if is_there(&column, connection)? == column.is_dropped {
            connection.batch_execute(line)?;
        }
    }
    Ok(connection.batch_execute(&gathered)?)
}

fn is_there(column: &Column<'_>, connection: &mut SqliteConnection) -> diesel::QueryResult<bool> {
    let columns = Statement::new(sql::COLUMNS, [("table", column.table.into())]).rows(connection)?;
    Ok(columns.into_iter().any(|mut row| row.next_text().as_deref() == Some(column.name)))
}

/// What a database has.
struct Objects {
    names: BTreeSet<String>,
    columns: BTreeSet<(String, String)>,
}

impl Objects {
    fn of(connection: &mut SqliteConnection) -> Result<Self, Fault> {
        let names = Statement::new(sql::OBJECTS, []).rows(connection)?;
        let mut columns = BTreeSet::new();
        for table in ["jobs", "tasks"] {
            for mut row in Statement::new(sql::COLUMNS, [("table", table.into())]).rows(connection)? {
                columns.extend(row.next_text().map(|name| (table.to_owned(), name)));
            }
        }
        Ok(Self { names: names.into_iter().filter_map(|mut row| row.next_text()).collect(), columns })
    }

    fn has(&self, made: &Made<'_>) -> bool {
        match made.table {
            Some(table) => self.columns.contains(&(table.to_owned(), made.name.to_owned())),
            None => self.names.contains(made.name),
        }
    }
}
