//! A statement as the store has them: prepared once by its text, so that what is measured is its run.

use diesel::{
    PgConnection, QueryResult, QueryableByName, RunQueryDsl, deserialize,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    row::{Field as _, NamedRow, Row},
    sql_types::{Array, BigInt, Untyped},
};

/// A value that is bound.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Int(i64),
    Ints(Vec<i64>),
}

/// A text with a `?` for each value.
#[derive(Clone, Debug)]
pub(super) struct Sql(pub(super) &'static str, pub(super) Vec<Value>);

impl Sql {
    /// Runs it and says how many rows it changed.
    pub(super) fn run(&self, connection: &mut PgConnection) -> usize {
        RunQueryDsl::execute(self, connection).unwrap()
    }

    /// Runs it and reads the first column of its rows, a `bigint`.
    pub(super) fn ids(&self, connection: &mut PgConnection) -> Vec<i64> {
        let rows: Vec<First> = RunQueryDsl::load(self, connection).unwrap();
        rows.into_iter().map(|First(id)| id).collect()
    }
}

/// The first column, whatever its name.
struct First(i64);

impl QueryableByName<Pg> for First {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let field = Row::get(row, 0).ok_or("a row has a column")?;
        let value = field.value().ok_or("it is not NULL")?;
        Ok(Self(i64::from_be_bytes(value.as_bytes().try_into()?)))
    }
}

impl QueryFragment<Pg> for Sql {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut values = self.1.iter();
        for (at, piece) in self.0.split('?').enumerate() {
            if at > 0 {
                match values.next().expect("a value for each place") {
                    Value::Int(n) => out.push_bind_param::<BigInt, _>(n)?,
                    Value::Ints(list) => out.push_bind_param::<Array<BigInt>, _>(list)?,
                }
            }
            out.push_sql(piece);
        }
        Ok(())
    }
}

impl QueryId for Sql {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Sql {
    type SqlType = Untyped;
}

impl RunQueryDsl<PgConnection> for &Sql {}
