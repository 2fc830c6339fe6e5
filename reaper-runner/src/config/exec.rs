//! The section `[exec]`.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    Config,
    span::{duration, maybe_duration},
    sqlite_path,
};

/// How `reaper exec` runs jobs.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExecConfig {
    /// Where exits are kept until the database has them. Where it is not said: beside a SQLite database; for a
    /// PostgreSQL one in the state folder of who runs the program.
    pub spool: Option<PathBuf>,
    /// How long a command may run.
    #[serde(with = "maybe_duration")]
    pub limit: Option<Duration>,
    /// What runs when the exit is recorded: commands, each a list.
    pub hooks: Vec<Vec<String>>,
    /// How long each of them may take.
    #[serde(with = "duration")]
    pub hook_timeout: Duration,
    /// Whether attempts die with this host's node.
    pub bound: bool,
    /// How long a database that does not answer is tried to be told of an exit.
    #[serde(with = "duration")]
    pub patience: Duration,
    /// The longest wait between two looks for a job.
    #[serde(with = "duration")]
    pub idle: Duration,
}

impl Default for ExecConfig {
    fn default() -> Self {
        Self {
            spool: None,
            limit: None,
            hooks: Vec::new(),
            hook_timeout: Duration::from_secs(120),
            bound: false,
            patience: Duration::from_secs(60),
            idle: Duration::from_secs(5),
        }
    }
}

impl ExecConfig {
    /// What of it cannot be meant.
    pub(super) fn problem(&self) -> Option<(&'static str, &'static str)> {
        let has_no_program = |hook: &Vec<String>| hook.first().is_none_or(String::is_empty);
        if self.limit.is_some_and(|limit| limit.is_zero()) {
            Some(("exec.limit", "0 leaves no time to run: leave it out for no limit"))
        } else if self.hooks.iter().any(has_no_program) {
            Some(("exec.hooks", "a hook has no command: write the program and its arguments as a list"))
        } else if self.hook_timeout.is_zero() {
            Some(("exec.hook_timeout", "0 leaves a hook no time: use at least 1s"))
        } else if self.idle.is_zero() {
            Some(("exec.idle", "0 leaves no time between two looks for a job: use at least 1ms"))
        } else {
            None
        }
    }
}

impl Config {
    /// Where exits are spooled; `None` where it is not said and there is no state folder.
    #[must_use]
    pub fn spool_folder(&self) -> Option<PathBuf> {
        if let Some(folder) = &self.exec.spool {
            return Some(folder.clone());
        }
        let url = self.database_url.as_deref().filter(|url| !url.is_empty())?;
        if self.is_on_postgres() {
            let (name, place) = (name_of(url), hash_of(&place_of(url)));
            return Some(state_folder()?.join("reaper").join(format!("{name}-{place:016x}-spool")));
        }
        Some(PathBuf::from(format!("{}-spool", sqlite_path(url))))
    }
}

/// Where programs keep what must outlive a reboot, as the XDG base directories have it.
fn state_folder() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| Path::is_absolute(path));
    absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
}

/// Host, port and database of a URL, as they can be read in the name of a folder. No user, password or parameter is in it.
fn name_of(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let place = rest.split(['?', '#']).next().unwrap_or_default();
    let (_, place) = place.rsplit_once('@').unwrap_or(("", place));
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    place.chars().map(plain).take(100).collect()
}

/// All that a URL says of which tables are meant. Two roles of one database share them, and so does whoever connects with
/// other secrets or timeouts; the user is the database's name where none is given.
fn place_of(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (login, address) = address.rsplit_once('@').unwrap_or(("", address));
    let (host, database) = address.split_once('/').unwrap_or((address, ""));
    let mut parameters: Vec<_> = query.split('&').filter_map(|parameter| parameter.split_once('=')).collect();
    parameters.sort_unstable();
    let has_database = !database.is_empty() || parameters.iter().any(|(name, _)| *name == "dbname");
    let mut place = vec![host, database];
    if !has_database {
        place.push(login.split(':').next().unwrap_or_default());
    }
    for (name, value) in parameters {
        if PLACE.contains(&name) || (name == "user" && !has_database) {
            place.extend([name, value]);
        }
    }
    place.join("\n")
}

/// The parameters of a URL that say which tables are meant: `options` may set the `search_path`.
const PLACE: [&str; 6] = ["host", "hostaddr", "port", "dbname", "options", "service"];

/// The same on every machine and with every version (FNV-1a).
fn hash_of(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(url: &str) -> Option<PathBuf> {
        Config { database_url: Some(url.into()), ..Config::default() }.spool_folder()
    }

    #[test]
    fn a_file_has_its_spool_beside_it() {
        for url in ["var/jobs.db", "sqlite:var/jobs.db", "sqlite://var/jobs.db"] {
            assert_eq!(folder(url), Some("var/jobs.db-spool".into()), "{url}");
        }
        let own = ExecConfig { spool: Some("own".into()), ..ExecConfig::default() };
        assert_eq!(Config { exec: own, ..Config::default() }.spool_folder(), Some("own".into()));
        assert_eq!(Config::default().spool_folder(), None);
    }

    #[test]
    fn a_server_has_one_that_tells_no_secret() {
        assert_eq!(name_of("postgres://me:secret@db.example:5432/jobs?password=x"), "db.example-5432-jobs");
        assert_eq!(name_of("postgresql://%2Frun%2Fpg/jobs"), "-2Frun-2Fpg-jobs");
        assert_eq!(name_of("postgres://me:p@ss@db/jobs"), "db-jobs");
        let place = place_of("postgres://me:secret@db/jobs?password=x&sslpassword=y&passfile=z");
        assert_eq!(place, "db\njobs", "nor does what is hashed, which could be guessed");
    }

    #[test]
    fn two_databases_never_share_one_and_two_roles_of_one_do() {
        let same = |one: &str, other: &str| hash_of(&place_of(one)) == hash_of(&place_of(other));
        for (one, other) in [
            ("postgres:///jobs?host=/run/a", "postgres:///jobs?host=/run/b"),
            ("postgres://db/jobs", "postgres://db/jobs?port=5433"),
            ("postgres://db/jobs", "postgres://db/jobs?options=-csearch_path%3Dqueue"),
            ("postgres://me@db", "postgres://you@db"),
            ("postgres://db?user=me", "postgres://db?user=you"),
            ("postgres://db/a-b", "postgres://db-a/b"),
            ("postgres:///?service=a", "postgres:///?service=b"),
            ("postgres://db/?dbname=a", "postgres://db/?dbname=b"),
        ] {
            assert!(!same(one, other), "{one} and {other}");
        }
        for (one, other) in [
            ("postgres://me:secret@db/jobs", "postgresql://you@db/jobs"),
            ("postgres://db/jobs?host=a&port=1", "postgres://db/jobs?port=1&host=a&sslmode=require"),
        ] {
            assert!(same(one, other), "{one} and {other}");
        }
        assert_eq!(hash_of("a"), 0xaf63_dc4c_8601_ec8c, "it is the same in every version");
    }
}
