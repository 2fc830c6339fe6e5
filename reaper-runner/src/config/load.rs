//! Layers the configuration and says what is wrong with it.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use figment::{
    Figment, Profile, Source,
    error::Kind,
    providers::{Env, Format, Serialized, Toml},
};
use reaper_core::{node::NodeTiming, pipeline::PipelineError, policy::PolicyError};

use super::Config;
use crate::Settings;

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file that was named is not there.
    #[error("there is no configuration file {}", .0.display())]
    NoFile(PathBuf),
    /// A key that does not exist.
    #[error("{place}: unknown key `{key}`{}", nearest.as_ref().map(|near| format!(", did you mean `{near}`?")).unwrap_or_default())]
    UnknownKey {
        /// Where it stands.
        place: String,
        /// The key, with the ones that lead to it.
        key: String,
        /// The valid key that is spelled most like it.
        nearest: Option<String>,
    },
    /// A value that cannot be read.
    #[error("{place}: {key}: {problem}")]
    Value {
        /// Where it stands.
        place: String,
        /// The key, with the ones that lead to it.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// A figure that cannot mean anything.
    #[error("configuration: {0}")]
    Policy(#[from] PolicyError),
    /// A pipeline that cannot mean anything.
    #[error("configuration: pipeline: {0}")]
    Pipeline(#[from] PipelineError),
    /// A figure of the program that cannot mean anything.
    #[error("configuration: {key}: {problem}")]
    Meaningless {
        /// The key.
        key: &'static str,
        /// What is wrong, and what to use.
        problem: String,
    },
}

/// What the command line says over everything else.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The configuration file; without one `reaper.toml` of this folder is read if it is there.
    pub file: Option<PathBuf>,
    /// The database.
    pub database_url: Option<String>,
    /// Other keys, as `key=value` with the value as TOML would have it.
    pub set: Vec<(String, String)>,
}

/// What a lease of a delivery may be.
const DELIVERY_LEASE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);

/// Variables with Reaper's prefix that are no configuration: what gates and executors are told, and what the
/// command line reads by itself.
const NOT_CONFIG: [&str; 14] = [
    "attempt",
    "exit_code",
    "job_id",
    "agent",
    "repo",
    "task_id",
    "stage",
    "stage_version",
    "branch",
    "work_item",
    "gate",
    "config",
    "output",
    "log",
];

/// Keys whose values are texts that may look like numbers.
const TEXTS: [&str; 5] = ["database_url", "host", "instance", "notify.telegram.token", "notify.telegram.chat_id"];

/// Loads the configuration and checks all of it: the file, then the environment (`REAPER_…`, and `DATABASE_URL`), then the
/// command line.
///
/// # Errors
///
/// A [`ConfigError`] names the first thing that is wrong, and where it stands.
pub fn load(flags: &Flags) -> Result<Config, ConfigError> {
    let variables = Env::prefixed("REAPER_").ignore(&NOT_CONFIG).split("__").profile(Profile::Default);
    let mut environment = Figment::new().merge(variables);
    // What looks like a number is read as one, and would be no name of a host any more.
    let texts = TEXTS.map(|key| (key, format!("REAPER_{}", key.replace('.', "__").to_ascii_uppercase())));
    for (key, variable) in texts.into_iter().chain([("database_url", "DATABASE_URL".to_owned())]) {
        let value = std::env::var_os(&variable).filter(|value| !value.is_empty());
        if let Some(value) = value {
            environment = environment.merge(Serialized::default(key, value.to_string_lossy()));
        }
    }
    layered(flags, environment)
}

/// As [`load`], whatever is in the environment. Public for those who try hostile files; it is no part of what this
/// crate offers.
///
/// # Errors
///
/// As [`load`].
#[doc(hidden)]
pub fn load_without_environment(flags: &Flags) -> Result<Config, ConfigError> {
    layered(flags, Figment::new())
}

fn layered(flags: &Flags, environment: Figment) -> Result<Config, ConfigError> {
    let mut figment = Figment::new();
    let file = match &flags.file {
        Some(file) if !file.is_file() => return Err(ConfigError::NoFile(file.clone())),
        Some(file) => Some(file.as_path()),
        None => Some(Path::new("reaper.toml")).filter(|file| file.is_file()),
    };
    if let Some(file) = file {
        figment = figment.merge(Toml::file_exact(file));
    }
    figment = figment.merge(environment);
    for (key, value) in &flags.set {
        figment = figment.merge(Serialized::default(key, parse_value(key, value)));
    }
    let mut config: Config = figment.extract().map_err(|error| explain(&figment, error))?;
    if let Some(url) = &flags.database_url {
        config.database_url = Some(url.clone());
    }
    check(&config)?;
    Ok(config)
}

/// A value of the command line: TOML where it is any that the key can have, text otherwise.
fn parse_value(key: &str, value: &str) -> toml::Value {
    let table: Result<toml::Table, _> = toml::from_str(&format!("value = {value}"));
    let parsed = table.ok().and_then(|mut table| table.remove("value"));
    let parsed = parsed.filter(|parsed| parsed.is_str() || !TEXTS.contains(&key));
    parsed.unwrap_or_else(|| toml::Value::String(value.to_owned()))
}

