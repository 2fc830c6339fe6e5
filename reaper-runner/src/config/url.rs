//! What the URL of a database says by itself.

use super::Config;

impl Config {
    /// Whether the database is a PostgreSQL one, by the scheme of its URL.
    #[must_use]
    pub fn is_on_postgres(&self) -> bool {
        let url = self.database_url.as_deref().unwrap_or_default();
        url.starts_with("postgres://") || url.starts_with("postgresql://")
    }
}

/// The path of a SQLite file, from a URL that is none of another database's.
pub(crate) fn sqlite_path(url: &str) -> &str {
    url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).unwrap_or(url)
}
