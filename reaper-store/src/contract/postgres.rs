//! A PostgreSQL database for each test: a copy of one that was migrated once.
//!
//! The server is the one that `DATABASE_URL` names; its role may create databases. The template is made once for each
//! server and each text of the migrations, whichever process comes first, and stays. A copy is dropped with its
//! [`Database`]; what a test that was killed has left is dropped by the next one. A copy is in use for as long as its
//! maker holds the advisory lock of its number, so that no process needs to know about another's.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Mutex, PoisonError},
};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _,
    connection::SimpleConnection as _,
    sql_query,
    sql_types::{BigInt, Bool, Text},
};

use crate::{
    Schema as _,
    draw::draw,
    postgres::{Options, PostgresStore, connect},
};

/// A database of its own, dropped with this value.
pub struct Database {
    url: String,
    name: String,
    /// Holds the lock that says that the database is in use.
    keeper: Mutex<PgConnection>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Bool)]
    answer: bool,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// The names of copies and of templates.
const COPY: &str = "reaper_test_";
const TEMPLATE: &str = "reaper_template_";

/// The first part of the advisory locks: `reap`.
const LOCKS: i32 = 0x7265_6170;

impl Database {
    /// A database that Reaper has migrated, and nothing else is in.
    ///
    /// # Panics
    ///
    /// Where `DATABASE_URL` names no PostgreSQL server that answers, or it refuses.
    #[must_use]
    pub fn migrated() -> Self {
        let mut keeper = server();
        let template = template(&mut keeper);
        Self::copy(keeper, &template)
    }

    /// A database that nothing is in.
    ///
    /// # Panics
    ///
    /// As [`migrated`](Self::migrated).
    #[must_use]
    pub fn empty() -> Self {
        Self::copy(server(), "template0")
    }

    /// The URL of the database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The name of the database on its server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A store on it.
    ///
    /// # Panics
    ///
    /// Where it cannot be opened.
    #[must_use]
    pub fn open(&self, options: Options) -> PostgresStore {
        PostgresStore::open(&self.url, options).expect("the database opens")
    }

    fn copy(mut keeper: PgConnection, template: &str) -> Self {
        sweep(&mut keeper);
        let number = i32::try_from(draw() >> 32).unwrap_or(i32::MAX).max(1);
        let locked = ask(&mut keeper, &format!("SELECT pg_try_advisory_lock({LOCKS}, {number}) AS answer"));
        assert!(locked, "two tests drew one number");
        let name = format!("{COPY}{number}");
        run(&mut keeper, &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        Self { url: url_of(&address(), &name), name, keeper: Mutex::new(keeper) }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // Where it fails, the next test's sweep does it.
        let keeper = self.keeper.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(keeper.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)));
    }
}

/// The server's address.
fn address() -> String {
    let url = std::env::var("DATABASE_URL").unwrap_or_default();
    assert!(
        url.starts_with("postgres://") || url.starts_with("postgresql://"),
        "this test needs a PostgreSQL server: run `cargo xtask pg -- cargo test …`, or set DATABASE_URL to a \
         postgres:// URL whose role may create databases"
    );
    url
}

fn server() -> PgConnection {
    connect(&address(), Options::default()).unwrap_or_else(|error| {
        panic!("{error}: run `cargo xtask pg -- cargo test …`, which starts a PostgreSQL server for the tests")
    })
}

/// The same address with another database.
fn url_of(server: &str, database: &str) -> String {
    let (place, query) = server.split_once('?').map_or((server, None), |(place, query)| (place, Some(query)));
    let authority = place
        .split_once("://")
        .map_or(place.len(), |(scheme, rest)| scheme.len() + 3 + rest.find('/').unwrap_or(rest.len()));
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}/{database}{query}", &place[..authority])
}

/// The name of the migrated template, which is made if need be.
fn template(keeper: &mut PgConnection) -> String {
    let mut hasher = DefaultHasher::new();
    crate::postgres::scripts().hash(&mut hasher);
    let name = format!("{TEMPLATE}{:016x}", hasher.finish());
    let exists = format!("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = '{name}') AS answer");
    if ask(keeper, &exists) {
        return name;
    }
    // One makes it, and the others wait; it has its name only once it is whole.
    run(keeper, "SET lock_timeout = '5min'; SET statement_timeout = '5min'");
    run(keeper, &format!("SELECT pg_advisory_lock({LOCKS}, 0)"));
    if !ask(keeper, &exists) {
        let half = format!("{name}_half");
        run(keeper, &format!("DROP DATABASE IF EXISTS {half} WITH (FORCE)"));
        run(keeper, &format!("CREATE DATABASE {half} TEMPLATE template0"));
        let store = PostgresStore::open(&url_of(&address(), &half), Options::default());
        store.and_then(|store| store.migrate()).expect("the template can be migrated");
        wait_for_no_connection(keeper, &half);
        run(keeper, &format!("ALTER DATABASE {half} RENAME TO {name}"));
    }
    run(keeper, &format!("SELECT pg_advisory_unlock({LOCKS}, 0)"));
    name
}

/// A connection that was closed may be seen for a moment longer.
fn wait_for_no_connection(keeper: &mut PgConnection, database: &str) {
    for _ in 0..1_000 {
        let left = sql_query(format!("SELECT count(*) AS n FROM pg_stat_activity WHERE datname = '{database}'"))
            .get_result::<Number>(keeper)
            .expect("the server answers");
        if left.n == 0 {
            return;
        }
        run(keeper, "SELECT pg_sleep(0.01)");
    }
    panic!("connections to {database} stay");
}

/// Drops the copies whose makers are gone.
fn sweep(keeper: &mut PgConnection) {
    let copies = sql_query(format!("SELECT datname::text AS name FROM pg_database WHERE datname LIKE '{COPY}%'"));
    for Name { name } in copies.load::<Name>(keeper).expect("the server answers") {
        let Some(number) = name.strip_prefix(COPY).and_then(|number| number.parse::<i32>().ok()) else { continue };
        if ask(keeper, &format!("SELECT pg_try_advisory_lock({LOCKS}, {number}) AS answer")) {
            // Another sweep may have been faster.
            drop(keeper.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")));
            run(keeper, &format!("SELECT pg_advisory_unlock({LOCKS}, {number})"));
        }
    }
}

fn run(keeper: &mut PgConnection, sql: &str) {
    keeper.batch_execute(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
}

fn ask(keeper: &mut PgConnection, sql: &str) -> bool {
    let answer = sql_query(sql).get_result::<Answer>(keeper);
    answer.unwrap_or_else(|error| panic!("{error}: {sql}")).answer
}