fn check(config: &Config) -> Result<Settings, ConfigError> {
    let settings = config.settings("check".into())?;
    settings.policy.validate()?;
    let meaningless = |key, problem: &str| Err(ConfigError::Meaningless { key, problem: problem.to_owned() });
    if config.interval.is_zero() {
        return meaningless("interval", "0 leaves no time between ticks: use at least 1ms");
    }
    if let Some(Err(error)) = settings.node.as_ref().map(NodeTiming::validate) {
        return meaningless("node", &format!("{error}: raise `ttl` or lower `beat`"));
    }
    if let Some((key, problem)) = config.beat.problem() {
        return meaningless(key, &problem);
    }
    let is_name = |name: &String| {
        (1..=100).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
    };
    if config.instance.as_ref().is_some_and(|instance| !is_name(instance)) {
        return meaningless(
            "instance",
            "use a name of 1 to 100 letters, digits and signs, without spaces and slashes",
        );
    }
    if config.budget == 0 {
        return meaningless("budget", "0 settles nothing: use 1 or more, or `mode = \"report\"`");
    }
    if config.page == 0 {
        return meaningless("page", "0 reads nothing: use 1 or more");
    }
    if let Some((key, problem)) = config.exec.problem() {
        return meaningless(key, problem);
    }
    if !DELIVERY_LEASE.contains(&config.delivery_lease) {
        let problem = "use 100ms to 1h: a shorter one lets two deliver at once, a longer one leaves what a fallen reaper \
             was delivering for too long";
        return meaningless("delivery_lease", problem);
    }
    for stage in &config.pipeline.stages {
        if let Some(gate) = stage.gate.as_ref().filter(|gate| !config.gates.contains_key(*gate)) {
            return Err(ConfigError::Meaningless {
                key: "pipeline.stages",
                problem: format!("stage `{}` is guarded by gate `{gate}`, which is not in [gates]", stage.name),
            });
        }
        if stage.next.is_none() && stage.next_agent.is_some() {
            return Err(ConfigError::Meaningless {
                key: "pipeline.stages",
                problem: format!("stage `{}` has a next_agent and no next stage", stage.name),
            });
        }
    }
    for (name, gate) in &config.gates {
        if gate.command.first().is_none_or(String::is_empty) {
            let problem = format!("gate `{name}` has no command: write the program and its arguments as a list");
            return Err(ConfigError::Meaningless { key: "gates", problem });
        }
        if gate.timeout.is_zero() {
            let problem = format!("`gates.{name}.timeout` is 0, which leaves it no time: use at least 1s");
            return Err(ConfigError::Meaningless { key: "gates", problem });
        }
    }
    Ok(settings)
}

/// Turns the first of figment's errors into one of ours.
fn explain(figment: &Figment, error: figment::Error) -> ConfigError {
    let Some(first) = error.into_iter().next() else {
        return ConfigError::Value {
            place: "configuration".into(),
            key: String::new(),
            problem: "cannot be read".into(),
        };
    };
    let path = first.path.join(".");
    let place = place_of(figment, &first, &path);
    let Kind::UnknownField(key, valid) = &first.kind else {
        let problem = if let Kind::UnknownVariant(found, valid) = &first.kind {
            format!("`{found}` is none of {}", valid.join(", "))
        } else {
            first.kind.to_string()
        };
        // A file that is no TOML has no key that could be named.
        let key = if path.is_empty() { "not read".to_owned() } else { path };
        return ConfigError::Value { place, key, problem };
    };
    let nearest = valid
        .iter()
        .map(|valid| (strsim::jaro_winkler(valid, key), *valid))
        .filter(|(similar, _)| *similar > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, valid)| valid.to_owned());
    let lead = path.strip_suffix(key.as_str()).unwrap_or(&path).trim_end_matches('.');
    let full = |key: &str| if lead.is_empty() { key.to_owned() } else { format!("{lead}.{key}") };
    let place = if place == VARIABLE { variable(&full(key)) } else { place };
    ConfigError::UnknownKey { place, key: full(key), nearest: nearest.map(|near| full(&near)) }
}

/// What stands for the variable whose name is not known yet.
const VARIABLE: &str = "environment";

/// Where a value came from: the file, the variable, or the command line.
fn place_of(figment: &Figment, error: &figment::Error, path: &str) -> String {
    let by_path = || figment.find_metadata(path);
    let Some(metadata) = error.metadata.as_ref().or_else(by_path) else {
        return "configuration".into();
    };
    match &metadata.source {
        Some(Source::File(file)) => file.display().to_string(),
        // The place in this program's own text is of no use to anybody.
        Some(Source::Code(_)) => "--set".into(),
        Some(source) => source.to_string(),
        None if !metadata.name.contains("environment") => "--set".into(),
        None if matches!(error.kind, Kind::UnknownField(..)) => VARIABLE.into(),
        None => variable(path),
    }
}

/// The variable of a key.
fn variable(key: &str) -> String {
    format!("REAPER_{}", key.replace('.', "__").to_uppercase())
}
