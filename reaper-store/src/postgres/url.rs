//! A database's URL: what is added to it before it is given to libpq, and what of it may be shown.

use super::options::{Options, Pooling, setting};
use crate::StoreError;

/// A URL, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Url {
    /// The URL as libpq gets it, password included.
    pub(super) full: String,
    /// The same without its password and its parameters, for people.
    pub(super) shown: String,
}

impl Url {
    /// Adds the store's settings before the user's own: libpq believes the last.
    pub(super) fn parse(url: &str, options: &Options) -> Result<Self, StoreError> {
        let scheme = ["postgres://", "postgresql://"].into_iter().find(|scheme| url.starts_with(scheme));
        let Some((scheme, rest)) = scheme.and_then(|scheme| Some((scheme, url.strip_prefix(scheme)?))) else {
            return Err(unreachable("the database", "its address is no `postgres://` URL"));
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        // What does not parse may show the password in libpq's words, so libpq does not get it.
        if database.contains('@')
            || query.contains('@')
            || rest.contains('#')
            || authority.matches('@').count() > 1
        {
            return Err(unreachable(
                &format!("{scheme}…"),
                "its user or password holds a character that must be written as `%40` and the like",
            ));
        }
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        if !is_encoded(user) {
            return Err(unreachable(
                &format!("{scheme}…"),
                "its user or password holds a `%` that is written as `%25`",
            ));
        }
        let name = user.split_once(':').map_or(user, |(name, _password)| name);
        let at = if name.is_empty() { "" } else { "@" };
        let shown = format!("{scheme}{name}{at}{host}/{database}");

        let parameters: Vec<_> = query.split('&').filter(|parameter| !parameter.is_empty()).collect();
        let own = parameters.iter().filter_map(|parameter| parameter.strip_prefix("options=")).next_back();
        let mut all = added(options, own);
        all.extend(
            parameters
                .iter()
                .filter(|parameter| !parameter.starts_with("options="))
                .map(|parameter| (*parameter).to_owned()),
        );
        Ok(Self { full: format!("{scheme}{place}?{}", all.join("&")), shown })
    }
}

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

/// The parameters that are added, with the user's own `options` behind the store's.
fn added(options: &Options, own: Option<&str>) -> Vec<String> {
    let mut parameters: Vec<String> = [
        ("application_name", "reaper"),
        ("keepalives", "1"),
        ("keepalives_idle", "30"),
        ("keepalives_interval", "10"),
        ("keepalives_count", "3"),
        ("tcp_user_timeout", "60000"),
    ]
    .into_iter()
    .map(|(name, value)| format!("{name}={value}"))
    .collect();
    parameters.push(format!("connect_timeout={}", options.connect_timeout.as_secs().clamp(2, 3600)));
    let mut settings = Vec::new();
    if options.pooling == Pooling::Session {
        // Statements are written for the plan that holds for any value (docs/postgres.md).
        settings.push("-c%20plan_cache_mode%3Dforce_generic_plan".to_owned());
        for (name, limit) in [
            ("lock_timeout", options.lock_timeout),
            ("statement_timeout", options.statement_timeout),
            ("idle_in_transaction_session_timeout", options.idle_timeout),
        ] {
            settings.push(format!("-c%20{name}%3D{}", setting(limit)));
        }
        if options.read_only {
            settings.push("-c%20default_transaction_read_only%3Don".into());
        }
    }
    settings.extend(own.map(str::to_owned));
    if !settings.is_empty() {
        parameters.push(format!("options={}", settings.join("%20")));
    }
    parameters
}

/// Whether every `%` begins two hexadecimal digits.
fn is_encoded(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| rest.bytes().take_while(u8::is_ascii_hexdigit).count() >= 2)
}

fn unreachable(database: &str, problem: &str) -> StoreError {
    StoreError::Unreachable { database: database.into(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Url, StoreError> {
        Url::parse(url, &Options::default())
    }

    #[test]
    fn the_password_is_never_shown() {
        let url = parse("postgres://me:s3cret@db.example:5433/jobs?sslmode=require&password=s3cret").unwrap();
        assert_eq!(url.shown, "postgres://me@db.example:5433/jobs");
        assert_eq!(format!("{url:?}"), url.shown);
        for bad in [
            "postgres://me:s3c/ret@db/jobs",
            "postgres://me:s3c?ret@db/jobs",
            "postgres://me:s3c@ret@db/jobs",
            "postgres://me:s3c#ret@db/jobs",
            "postgres://me:s3c%ret@db/jobs",
            "host=db password=s3cret",
        ] {
            let problem = format!("{:?}", parse(bad).unwrap_err());
            assert!(!problem.contains("s3c") && !problem.contains("ret@"), "{problem}");
        }
    }

    #[test]
    fn the_users_parameters_come_last() {
        let url =
            parse("postgresql:///jobs?host=/run/pg&connect_timeout=3&options=-csearch_path%3Dqueue").unwrap().full;
        assert!(url.ends_with("&host=/run/pg&connect_timeout=3"), "{url}");
        assert!(
            url.contains("%20-c%20idle_in_transaction_session_timeout%3D60000%20-csearch_path%3Dqueue&"),
            "{url}"
        );
        assert_eq!(url.matches("options=").count(), 1, "{url}");
    }

    #[test]
    fn a_transaction_pooler_is_sent_no_settings() {
        let options = Options { pooling: Pooling::Transaction, read_only: true, ..Options::default() };
        let url = Url::parse("postgres://db/jobs", &options).unwrap();
        assert!(!url.full.contains("options="), "{}", url.full);
        assert!(url.full.contains("keepalives=1&"), "{}", url.full);
    }
}
