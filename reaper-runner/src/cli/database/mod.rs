//! The database that the configuration names, by the scheme of its URL.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use reaper_gate::Advance;
use reaper_store::{Schema, Store, StoreError};

use super::{Exit, Failure};
use crate::config::{Config, sqlite_path};

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "sqlite")]
pub(crate) use self::sqlite::advance as sqlite_advance;

/// A store and its schema.
pub(super) trait Adapter: Store + Schema {}

impl<A: Store + Schema> Adapter for A {}

/// What is to be done with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing is ever written.
    Read,
    /// It must be there.
    Write,
    /// As far as the database's kind allows, it need not be there.
    Create,
}

/// Which database it is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Database {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database by its URL, password included.
    Postgres(String),
}

impl Database {
    /// The one that the configuration names.
    pub(super) fn named(config: &Config) -> Result<Self, Failure> {
        let usage = |message: String| Err(Failure::new(Exit::Usage, message));
        let Some(url) = config.database_url.as_deref().filter(|url| !url.is_empty()) else {
            return usage(
                "no database is named: use --database-url PATH, DATABASE_URL, or database_url in reaper.toml"
                    .into(),
            );
        };
        if config.is_on_postgres() {
            return Ok(Self::Postgres(url.to_owned()));
        }
        if let Some((scheme, _)) = url.split_once("://")
            && scheme != "sqlite"
        {
            return usage(format!(
                "{scheme}:// databases are not supported: name a SQLite file or a postgres:// URL"
            ));
        }
        let path = sqlite_path(url);
        if path.is_empty() || path == ":memory:" {
            return usage("a database in memory ends with the program: name a file".into());
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }

    /// Opens it. It need not be prepared for Reaper.
    #[cfg_attr(
        not(any(feature = "sqlite", feature = "postgres")),
        expect(unused_variables, reason = "no database is built in that could be opened by them")
    )]
    pub(super) fn open(&self, config: &Config, access: Access) -> Result<Arc<dyn Adapter>, Failure> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => sqlite::open(path, config, access),
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => postgres::open(url, config, access),
            #[cfg(not(feature = "sqlite"))]
            Self::Sqlite(_) => Err(self.not_built("SQLite")),
            #[cfg(not(feature = "postgres"))]
            Self::Postgres(_) => Err(self.not_built("PostgreSQL")),
        }
    }

    /// Opens one that is up to date.
    pub(super) fn open_current(&self, config: &Config, access: Access) -> Result<Arc<dyn Adapter>, Failure> {
        let store = self.open(config, access)?;
        self.require_current(store.as_ref())?;
        Ok(store)
    }

    /// Fails unless the database is up to date.
    pub(super) fn require_current(&self, store: &dyn Adapter) -> Result<(), Failure> {
        let pending = store.pending()?;
        if pending.is_empty() {
            return Ok(());
        }
        let problem = match store.installed()?.len() {
            0 => "reaper was never set up in it".to_owned(),
            _ => format!("{} migrations are not run yet", pending.len()),
        };
        Err(StoreError::NotMigrated { database: self.to_string(), problem }.into())
    }

    /// Waits until its server answers. `pause` waits for as long as it is told and says whether to give up. `false`: it
    /// was given up. A file is there or is not.
    #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "there is no server to wait for"))]
    pub(super) fn wait(&self, config: &Config, pause: impl Fn(Duration) -> bool) -> Result<bool, Failure> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => postgres::wait(url, config, pause),
            #[cfg(not(feature = "postgres"))]
            Self::Postgres(_) => Ok(true),
            Self::Sqlite(_) => Ok(true),
        }
    }

    /// What moves tasks in it.
    #[cfg_attr(
        not(any(feature = "sqlite", feature = "postgres")),
        expect(unused_variables, reason = "no database is built in that could be opened by them")
    )]
    pub(super) fn advance(&self, config: &Config) -> Result<Arc<dyn Advance>, Failure> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => Ok(sqlite::advance(path, config.busy_timeout)),
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => Ok(postgres::advance(url, config)),
            #[cfg(not(feature = "sqlite"))]
            Self::Sqlite(_) => Err(self.not_built("SQLite")),
            #[cfg(not(feature = "postgres"))]
            Self::Postgres(_) => Err(self.not_built("PostgreSQL")),
        }
    }

    #[cfg(not(all(feature = "sqlite", feature = "postgres")))]
    fn not_built(&self, kind: &str) -> Failure {
        Failure::new(Exit::Usage, format!("cannot open {self}: this program was built without {kind}"))
    }
}

/// Without its password and its parameters, which may hold one.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(url) => f.write_str(&without_password(url)),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What of a URL may be shown: scheme, user, host and database. Where a password may hold characters that should have
/// been escaped, only what follows the last `@` is; where that may be part of one, nothing.
fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (user, place) = rest.rsplit_once('@').unwrap_or(("", rest));
    let place = place.split(['?', '#']).next().unwrap_or_default();
    let user = user.split(':').next().unwrap_or_default();
    let doubtful = rest.matches('@').count() > 1 || user.contains(['/', '?', '#']);
    match (user, doubtful) {
        (_, true) => format!("{scheme}://…"),
        ("", false) => format!("{scheme}://{place}"),
        (user, false) => format!("{scheme}://{user}@{place}"),
    }
}

#[cfg(test)]
mod tests;
