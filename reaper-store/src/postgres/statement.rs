//! A statement with its values, as a query node of its own.
//!
//! Diesel caches neither `sql_query` nor its own UPDATEs; a node without a static query id is cached by its text.

use std::{borrow::Cow, sync::Arc};

use diesel::{
    PgConnection, QueryResult, QueryableByName, RunQueryDsl, deserialize,
    pg::{Pg, PgValue},
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    result::Error,
    row::{Field as _, NamedRow, Row},
    sql_types::{Array, BigInt, Nullable, Text, Untyped},
};

use reaper_core::job::Key;

use crate::row::{KEPT, LONGEST, Raw};
pub(super) use crate::{form::Form, row::RawRow};

/// A value that is bound.
#[derive(Clone, Debug)]
pub(super) enum Value<'v> {
    Int(Option<i64>),
    Text(Option<Cow<'v, str>>),
    Ints(Vec<Option<i64>>),
    Texts(Vec<Option<Cow<'v, str>>>),
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
        Self::Text(Some(clean(text)))
    }
}

impl<'v> From<&'v String> for Value<'v> {
    fn from(text: &'v String) -> Self {
        Self::Text(Some(clean(text)))
    }
}

impl<'v> From<Option<&'v str>> for Value<'v> {
    fn from(text: Option<&'v str>) -> Self {
        Self::Text(text.map(clean))
    }
}

impl<'v> Value<'v> {
    /// One integer for each.
    pub(super) fn ints<T>(of: &[T], int: impl Fn(&T) -> Option<i64>) -> Self {
        Self::Ints(of.iter().map(int).collect())
    }

    /// One text for each.
    pub(super) fn texts<T>(of: &'v [T], text: impl Fn(&'v T) -> Option<&'v str>) -> Self {
        Self::Texts(of.iter().map(|each| text(each).map(clean)).collect())
    }
}

/// A key as an integer. Keys are integers in this store, so a text names no row: it is bound as NULL, which equals
/// nothing.
pub(super) fn int_key(key: &Key) -> Option<i64> {
    match key {
        Key::Int(n) => Some(*n),
        Key::Text(_) => None,
    }
}

/// A text as PostgreSQL can hold it: it has no U+0000.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
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
    pub(super) fn run(&self, connection: &mut PgConnection) -> QueryResult<usize> {
        RunQueryDsl::execute(self, connection)
    }

    /// Runs it and reads its rows.
    pub(super) fn rows(&self, connection: &mut PgConnection) -> QueryResult<Vec<RawRow>> {
        RunQueryDsl::load(self, connection)
    }

    /// Runs it and reads its first row.
    pub(super) fn first_row(&self, connection: &mut PgConnection) -> QueryResult<Option<RawRow>> {
        Ok(self.rows(connection)?.into_iter().next())
    }
}

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        for (before, name, at) in self.form.places() {
            out.push_sql(before);
            match at.and_then(|at| self.values.get(at)) {
                Some((_, Value::Int(n))) => out.push_bind_param::<Nullable<BigInt>, _>(n)?,
                Some((_, Value::Text(text))) => out.push_bind_param::<Nullable<Text>, _>(text)?,
                Some((_, Value::Ints(list))) => out.push_bind_param::<Array<Nullable<BigInt>>, _>(list)?,
                Some((_, Value::Texts(list))) => out.push_bind_param::<Array<Nullable<Text>>, _>(list)?,
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

impl RunQueryDsl<PgConnection> for &Statement<'_> {}

impl QueryableByName<Pg> for RawRow {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let columns = (0..row.field_count()).map(|at| {
            Row::get(row, at).and_then(|field| field.value().map(|value| raw(&value))).unwrap_or_default()
        });
        Ok(Self::from(columns.collect::<Vec<_>>()))
    }
}

/// A value in PostgreSQL's binary form, by the type that it has. The statements cast whatever is neither an integer
/// nor a text to one.
fn raw(value: &PgValue<'_>) -> Raw {
    let bytes = value.as_bytes();
    match value.get_oid().get() {
        INT8 => bytes.try_into().map_or_else(|_| cut(bytes), |n| Raw::Int(i64::from_be_bytes(n))),
        INT4 => bytes.try_into().map_or_else(|_| cut(bytes), |n| Raw::Int(i32::from_be_bytes(n).into())),
        INT2 => bytes.try_into().map_or_else(|_| cut(bytes), |n| Raw::Int(i16::from_be_bytes(n).into())),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) if text.len() > LONGEST => Raw::Long(whole_length(text)),
            Ok(text) => Raw::Text(text.to_owned()),
            Err(_) => cut(bytes),
        },
    }
}

/// The length of a text that was too long: the statement has cut it after [`LONGEST`] characters and put its length
/// behind.
fn whole_length(text: &str) -> usize {
    let digits = text.char_indices().nth(LONGEST).and_then(|(at, _)| text.get(at..));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(text.len())
}

fn cut(bytes: &[u8]) -> Raw {
    Raw::Bytes(bytes.iter().copied().take(KEPT).collect(), bytes.len())
}

/// The types' numbers in `pg_type`, which are fixed.
const INT8: u32 = 20;
const INT2: u32 = 21;
const INT4: u32 = 23;
