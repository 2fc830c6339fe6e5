//! A statement with its values, and the connection that runs it.

use std::{borrow::Cow, sync::Arc};

use diesel::{
    Connection, QueryResult,
    query_builder::{Query, QueryId},
    sql_types::Untyped,
};
use reaper_core::{Attempt, RunId, job::Key};

pub(crate) use super::form::Form;
use super::{
    Fault,
    books::Note,
    outbox::Post,
    row::RawRow,
    script::{Made, Script},
    texts::Texts,
};
use crate::{
    Claim,
    facts::{Page, Wanted},
};

/// A value that is bound.
#[derive(Clone, Debug)]
pub(crate) enum Value<'v> {
    Int(Option<i64>),
    Text(Option<Cow<'v, str>>),
    /// A row's key: an integer, or another store's text, of which each database has its own way.
    Key(&'v Key),
    /// One for each row of a set.
    Ints(Vec<Option<i64>>),
    /// One for each row of a set.
    Texts(Vec<Option<Cow<'v, str>>>),
}

impl<'v> Value<'v> {
    /// One integer for each.
    pub(crate) fn ints<T>(of: &[T], int: impl Fn(&T) -> Option<i64>) -> Self {
        Self::Ints(of.iter().map(int).collect())
    }

    /// One text for each.
    pub(crate) fn texts<T>(of: &'v [T], text: impl Fn(&'v T) -> Option<&'v str>) -> Self {
        Self::Texts(of.iter().map(|each| text(each).map(Cow::Borrowed)).collect())
    }
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
        Self::Text(Some(text.into()))
    }
}

impl<'v> From<&'v String> for Value<'v> {
    fn from(text: &'v String) -> Self {
        Self::Text(Some(text.into()))
    }
}

impl<'v> From<Option<&'v str>> for Value<'v> {
    fn from(text: Option<&'v str>) -> Self {
        Self::Text(text.map(Cow::Borrowed))
    }
}

impl<'v> From<&'v Key> for Value<'v> {
    fn from(key: &'v Key) -> Self {
        Self::Key(key)
    }
}

impl<'v> From<Option<&'v Key>> for Value<'v> {
    fn from(key: Option<&'v Key>) -> Self {
        key.map_or(Self::Int(None), Self::Key)
    }
}

/// A value and its name.
pub(crate) type Named<'v> = super::form::Named<Value<'v>>;

/// A statement: its form, and a value for each name in it.
#[derive(Debug)]
pub(crate) struct Statement<'v> {
    form: Arc<Form>,
    values: Vec<Named<'v>>,
}

impl<'v> Statement<'v> {
    pub(crate) fn new<const N: usize>(sql: &'static str, values: [Named<'v>; N]) -> Self {
        Self { form: Arc::new(Form::new(sql, &values)), values: values.into() }
    }

    /// One of many with the same form. The values must have the names that the form was made for, in their order.
    pub(crate) fn of(form: &Arc<Form>, values: Vec<Named<'v>>) -> Self {
        Self { form: Arc::clone(form), values }
    }

    /// With values for more names.
    pub(crate) fn with(mut self, values: impl IntoIterator<Item = Named<'v>>) -> Self {
        self.values.extend(values);
        Arc::make_mut(&mut self.form).arrange(&self.values);
        self
    }

    /// Runs it, and says how many rows it changed by itself (triggers not counted).
    pub(crate) fn run(&self, connection: &mut impl Driver) -> QueryResult<usize> {
        connection.run(self)
    }

    /// Runs it and reads its rows.
    pub(crate) fn rows(&self, connection: &mut impl Driver) -> QueryResult<Vec<RawRow>> {
        connection.rows(self)
    }

    /// Runs it and reads its first row.
    pub(crate) fn first_row(&self, connection: &mut impl Driver) -> QueryResult<Option<RawRow>> {
        Ok(self.rows(connection)?.into_iter().next())
    }

    /// With each value as a database takes it: what `other` makes of it, or as it is.
    pub(crate) fn bound(&self, other: impl Fn(&Value<'v>) -> Option<Value<'v>>) -> Bound<'_> {
        let mut values = Cow::Borrowed(self.values.as_slice());
        if self.values.iter().any(|(_, value)| other(value).is_some()) {
            let value = |value: &Value<'v>| other(value).unwrap_or_else(|| value.clone());
            values = self.values.iter().map(|(name, of)| (*name, value(of))).collect();
        }
        Bound { form: &self.form, values }
    }
}

