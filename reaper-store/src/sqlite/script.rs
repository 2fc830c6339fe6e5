//! The migrations of SQLite, and how their texts are run.

use std::collections::BTreeSet;

use diesel::{QueryResult, SqliteConnection, connection::SimpleConnection as _};

use super::sql;
use crate::database::{
    Fault, Script, Statement,
    script::{Column, Made},
};

/// The oldest first.
pub(super) const SCRIPTS: [Script; 1] = [script!("sqlite", "0001", "adopt")];

/// Runs a script. SQLite cannot add or drop a column only if need be, so a line that does is left out where there is
/// nothing to do.
pub(super) fn run(connection: &mut SqliteConnection, script: &str) -> QueryResult<()> {
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
    connection.batch_execute(&gathered)
}

fn is_there(column: &Column<'_>, connection: &mut SqliteConnection) -> QueryResult<bool> {
    let columns = Statement::new(sql::COLUMNS, [("table", column.table.into())]).rows(connection)?;
    Ok(columns.into_iter().any(|mut row| row.next_text().as_deref() == Some(column.name)))
}

/// What a database has.
pub(super) struct Objects {
    /// By the table that they are of, and their own name.
    names: BTreeSet<(String, String)>,
    columns: BTreeSet<(String, String)>,
}

impl Objects {
    pub(super) fn of(connection: &mut SqliteConnection) -> Result<Self, Fault> {
        let mut names = BTreeSet::new();
        for mut row in Statement::new(sql::OBJECTS, []).rows(connection)? {
            names.extend(row.next_text().zip(row.next_text()));
        }
        let mut columns = BTreeSet::new();
        for table in ["jobs", "tasks"] {
            for mut row in Statement::new(sql::COLUMNS, [("table", table.into())]).rows(connection)? {
                columns.extend(row.next_text().map(|name| (table.to_owned(), name)));
            }
        }
        Ok(Self { names, columns })
    }

    pub(super) fn has(&self, made: &Made<'_>) -> bool {
        let of = if made.kind == "column" { &self.columns } else { &self.names };
        // A table is of itself.
        of.contains(&(made.table.unwrap_or(made.name).to_owned(), made.name.to_owned()))
    }
}
