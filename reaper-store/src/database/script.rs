//! A migration's text: what it makes, line by line.

use diesel::migration::{MigrationMetadata, MigrationName, MigrationVersion};

use crate::schema::Migration;

/// A migration: `migrations/DATABASE/NAME/up.sql` and `down.sql`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script {
    pub(crate) version: &'static str,
    pub(crate) name: &'static str,
    pub(crate) up: &'static str,
    pub(crate) down: &'static str,
}

/// The migration of a database by its version and name.
macro_rules! script {
    ($database:literal, $version:literal, $name:literal) => {
        $crate::database::Script {
            version: $version,
            name: concat!($version, "_", $name),
            up: include_str!(concat!("../../migrations/", $database, "/", $version, "_", $name, "/up.sql")),
            down: include_str!(concat!("../../migrations/", $database, "/", $version, "_", $name, "/down.sql")),
        }
    };
}

impl Script {
    /// What the script makes.
    pub(crate) fn makes(&self) -> impl Iterator<Item = Made<'static>> {
        self.up.lines().filter_map(Made::of)
    }

    /// What is run.
    pub(crate) fn shown(&self) -> Migration {
        Migration { name: self.name.into(), sql: self.up.into() }
    }

    /// What takes it away.
    pub(crate) fn shown_back(&self) -> Migration {
        Migration { name: self.name.into(), sql: self.down.into() }
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

/// A line that adds or drops a column.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Column<'l> {
    pub(crate) table: &'l str,
    pub(crate) name: &'l str,
    pub(crate) is_dropped: bool,
}

impl<'l> Column<'l> {
    pub(crate) fn of(line: &'l str) -> Option<Self> {
        let mut words = line.strip_prefix("ALTER TABLE ")?.trim_end_matches(';').split(' ');
        let (table, verb, _column) = (words.next()?, words.next()?, words.next()?);
        let name = words.find(|word| !["IF", "NOT", "EXISTS"].contains(word))?;
        ["ADD", "DROP"].contains(&verb).then_some(Self { table, name, is_dropped: verb == "DROP" })
    }
}

/// Something that a line of a script makes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Made<'l> {
    pub(crate) kind: &'static str,
    /// The table that a column, an index or a trigger is of: one of that name on another table is another one.
    pub(crate) table: Option<&'l str>,
    pub(crate) name: &'l str,
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
            ("CREATE TRIGGER ", "trigger"),
            ("CREATE OR REPLACE FUNCTION ", "function"),
        ];
        kinds.into_iter().find_map(|(words, kind)| {
            let (name, rest) = line.strip_prefix(words)?.split_once([' ', '('])?;
            let of = rest.split_once("ON ").filter(|_| ["index", "trigger"].contains(&kind));
            let table = of.and_then(|(_, table)| table.split(' ').next());
            Some(Self { kind, table, name })
        })
    }
}

impl std::fmt::Display for Made<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.table {
            Some(table) if self.kind == "column" => write!(f, "column {table}.{}", self.name),
            Some(table) => write!(f, "{} {} on {table}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_make_something_are_read() {
        for (line, shown) in [
            ("CREATE TABLE IF NOT EXISTS reaper_events (", "table reaper_events"),
            ("CREATE UNIQUE INDEX IF NOT EXISTS reaper_x ON jobs (id)", "index reaper_x on jobs"),
            ("CREATE TRIGGER IF NOT EXISTS reaper_t AFTER UPDATE OF a, b ON jobs", "trigger reaper_t on jobs"),
            ("CREATE TRIGGER reaper_t BEFORE INSERT ON jobs", "trigger reaper_t on jobs"),
            ("CREATE OR REPLACE FUNCTION reaper_f(at text) RETURNS bigint", "function reaper_f"),
            ("ALTER TABLE jobs ADD COLUMN reaper_fence INTEGER;", "column jobs.reaper_fence"),
            ("ALTER TABLE jobs ADD COLUMN IF NOT EXISTS reaper_fence bigint;", "column jobs.reaper_fence"),
        ] {
            assert_eq!(Made::of(line).map(|made| made.to_string()).as_deref(), Some(shown), "{line}");
        }
        for line in
            ["ALTER TABLE jobs DROP COLUMN x;", "ALTER TABLE jobs OWNER TO x;", "DROP TABLE x", "    CREATE"]
        {
            assert_eq!(Made::of(line), None, "{line}");
        }
        let dropped = Column::of("ALTER TABLE jobs DROP COLUMN IF EXISTS reaper_fence;");
        assert_eq!(dropped, Some(Column { table: "jobs", name: "reaper_fence", is_dropped: true }));
    }
}
