//! A statement with its values, as a query node of its own.
//!
//! Diesel caches neither `sql_query` nor its own UPDATEs; a node without a static query id is cached by its text, so
//! that a set of ten thousand claims prepares one statement.

use std::sync::Arc;

use diesel::{
    QueryResult, QueryableByName, RunQueryDsl, SqliteConnection, deserialize,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    result::Error,
    row::{Field as _, NamedRow, Row},
    sql_types::{BigInt, Nullable, Text, Untyped},
    sqlite::{Sqlite, SqliteType},
};

use reaper_core::job::Key;

use crate::row::{KEPT, LONGEST, Raw};
pub(super) use crate::{form::Form, row::RawRow};

/// A value that is bound.
#[derive(Clone, Debug)]
pub(super) enum Value<'v> {
    Int(Option<i64>),
    Text(Option<&'v str>),
}

impl From<i64> for Value<'_> {
    fn from(n: i64) -> Self {
        Self::Int(Some(n))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(n: Option<i64>) -> Self {
        Self::Int(n)
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(Some(text))
    }
}

impl<'v> From<&'v String> for Value<'v> {
    fn from(text: &'v String) -> Self {
        Self::Text(Some(text))
    }
}

impl<'v> From<Option<&'v str>> for Value<'v> {
    fn from(text: Option<&'v str>) -> Self {
        Self::Text(text)
    }
}

impl<'v> From<&'v Key> for Value<'v> {
    fn from(key: &'v Key) -> Self {
        match key {
            Key::Int(n) => Self::Int(Some(*n)),
            Key::Text(text) => Self::Text(Some(text)),
        }
    }
}

impl<'v> From<Option<&'v Key>> for Value<'v> {
    fn from(key: Option<&'v Key>) -> Self {
        key.map_or(Self::Int(None), Self::from)
    }
}

/// A value and its name.
pub(super) type Named<'v> = crate::form::Named<Value<'v>>;

/// A statement: its form, and a value for each name in it.
#[derive(Debug)]
pub(super) struct Statement<'v> {
    form: Arc<Form>,
    values: Vec<Named<'v>>,
}

impl<'v> Statement<'v> {
    pub(super) fn new<const N: usize>(sql: &'static str, values: [Named<'v>; N]) -> Self {
        Self { form: Arc::new(Form::new(sql, &values)), values: values.into() }
    }

    /// One of many with the same form. The values must have the names that the form was made for, in their order.
    pub(super) fn of(form: &Arc<Form>, values: Vec<Named<'v>>) -> Self {
        Self { form: Arc::clone(form), values }
    }

    /// With values for more names.
    pub(super) fn with(mut self, values: impl IntoIterator<Item = Named<'v>>) -> Self {
        self.values.extend(values);
        Arc::make_mut(&mut self.form).arrange(&self.values);
        self
    }

    /// Runs it, and says how many rows it changed by itself (triggers not counted).
    pub(super) fn run(&self, connection: &mut SqliteConnection) -> QueryResult<usize> {
        RunQueryDsl::execute(self, connection)
    }

    /// Runs it and reads its rows.
    pub(super) fn rows(&self, connection: &mut SqliteConnection) -> QueryResult<Vec<RawRow>> {
        RunQueryDsl::load(self, connection)
    }

    /// Runs it and reads its first row.
    pub(super) fn first_row(&self, connection: &mut SqliteConnection) -> QueryResult<Option<RawRow>> {
        Ok(self.rows(connection)?.into_iter().next())
    }
}

impl QueryFragment<Sqlite> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        for (before, name, at) in self.form.places() {
            out.push_sql(before);
            match at.and_then(|at| self.values.get(at)) {
                Some((_, Value::Int(n))) => out.push_bind_param::<Nullable<BigInt>, _>(n)?,
                Some((_, Value::Text(text))) => out.push_bind_param::<Nullable<Text>, _>(text)?,
                None => return Err(Error::QueryBuilderError(format!("`:{name}` has no value").into())),
            }
        }
        out.push_sql(self.form.end());
        Ok(())
    }
}

impl QueryId for Statement<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement<'_> {
    type SqlType = Untyped;
}

impl RunQueryDsl<SqliteConnection> for &Statement<'_> {}

impl QueryableByName<Sqlite> for RawRow {
    fn build<'a>(row: &impl NamedRow<'a, Sqlite>) -> deserialize::Result<Self> {
        let columns = (0..row.field_count()).map(|at| {
            let field = Row::get(row, at);
            field.and_then(|field| field.value().map(raw)).unwrap_or_default()
        });
        Ok(Self::from(columns.collect::<Vec<_>>()))
    }
}

fn raw(mut value: <Sqlite as diesel::backend::Backend>::RawValue<'_>) -> Raw {
    match value.value_type() {
        None => Raw::Null,
        Some(SqliteType::Long | SqliteType::Integer | SqliteType::SmallInt) => Raw::Int(value.read_long()),
        Some(SqliteType::Double | SqliteType::Float) => Raw::Real(value.read_double()),
        Some(SqliteType::Binary) => bytes(value.read_blob()),
        Some(SqliteType::Text) => {
            // Diesel replaces what is no UTF-8 by U+FFFD: only then it is worth a look at the bytes.
            let text = value.read_text();
            if text.len() > LONGEST {
                Raw::Long(text.len())
            } else if text.contains(char::REPLACEMENT_CHARACTER) {
                let blob = value.read_blob();
                String::from_utf8(blob.to_vec()).map_or_else(|_| bytes(blob), Raw::Text)
            } else {
                Raw::Text(text.to_owned())
            }
        }
    }
}

fn bytes(blob: &[u8]) -> Raw {
    Raw::Bytes(blob.iter().copied().take(KEPT).collect(), blob.len())
}
