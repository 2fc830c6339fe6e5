//! The tables of the contract where another program has made them: what they must be for Reaper to adopt them.

use diesel::PgConnection;

use super::sql;
use crate::{
    StoreError,
    database::{Fault, Statement},
};

/// What a column has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    /// `integer` or `bigint`, so that it can name a row.
    Id,
    /// Any integer.
    Int,
    /// A text of any kind, or an enumeration.
    Text,
    /// A text or an integer.
    Name,
    /// A time, or a text of one.
    Time,
}

/// A table of the contract: its name, and its columns.
struct Contract {
    table: &'static str,
    columns: &'static [(&'static str, Holds)],
}

const CONTRACT: [Contract; 3] = [
    Contract {
        table: "tasks",
        columns: &[
            ("id", Holds::Id),
            ("work_item_id", Holds::Name),
            ("repo", Holds::Text),
            ("branch", Holds::Text),
            ("stage", Holds::Text),
        ],
    },
    Contract {
        table: "jobs",
        columns: &[
            ("id", Holds::Id),
            ("agent", Holds::Text),
            ("repo", Holds::Text),
            ("task_id", Holds::Id),
            ("status", Holds::Text),
            ("attempts", Holds::Int),
            ("max_attempts", Holds::Int),
            ("run_id", Holds::Id),
            ("pid", Holds::Int),
            ("started_at", Holds::Time),
        ],
    },
    Contract {
        table: "agent_runs",
        columns: &[
            ("id", Holds::Id),
            ("task_id", Holds::Id),
            ("agent", Holds::Text),
            ("started_at", Holds::Time),
            ("finished_at", Holds::Time),
            ("exit_code", Holds::Int),
        ],
    },
];

/// Fails where one of the tables is there and cannot be adopted. One that is not there will be made.
pub(super) fn check(connection: &mut PgConnection) -> Result<(), Fault> {
    let mut first: Option<(&str, String)> = None;
    for contract in &CONTRACT {
        let Some(schema) = contract.check(connection)? else { continue };
        match &first {
            Some((table, other)) if *other != schema => {
                return Err(contract.refused(format!(
                    "is in the schema {schema}, and {table} in {other}; reaper keeps to one schema"
                )));
            }
            Some(_) => {}
            None => first = Some((contract.table, schema)),
        }
    }
    Ok(())
}

impl Holds {
    /// The type that the column would have.
    const fn kind(self) -> &'static str {
        match self {
            Self::Id | Self::Int => "bigint",
            Self::Text | Self::Name => "text",
            Self::Time => "timestamptz",
        }
    }

    /// What it may be, for people.
    const fn allowed(self) -> &'static str {
        match self {
            Self::Id => "integer or bigint",
            Self::Int => "an integer type",
            Self::Text => "a text type or an enumeration",
            Self::Name => "a text or an integer type",
            Self::Time => "timestamptz, timestamp or a text type",
        }
    }

    /// Whether a type will do, by its name and its category in `pg_type`.
    fn can_be(self, name: &str, category: &str) -> bool {
        let is_id = matches!(name, "integer" | "bigint");
        let is_int = is_id || name == "smallint";
        let is_text = category == "S";
        match self {
            Self::Id => is_id,
            Self::Int => is_int,
            Self::Text => is_text || category == "E",
            Self::Name => is_text || is_int,
            Self::Time => is_text || matches!(name, "timestamp with time zone" | "timestamp without time zone"),
        }
    }
}

impl Contract {
    fn refused(&self, problem: String) -> Fault {
        StoreError::ForeignTable { table: self.table.into(), problem }.into()
    }

    /// Where the table is, if it is.
    fn check(&self, connection: &mut PgConnection) -> Result<Option<String>, Fault> {
        let name = || [("name", self.table.into())];
        let Some(mut table) = Statement::new(sql::TABLE, name()).first_row(connection)? else {
            return Ok(None);
        };
        let mut word = || table.next_text().unwrap_or_default();
        let (kind, persistence, schema) = (word(), word(), word());
        let kept = match (kind.as_str(), persistence.as_str()) {
            ("r", "p") => None,
            ("r", "u") => Some(
                "is unlogged: a crash of the server would empty it and bring its ids again; run: ALTER \
                                TABLE … SET LOGGED",
            ),
            ("r", _) => Some("is temporary"),
            ("p", _) => Some("is partitioned; reaper adds columns and triggers to ordinary tables only"),
            ("v" | "m", _) => Some("is a view; reaper adds columns and triggers to tables only"),
            _ => Some("is no ordinary table, and reaper adds columns and triggers to those only"),
        };
        if let Some(problem) = kept {
            return Err(self.refused(problem.replace('…', self.table)));
        }
        let columns: Vec<_> = Statement::new(sql::COLUMNS, name())
            .rows(connection)?
            .into_iter()
            .filter_map(|mut row| {
                Some((row.next_text()?, row.next_text()?, row.next_text()?, row.next_int()?, row.next_text()?))
            })
            .collect();
        let missing: Vec<_> =
            self.columns.iter().filter(|(name, _)| !columns.iter().any(|(there, ..)| there == name)).collect();
        if !missing.is_empty() {
            let names: Vec<_> = missing.iter().map(|(name, _)| *name).collect();
            let remedy: Vec<_> = missing
                .iter()
                .map(|(name, holds)| format!("ALTER TABLE {} ADD COLUMN {name} {};", self.table, holds.kind()))
                .collect();
            return Err(self.refused(format!(
                "lacks {}; to add what is missing, run: {}",
                names.join(", "),
                remedy.join(" ")
            )));
        }
        for (name, holds) in self.columns {
            let wrong =
                columns.iter().find(|(there, kind, category, ..)| there == name && !holds.can_be(kind, category));
            if let Some((.., kind)) = wrong {
                return Err(self.refused(format!("its {name} is {kind}; it has to be {}", holds.allowed())));
            }
        }
        let keys: Vec<_> = columns.iter().filter(|(_, _, _, key, _)| *key > 0).map(|(name, ..)| name).collect();
        match keys.as_slice() {
            [name] if *name == "id" => Ok(Some(schema)),
            _ => Err(self.refused("its primary key is not `id`, by which reaper names its rows".into())),
        }
    }
}
