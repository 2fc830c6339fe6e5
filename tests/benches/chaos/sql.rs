//! Plain SQL, as a program that knows nothing of Reaper sends it. It may be refused: faults hit this program, too.

use std::path::PathBuf;

use diesel::{
    Connection as _, PgConnection, QueryResult, QueryableByName, RunQueryDsl as _, SqliteConnection,
    connection::SimpleConnection as _, sql_types,
};

/// A database.
#[derive(Clone, Debug)]
pub enum Sql {
    Sqlite(PathBuf),
    Postgres(String),
}

/// An open connection. What it has begun is rolled back when it is dropped.
pub enum Open {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    value: Option<String>,
}

impl Sql {
    /// One that does not wait for long: the lock that it waits for may be this run's own fault.
    pub fn open(&self) -> Result<Open, String> {
        let told = |error: diesel::ConnectionError| error.to_string();
        match self {
            Self::Sqlite(path) => {
                let mut connection = SqliteConnection::establish(&path.to_string_lossy()).map_err(told)?;
                let patient = connection.batch_execute("PRAGMA busy_timeout = 1000");
                patient.map_err(|error| error.to_string())?;
                Ok(Open::Sqlite(connection))
            }
            Self::Postgres(url) => {
                let mut connection = PgConnection::establish(url).map_err(told)?;
                let patient = connection.batch_execute("SET lock_timeout = '1s'; SET statement_timeout = '20s'");
                patient.map_err(|error| error.to_string())?;
                Ok(Open::Postgres(connection))
            }
        }
    }

    /// Runs statements.
    pub fn run(&self, statements: &str) -> Result<(), String> {
        self.open()?.run(statements)
    }

    /// The first column of what a query reads, as text; an empty one for NULL.
    pub fn texts(&self, query: &str) -> Result<Vec<String>, String> {
        self.open()?.texts(query)
    }

    /// A count.
    pub fn count(&self, table_and_condition: &str) -> Result<usize, String> {
        let counted = self.texts(&format!("SELECT count(*) FROM {table_and_condition}"))?;
        counted.first().and_then(|count| count.parse().ok()).ok_or_else(|| "no count".to_owned())
    }
}

impl Open {
    pub fn run(&mut self, statements: &str) -> Result<(), String> {
        let ran = match self {
            Self::Sqlite(connection) => connection.batch_execute(statements),
            Self::Postgres(connection) => connection.batch_execute(statements),
        };
        ran.map_err(|error| error.to_string())
    }

    pub fn texts(&mut self, query: &str) -> Result<Vec<String>, String> {
        let query =
            diesel::sql_query(format!("WITH texts(x) AS ({query}) SELECT CAST(x AS TEXT) AS value FROM texts"));
        let read: QueryResult<Vec<Text>> = match self {
            Self::Sqlite(connection) => query.load(connection),
            Self::Postgres(connection) => query.load(connection),
        };
        let rows = read.map_err(|error| error.to_string())?;
        Ok(rows.into_iter().map(|row| row.value.unwrap_or_default()).collect())
    }
}
