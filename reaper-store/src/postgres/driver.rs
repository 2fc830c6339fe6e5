//! A connection as a [`Driver`]: how values are bound and rows are read, and what PostgreSQL does in its own way.

use std::{borrow::Cow, collections::BTreeSet};

use diesel::{
    PgConnection, QueryResult, QueryableByName, RunQueryDsl,
    connection::SimpleConnection as _,
    deserialize,
    pg::{Pg, PgValue},
    query_builder::{AstPass, QueryFragment},
    result::Error,
    row::{Field as _, NamedRow, Row},
    sql_types::{Array, BigInt, Nullable, Text},
};
use reaper_core::{Attempt, JobId, RunId, job::Key};

use super::{claims, foreign, load::load_on, script, sql};
use crate::{
    Claim, StoreError,
    database::{
        Bound, Driver, Fault, IsThere, Leased, Named, Post, Script, Statement, Value,
        attempts::fenced,
        books::{Note, int},
        row::{KEPT, LONGEST, Raw, RawRow},
    },
    facts::{Page, Wanted},
};

impl Driver for PgConnection {
    const SCRIPTS: &'static [Script] = &script::SCRIPTS;

    fn run(&mut self, statement: &Statement<'_>) -> QueryResult<usize> {
        RunQueryDsl::execute(&statement.bound(without_nul), self)
    }

    fn rows(&mut self, statement: &Statement<'_>) -> QueryResult<Vec<RawRow>> {
        RunQueryDsl::load(&statement.bound(without_nul), self)
    }

    fn insert(&mut self, statement: &Statement<'_>) -> QueryResult<Option<i64>> {
        Ok(statement.first_row(self)?.and_then(|mut row| row.next_int()))
    }

    fn claim(&mut self, claims: &[&Claim]) -> Result<Vec<bool>, Fault> {
        claims::claim(self, claims)
    }