/// A statement as a query node of its own, with the values as they are bound.
///
/// Diesel caches neither `sql_query` nor its own UPDATEs; a node without a static query id is cached by its text, so
/// that a set of ten thousand claims prepares one statement.
#[derive(Debug)]
pub(crate) struct Bound<'s> {
    form: &'s Form,
    values: Cow<'s, [Named<'s>]>,
}

impl Bound<'_> {
    /// The text before each place, the name at it, and its value, where it has one.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&str, &'static str, Option<&Value<'_>>)> {
        let value = |at| self.values.get(at).map(|(_, value)| value);
        self.form.places().map(move |(before, name, at)| (before, name, at.and_then(value)))
    }

    /// The text after the last place.
    pub(crate) fn end(&self) -> &'static str {
        self.form.end()
    }
}

impl QueryId for Bound<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Bound<'_> {
    type SqlType = Untyped;
}

/// A connection, and what its database does in its own way.
pub(crate) trait Driver: Connection<Backend: 'static> + Texts + 'static {
    /// Its migrations, the oldest first.
    const SCRIPTS: &'static [Script];

    /// Runs a statement, and says how many rows it changed by itself (triggers not counted).
    fn run(&mut self, statement: &Statement<'_>) -> QueryResult<usize>;

    /// Runs a statement and reads its rows.
    fn rows(&mut self, statement: &Statement<'_>) -> QueryResult<Vec<RawRow>>;

    /// Runs a statement that inserts a row, or none, and gives its id.
    fn insert(&mut self, statement: &Statement<'_>) -> QueryResult<Option<i64>>;

    /// Tries claims that may be won, in the transaction that it is in, and says of each whether it was.
    fn claim(&mut self, claims: &[&Claim]) -> Result<Vec<bool>, Fault>;

    /// Puts every running job back, with an event of which this is noted, and says how many.
    fn requeue_all(&mut self, noted: [Named<'_>; 2]) -> Result<usize, Fault>;

    /// Writes events, in their order.
    fn note_all(&mut self, notes: &[Note<'_>]) -> Result<(), Fault>;

    /// Stores effects, unless their keys are there, and says how many.
    fn post_all(&mut self, posts: &[Post<'_>]) -> Result<usize, Fault>;

    /// Leases effects, each under its token, for so many milliseconds.
    fn lease(&mut self, leased: &[Leased], millis: i64) -> Result<(), Fault>;

    /// The first page of a load, in a call that has looked at the schema already.
    fn load(&mut self, wanted: &Wanted, limit: usize) -> Result<Page, Fault>;

    /// Locks what a run's exit is written to, and says whether somebody else has locked some of it. Where there is one
    /// lock for the whole database, nobody has.
    fn is_run_held(&mut self, run: &RunId) -> Result<bool, Fault> {
        let _unheld = run;
        Ok(false)
    }

    /// The same of an attempt's exit.
    fn is_attempt_held(&mut self, attempt: &Attempt) -> Result<bool, Fault> {
        let _unheld = attempt;
        Ok(false)
    }

    /// Fails where one of the tables of the contract is there and cannot be adopted.
    fn check_contract(&mut self) -> Result<(), Fault>;

    /// Whether there is a table of the migrations that were run.
    fn has_migrations(&mut self) -> Result<bool, Fault>;

    /// Runs a migration's text.
    fn run_script(&mut self, text: &str) -> QueryResult<()>;

    /// Looks through the schema, and answers with what says what is there.
    fn objects(&mut self) -> Result<IsThere, Fault>;

    /// From here on every name is one of the schema that the tables are in, or will be.
    fn keep_to_one_schema(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

/// Whether something that a script makes is there.
pub(crate) type IsThere = Box<dyn Fn(&Made<'_>) -> bool>;

/// An effect's row that is leased, and the token of that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leased {
    pub(crate) seq: i64,
    pub(crate) token: i64,
}
