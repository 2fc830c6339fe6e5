//! A migration's text: how it is run, and what it makes.

use std::collections::BTreeSet;

use diesel::{
    SqliteConnection,
    connection::{BoxableConnection, SimpleConnection as _},
    migration::{self, MigrationMetadata, MigrationName, MigrationVersion},
    sqlite::Sqlite,
};

use super::{fault::Fault, sql, statement::Statement};

/// A migration: `migrations/sqlite/NAME/up.sql` and `down.sql`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Script {
    pub(super) version: &'static str,
    pub(super) name: &'static str,
    pub(super) up: &'static str,
    pub(super) down: &'static str,
}

impl Script {
    /// What the script makes and the database does not have (any more), each as `trigger reaper_…` and the like.
    pub(super) fn absent(&self, connection: &mut SqliteConnection) -> Result<Vec<String>, Fault> {
        let there = Objects::of(connection)?;
        let made = self.up.lines().filter_map(Made::of);
        Ok(made.filter(|made| !there.has(made)).map(|made| made.to_string()).collect())
    }

    /// Whether anything that the script makes for Reaper alone is there.
    pub(super) fn is_present(&self, connection: &mut SqliteConnection) -> Result<bool, Fault> {
        let there = Objects::of(connection)?;
        Ok(self.up.lines().filter_map(Made::of).any(|made| made.name.starts_with("reaper_") && there.has(&made)))
    }
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
        if column.is_there(connection)? == column.is_dropped {
            connection.batch_execute(line)?;
        }
    }
    Ok(connection.batch_execute(&gathered)?)
}

/// A line that adds or drops a column.
#[derive(Debug, PartialEq, Eq)]
struct Column<'l> {
    table: &'l str,
    name: &'l str,
    is_dropped: bool,
}

impl<'l> Column<'l> {
    fn of(line: &'l str) -> Option<Self> {
        let mut words = line.strip_prefix("ALTER TABLE ")?.trim_end_matches(';').split(' ');
        let (table, verb) = (words.next()?, words.next()?);
        let name = words.nth(1)?;
        Some(Self { table, name, is_dropped: verb == "DROP" })
    }

    fn is_there(&self, connection: &mut SqliteConnection) -> diesel::QueryResult<bool> {
        let columns = Statement::new(sql::COLUMNS, [("table", self.table.into())]).rows(connection)?;
        Ok(columns.into_iter().any(|mut row| row.next_text().as_deref() == Some(self.name)))
    }
}

/// Something that a line of a script makes.
#[derive(Debug, PartialEq, Eq)]
struct Made<'l> {
    kind: &'static str,
    /// The table of a column.
    table: Option<&'l str>,
    name: &'l str,
}

impl<'l> Made<'l> {
    fn of(line: &'l str) -> Option<Self> {
        if let Some(Column { table, name, is_dropped: false }) = Column::of(line) {
            return Some(Self { kind: "column", table: Some(table), name });
        }
        let kinds = [
            ("CREATE TABLE IF NOT EXISTS ", "table"),
            ("CREATE INDEX IF NOT EXISTS ", "index"),
            ("CREATE UNIQUE INDEX IF NOT EXISTS ", "index"),
            ("CREATE TRIGGER IF NOT EXISTS ", "trigger"),
        ];
        kinds.into_iter().find_map(|(words, kind)| {
            let name = line.strip_prefix(words)?.split([' ', '(']).next()?;
            Some(Self { kind, table: None, name })
        })
    }
}

impl std::fmt::Display for Made<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ", self.kind)?;
        if let Some(table) = self.table {
            write!(f, "{table}.")?;
        }
        f.write_str(self.name)
    }
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