    fn requeue_all(&mut self, noted: [Named<'_>; 2]) -> Result<usize, Fault> {
        Ok(Statement::new(sql::REQUEUE_ALL, noted).run(self)?)
    }

    fn note_all(&mut self, notes: &[Note<'_>]) -> Result<(), Fault> {
        if notes.is_empty() {
            return Ok(());
        }
        let values = [
            ("id", Value::ints(notes, |note| Some(note.id.0))),
            ("job", Value::ints(notes, |note| note.job.and_then(int_key))),
            ("fence", Value::ints(notes, |note| note.fence.and_then(int_key))),
            ("actor", Value::texts(notes, |note| Some(note.actor.as_str()))),
            ("action", Value::texts(notes, |note| Some(note.action))),
            ("rule", Value::texts(notes, |note| Some(note.rule))),
            ("reason", Value::texts(notes, |note| Some(note.reason.as_ref()))),
            ("from_status", Value::texts(notes, |note| note.from)),
            ("to_status", Value::texts(notes, |note| Some(note.to))),
            ("evidence", Value::texts(notes, |note| Some(&note.evidence))),
            ("agent", Value::texts(notes, |note| note.agent)),
            ("signature", Value::texts(notes, |note| note.signature.as_deref())),
            ("run", Value::ints(notes, |note| note.run.and_then(int_key))),
            ("young", Value::ints(notes, |note| note.young)),
        ];
        Statement::new(sql::EVENTS, values).run(self)?;
        Ok(())
    }

    fn post_all(&mut self, posts: &[Post<'_>]) -> Result<usize, Fault> {
        if posts.is_empty() {
            return Ok(0);
        }
        let values = [
            ("key", Value::texts(posts, |post| Some(&post.key))),
            ("job", Value::ints(posts, |post| post.job.and_then(JobId::as_int))),
            ("effect", Value::texts(posts, |post| Some(&post.effect))),
        ];
        Ok(Statement::new(sql::POST, values).run(self)?)
    }

    fn lease(&mut self, leased: &[Leased], millis: i64) -> Result<(), Fault> {
        let values = [
            ("seq", Value::ints(leased, |leased| Some(leased.seq))),
            ("token", Value::ints(leased, |leased| Some(leased.token))),
            ("lease", millis.into()),
        ];
        Statement::new(sql::LEASE, values).run(self)?;
        Ok(())
    }

    fn load(&mut self, wanted: &Wanted, limit: usize) -> Result<Page, Fault> {
        load_on(self, wanted, limit)
    }

    fn is_run_held(&mut self, run: &RunId) -> Result<bool, Fault> {
        is_held(&Statement::new(sql::HOLD_RUN, [("run", (&run.0).into())]), self)
    }

    fn is_attempt_held(&mut self, attempt: &Attempt) -> Result<bool, Fault> {
        is_held(&fenced(sql::HOLD_WITNESSED, attempt), self)
    }

    fn check_contract(&mut self) -> Result<(), Fault> {
        foreign::check(self)
    }

    fn has_migrations(&mut self) -> Result<bool, Fault> {
        let table = Statement::new(sql::HAS_MIGRATIONS, []).first_row(self)?;
        Ok(table.and_then(|mut row| row.next_text()).is_some())
    }

    fn run_script(&mut self, text: &str) -> QueryResult<()> {
        self.batch_execute(text)
    }

    fn objects(&mut self) -> Result<IsThere, Fault> {
        // Each by kind, table and name.
        let mut objects = BTreeSet::new();
        for mut row in Statement::new(sql::OBJECTS, []).rows(self)? {
            let mut word = || row.next_text().unwrap_or_default();
            objects.insert((word(), word(), word()));
        }
        Ok(Box::new(move |made| {
            let table = made.table.unwrap_or_default();
            objects.contains(&(made.kind.to_owned(), table.to_owned(), made.name.to_owned()))
        }))
    }

    fn keep_to_one_schema(&mut self) -> Result<(), Fault> {
        let schema = Statement::new(sql::SCHEMA, []).first_row(self)?;
        let schema = schema.and_then(|mut row| row.next_text()).ok_or_else(|| {
            StoreError::Database("no schema of the search_path is there to put the tables into".into())
        })?;
        Statement::new(sql::SEARCH_SCHEMA, [("schema", (&schema).into())]).first_row(self)?;
        Ok(())
    }
}

fn is_held(hold: &Statement<'_>, connection: &mut PgConnection) -> Result<bool, Fault> {
    Ok(int(hold.first_row(connection)?) > 0)
}

/// A key as an integer. Keys are integers here, so a text names no row: it is bound as NULL, which equals nothing.
pub(super) const fn int_key(key: &Key) -> Option<i64> {
    match key {
        Key::Int(n) => Some(*n),
        Key::Text(_) => None,
    }
}

/// A text as PostgreSQL can hold it: it has no U+0000.
fn without_nul<'v>(value: &Value<'v>) -> Option<Value<'v>> {
    let has_nul = |text: &Option<Cow<'v, str>>| text.as_deref().is_some_and(|text| text.contains('\0'));
    let clean =
        |text: &Option<Cow<'v, str>>| text.as_deref().map(|text| Cow::Owned(text.replace('\0', "\u{fffd}")));
    match value {
        Value::Text(text) if has_nul(text) => Some(Value::Text(clean(text))),
        Value::Texts(list) if list.iter().any(has_nul) => Some(Value::Texts(list.iter().map(clean).collect())),
        Value::Int(_) | Value::Text(_) | Value::Key(_) | Value::Ints(_) | Value::Texts(_) => None,
    }
}

impl QueryFragment<Pg> for Bound<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        for (before, name, value) in self.places() {
            out.push_sql(before);
            match value {
                Some(Value::Int(n)) => out.push_bind_param::<Nullable<BigInt>, _>(n)?,
                Some(Value::Text(text)) => out.push_bind_param::<Nullable<Text>, _>(text)?,
                Some(Value::Key(Key::Int(n))) => out.push_bind_param::<BigInt, _>(n)?,
                Some(Value::Key(Key::Text(_))) => {
                    out.push_bind_param::<Nullable<BigInt>, Option<i64>>(&None)?;
                }
                Some(Value::Ints(list)) => out.push_bind_param::<Array<Nullable<BigInt>>, _>(list)?,
                Some(Value::Texts(list)) => out.push_bind_param::<Array<Nullable<Text>>, _>(list)?,
                None => return Err(Error::QueryBuilderError(format!("`:{name}` has no value").into())),
            }
        }
        out.push_sql(self.end());
        Ok(())
    }
}

impl RunQueryDsl<PgConnection> for &Bound<'_> {}

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
