//! A connection as a [`Driver`]: how values are bound and rows are read, and what SQLite does in its own way.

use diesel::{
    QueryableByName, RunQueryDsl, SqliteConnection, deserialize,
    query_builder::{AstPass, QueryFragment},
    result::Error,
    row::{Field as _, NamedRow, Row},
    sql_types::{BigInt, Nullable, Text},
    sqlite::{Sqlite, SqliteType},
};
use reaper_core::{JobId, job::Key};

use super::{claims, events, foreign, load::load, script, sql};
use crate::{
    Claim,
    database::{
        Bound, Driver, Fault, IsThere, Leased, Named, Post, Script, Statement, Value,
        books::Note,
        row::{KEPT, LONGEST, Raw, RawRow},
    },
    facts::{Cursor, Page, Wanted},
};

impl Driver for SqliteConnection {
    const SCRIPTS: &'static [Script] = &script::SCRIPTS;

    fn run(&mut self, statement: &Statement<'_>) -> Result<usize, Error> {
        RunQueryDsl::execute(&statement.bound(lists_as_json), self)
    }

    fn rows(&mut self, statement: &Statement<'_>) -> Result<Vec<RawRow>, Error> {
        RunQueryDsl::load(&statement.bound(lists_as_json), self)
    }

    fn insert(&mut self, statement: &Statement<'_>) -> Result<Option<i64>, Error> {
        if statement.run(self)? == 0 {
            return Ok(None);
        }
        Ok(Statement::new(sql::LAST_ID, []).first_row(self)?.and_then(|mut row| row.next_int()))
    }

    fn claim(&mut self, claims: &[&Claim]) -> Result<Vec<bool>, Fault> {
        claims::claim(self, claims)
    }

    fn requeue_all(&mut self, noted: [Named<'_>; 2]) -> Result<usize, Fault> {
        Statement::new(sql::REQUEUE_ALL_EVENTS, noted).run(self)?;
        Ok(Statement::new(sql::REQUEUE_ALL, []).run(self)?)
    }

    fn note_all(&mut self, notes: &[Note<'_>]) -> Result<(), Fault> {
        events::note_all(self, notes)
    }

    fn post_all(&mut self, posts: &[Post<'_>]) -> Result<usize, Fault> {
        let mut stored = 0_usize;
        for post in posts {
            let job = post.job.and_then(JobId::as_int);
            let values = [("key", (&post.key).into()), ("job", job.into()), ("effect", (&post.effect).into())];
            stored = stored.saturating_add(Statement::new(sql::POST, values).run(self)?);
        }
        Ok(stored)
    }

    fn lease(&mut self, leased: &[Leased], millis: i64) -> Result<(), Fault> {
        for Leased { seq, token } in leased {
            let values = [("token", (*token).into()), ("lease", millis.into()), ("seq", (*seq).into())];
            Statement::new(sql::LEASE, values).run(self)?;
        }
        Ok(())
    }

    fn load(&mut self, wanted: &Wanted, limit: usize) -> Result<Page, Fault> {
        load(self, wanted, &Cursor::default(), limit)
    }

    fn check_contract(&mut self) -> Result<(), Fault> {
        foreign::check(self)
    }

    fn has_migrations(&mut self) -> Result<bool, Fault> {
        let table = Statement::new(sql::OBJECT, [("name", "reaper_migrations".into())]);
        Ok(table.first_row(self)?.is_some())
    }

    fn run_script(&mut self, text: &str) -> Result<(), Error> {
        script::run(self, text)
    }

    fn objects(&mut self) -> Result<IsThere, Fault> {
        let objects = script::Objects::of(self)?;
        Ok(Box::new(move |made| objects.has(made)))
    }
}

/// SQLite has no lists: one is a text of JSON, for `json_each`.
fn lists_as_json<'v>(value: &Value<'v>) -> Option<Value<'v>> {
    let list = match value {
        Value::Int(_) | Value::Text(_) | Value::Key(_) => return None,
        Value::Ints(list) => json(list),
        Value::Texts(list) => json(list),
    };
    Some(Value::Text(Some(list.into())))
}

/// A list as JSON. Lists of numbers and texts cannot fail to be written.
pub(super) fn json<T: serde::Serialize>(list: &T) -> String {
    serde_json::to_string(list).unwrap_or_else(|_| "[]".into())
}

impl QueryFragment<Sqlite> for Bound<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> Result<(), Error> {
        for (before, name, value) in self.places() {
            out.push_sql(before);
            match value {
                Some(Value::Int(n)) => out.push_bind_param::<Nullable<BigInt>, _>(n)?,
                Some(Value::Text(text)) => out.push_bind_param::<Nullable<Text>, _>(text)?,
                Some(Value::Key(Key::Int(n))) => out.push_bind_param::<BigInt, _>(n)?,
                Some(Value::Key(Key::Text(text))) => out.push_bind_param::<Text, _>(text)?,
                Some(Value::Ints(_) | Value::Texts(_)) => {
                    return Err(Error::QueryBuilderError(format!("`:{name}` is a list").into()));
                }
                None => return Err(Error::QueryBuilderError(format!("`:{name}` has no value").into())),
            }
        }
        out.push_sql(self.end());
        Ok(())
    }
}

impl RunQueryDsl<SqliteConnection> for &Bound<'_> {}

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
