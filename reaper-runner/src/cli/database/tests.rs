//! Which database a URL names, and what of it is shown.

use super::*;

fn named(url: &str) -> Result<Database, Failure> {
    Database::named(&Config { database_url: Some(url.to_owned()), ..Config::default() })
}

#[test]
fn the_scheme_says_which_database_it_is() {
    for (url, path) in [("jobs.db", "jobs.db"), ("sqlite:a b.db", "a b.db"), ("sqlite:///srv/j.db", "/srv/j.db")] {
        assert_eq!(named(url).unwrap(), Database::Sqlite(path.into()), "{url}");
    }
    for url in ["postgres://db/jobs", "postgresql:///jobs"] {
        assert_eq!(named(url).unwrap(), Database::Postgres(url.into()));
    }
    for (url, said) in
        [("", "no database is named"), ("mysql://db/jobs", "mysql://"), ("sqlite::memory:", "name a file")]
    {
        let failure = named(url).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.message.contains(said), "{}", failure.message);
    }
}

#[test]
fn no_password_is_shown() {
    for (url, shown) in [
        ("postgres://me:s3cret@db:5433/jobs?sslmode=require", "postgres://me@db:5433/jobs"),
        ("postgres://me@db/jobs?password=s3cret", "postgres://me@db/jobs"),
        ("postgresql:///jobs?host=/run&password=s3cret", "postgresql:///jobs"),
        ("postgres://me:s3c@ret@db/jobs", "postgres://…"),
        ("postgres://me:s3c/ret@db/jobs", "postgres://me@db/jobs"),
        ("postgres://db/jobs?password=s3c@ret", "postgres://…"),
        ("postgres://db/jobs?password=s3cret#x", "postgres://db/jobs"),
    ] {
        let database = named(url).unwrap();
        assert_eq!(database.to_string(), shown);
        assert_eq!(format!("{database:?}"), shown);
    }
}
