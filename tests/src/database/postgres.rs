//! A PostgreSQL database of a test's own, which is dropped at the end.

use std::{
    env,
    sync::atomic::{AtomicU32, Ordering},
};

use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};

use crate::program::skipped;

/// A database with nothing in it.
#[derive(Debug)]
pub struct Scratch {
    server: String,
    name: String,
    url: String,
}

impl Scratch {
    /// One on the server that `DATABASE_URL` names; `None`, said loudly, where it names none.
    #[must_use]
    pub fn new() -> Option<Self> {
        let server = env::var("DATABASE_URL").unwrap_or_default();
        if !server.starts_with("postgres://") && !server.starts_with("postgresql://") {
            skipped("DATABASE_URL names no PostgreSQL server; `cargo xtask pg -- <command>` starts one");
            return None;
        }
        Some(Self::on(&server))
    }

    /// One on the server of this URL, which names a database of its own.
    #[must_use]
    pub fn on(server: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("reaper_tests_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let scratch = Self { server: server.to_owned(), url: with_database(server, &name), name };
        let name = &scratch.name;
        let mut connection = PgConnection::establish(server).unwrap();
        // A test that was killed may have left one, and its process id may have come back.
        connection.batch_execute("SET client_min_messages = warning").unwrap();
        connection.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).unwrap();
        connection.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        scratch
    }

    /// Its name on its server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A connection as another program has it.
    #[must_use]
    pub fn connection(&self) -> PgConnection {
        PgConnection::establish(&self.url).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The server may be gone, which a test may have meant.
        if let Ok(mut connection) = PgConnection::establish(&self.server) {
            connection.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)).ok();
        }
    }
}

/// A URL with another database.
fn with_database(url: &str, name: &str) -> String {
    let (place, parameters) = url.split_once('?').map_or((url, None), |(place, query)| (place, Some(query)));
    let (server, _) = place.rsplit_once('/').unwrap();
    let parameters = parameters.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{server}/{name}{parameters}")
}
