//! The tables of the contract where another program has made them: what they must be for Reaper to adopt them.

use diesel::SqliteConnection;

use super::sql;
use crate::{
    StoreError,
    database::{Fault, Statement},
};

/// A table of the contract: its name, and its columns with the types that they would have.
struct Contract {
    table: &'static str,
    columns: &'static [(&'static str, &'static str)],
}

const CONTRACT: [Contract; 3] = [
    Contract {
        table: "tasks",
        columns: &[
            ("id", "INTEGER"),
            ("work_item_id", "TEXT"),
            ("repo", "TEXT"),
            ("branch", "TEXT"),
            ("stage", "TEXT"),
        ],
    },
    Contract {
        table: "jobs",
        columns: &[
            ("id", "INTEGER"),
            ("agent", "TEXT"),
            ("repo", "TEXT"),
            ("task_id", "INTEGER"),
            ("status", "TEXT"),
            ("attempts", "INTEGER"),
            ("max_attempts", "INTEGER"),
            ("run_id", "INTEGER"),
            ("pid", "INTEGER"),
            ("started_at", "TEXT"),
        ],
    },
    Contract {
        table: "agent_runs",
        columns: &[
            ("id", "INTEGER"),
            ("task_id", "INTEGER"),
            ("agent", "TEXT"),
            ("started_at", "TEXT"),
            ("finished_at", "TEXT"),
            ("exit_code", "INTEGER"),
        ],
    },
];

/// Fails where one of the tables is there and cannot be adopted. One that is not there will be made.
pub(super) fn check(connection: &mut SqliteConnection) -> Result<(), Fault> {
    for contract in &CONTRACT {
        contract.check(connection)?;
    }
    Ok(())
}

impl Contract {
    fn check(&self, connection: &mut SqliteConnection) -> Result<(), Fault> {
        let fail = |problem: String| -> Result<(), Fault> {
            Err(StoreError::ForeignTable { table: self.table.into(), problem }.into())
        };
        let object = Statement::new(sql::OBJECT, [("name", self.table.into())]).first_row(connection)?;
        let Some(mut object) = object else {
            return Ok(());
        };
        if object.next_text().as_deref() == Some("view") {
            return fail("is a view; reaper adds columns and triggers to tables only".into());
        }
        if object.next_text().is_some_and(|sql| sql.to_uppercase().starts_with("CREATE VIRTUAL")) {
            return fail("is a virtual table; reaper adds columns and triggers to ordinary tables only".into());
        }
        let columns: Vec<_> = Statement::new(sql::COLUMNS, [("table", self.table.into())])
            .rows(connection)?
            .into_iter()
            .filter_map(|mut row| Some((row.next_text()?, row.next_text()?, row.next_int()?)))
            .collect();
        let missing: Vec<_> =
            self.columns.iter().filter(|(name, _)| !columns.iter().any(|(there, ..)| there == name)).collect();
        if !missing.is_empty() {
            let names: Vec<_> = missing.iter().map(|(name, _)| *name).collect();
            let remedy: Vec<_> = missing
                .iter()
                .map(|(name, kind)| format!("ALTER TABLE {} ADD COLUMN {name} {kind};", self.table))
                .collect();
            return fail(format!("lacks {}; to add what is missing, run: {}", names.join(", "), remedy.join(" ")));
        }
        let keys: Vec<_> = columns.iter().filter(|(_, _, key)| *key > 0).collect();
        match keys.as_slice() {
            [(name, kind, _)] if name == "id" && kind == "INTEGER" => Ok(()),
            _ => fail("its primary key is not `id INTEGER PRIMARY KEY`, by which reaper names its rows".into()),
        }
    }
}
