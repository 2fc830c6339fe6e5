//! Statements as text with their values, and values as SQLite holds them.
//!
//! Diesel caches a prepared statement of this kind by its text; it caches no `sql_query`.

use diesel::{
    QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    backend::Backend,
    deserialize::{self, FromSql},
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    row::{Field, NamedRow},
    sql_types::{BigInt, Binary, Nullable, Text, Untyped},
    sqlite::{Sqlite, SqliteType},
};

/// A value for a statement.
#[derive(Clone, Debug)]
pub(super) enum Bind {
    Int(Option<i64>),
    Text(Option<String>),
}

impl From<i64> for Bind {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Bind {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Bind {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Bind {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<String>> for Bind {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

/// A statement: its text, with a `?` for each value.
#[derive(Debug)]
struct Sql<'a> {
    text: &'a str,
    binds: &'a [Bind],
}

impl QueryFragment<Sqlite> for Sql<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let mut binds = self.binds.iter();
        let mut parts = self.text.split('?');
        out.push_sql(parts.next().unwrap_or_default());
        for part in parts {
            match binds.next() {
                Some(Bind::Int(value)) => out.push_bind_param::<Nullable<BigInt>, _>(value)?,
                Some(Bind::Text(value)) => out.push_bind_param::<Nullable<Text>, _>(value)?,
                None => {
                    let message = format!("a value is missing for `{}`", self.text);
                    return Err(diesel::result::Error::QueryBuilderError(message.into()));
                }
            }
            out.push_sql(part);
        }
        Ok(())
    }
}

impl QueryId for Sql<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Sql<'_> {
    type SqlType = Untyped;
}

impl RunQueryDsl<SqliteConnection> for Sql<'_> {}

/// A value as SQLite holds it, whatever the column was declared to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Raw {
    Null,
    Int(i64),
    Real(f64),
    /// Not always valid UTF-8.
    Text(Vec<u8>),
    Blob,
}

impl FromSql<Nullable<Binary>, Sqlite> for Raw {
    fn from_sql(mut value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(match value.value_type() {
            None => Self::Null,
            Some(SqliteType::Long | SqliteType::Integer | SqliteType::SmallInt) => Self::Int(value.read_long()),
            Some(SqliteType::Double | SqliteType::Float) => Self::Real(value.read_double()),
            Some(SqliteType::Text) => Self::Text(value.read_blob().to_vec()),
            Some(SqliteType::Binary) => Self::Blob,
        })
    }

    fn from_nullable_sql(value: Option<<Sqlite as Backend>::RawValue<'_>>) -> deserialize::Result<Self> {
        value.map_or(Ok(Self::Null), Self::from_sql)
    }
}

/// A row, whatever its columns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row(Vec<Raw>);

impl QueryableByName<Sqlite> for Row {
    fn build<'a>(row: &impl NamedRow<'a, Sqlite>) -> deserialize::Result<Self> {
        let field = |at: usize| diesel::row::Row::get(row, at).map(|field| Raw::from_nullable_sql(field.value()));
        (0..row.field_count()).filter_map(field).collect::<deserialize::Result<_>>().map(Self)
    }
}

impl Row {
    /// The value of a column, by its place; NULL where there is none.
    pub(super) fn at(&self, column: usize) -> &Raw {
        self.0.get(column).unwrap_or(&Raw::Null)
    }

    /// An integer.
    pub(super) fn int(&self, column: usize) -> Option<i64> {
        match self.at(column) {
            Raw::Int(value) => Some(*value),
            Raw::Null | Raw::Real(_) | Raw::Text(_) | Raw::Blob => None,
        }
    }

    /// A text; bytes that are none are replaced.
    pub(super) fn text(&self, column: usize) -> Option<String> {
        match self.at(column) {
            Raw::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Raw::Null | Raw::Int(_) | Raw::Real(_) | Raw::Blob => None,
        }
    }
}

/// Runs a statement that changes something, and says how many rows.
pub(super) fn execute(connection: &mut SqliteConnection, text: &str, binds: &[Bind]) -> QueryResult<usize> {
    Sql { text, binds }.execute(connection)
}

/// Runs a statement that reads.
pub(super) fn rows(connection: &mut SqliteConnection, text: &str, binds: &[Bind]) -> QueryResult<Vec<Row>> {
    Sql { text, binds }.load(connection)
}

/// The first row of a statement that reads.
pub(super) fn first(connection: &mut SqliteConnection, text: &str, binds: &[Bind]) -> QueryResult<Option<Row>> {
    Ok(rows(connection, text, binds)?.into_iter().next())
}

/// Now, in milliseconds since 1970, by SQLite's clock.
pub(super) const NOW: &str = "SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)";

/// Now, in milliseconds since 1970.
pub(super) fn now_ms(connection: &mut SqliteConnection) -> QueryResult<i64> {
    let row = first(connection, NOW, &[])?;
    row.and_then(|row| row.int(0)).ok_or(diesel::result::Error::NotFound)
}
