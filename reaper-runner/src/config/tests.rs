//! What is read from files, flags and defaults, and what is refused.

use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

use reaper_core::{Intensity, Mode, OnOverrun, Signature};

use super::*;

const EXAMPLE: &str = include_str!("../../reaper.example.toml");

/// Every key of a table, with the ones that lead to it.
fn keys(table: &toml::Table, lead: &str, found: &mut BTreeSet<String>) {
    for (key, value) in table {
        let full = format!("{lead}{key}");
        if let toml::Value::Table(inner) = value {
            keys(inner, &format!("{full}."), found);
        }
        found.insert(full);
    }
}

fn from_file(text: &str) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("reaper.toml");
    fs::write(&file, text).unwrap();
    load_without_environment(&Flags { file: Some(file), ..Flags::default() })
}

#[test]
fn the_example_is_the_default() {
    let example: toml::Table = toml::from_str(EXAMPLE).unwrap();
    let default = toml::Table::try_from(Config::default()).unwrap();
    for (key, value) in &default {
        let shown = example.get(key).unwrap_or(&toml::Value::Boolean(false));
        match (value, shown) {
            (toml::Value::Table(value), toml::Value::Table(shown)) => {
                assert!(shown.keys().all(|key| value.contains_key(key)), "{key}");
            }
            _ if value.is_table() => {
                assert!(value.as_table().unwrap().is_empty(), "{key} is missing from the example");
            }
            _ => {}
        }
    }
    let parsed = toml::Table::try_from(from_file(EXAMPLE).unwrap()).unwrap();
    assert_eq!(parsed, default);
}

#[test]
fn the_example_shows_every_key() {
    // The keys without a default are shown in comments: uncommented, the whole must still be accepted.
    let uncommented: String = EXAMPLE
        .lines()
        .map(|line| {
            let bare = line.strip_prefix("# ").unwrap_or(line);
            let is_setting = bare
                .split_once('=')
                .is_some_and(|(key, _)| key.trim().chars().all(|c| c.is_ascii_lowercase() || c == '_'));
            let is_table = bare.starts_with('[') && bare.ends_with(']');
            let is_list = bare.starts_with("  {") || bare == "]";
            if is_setting || is_table || is_list { bare } else { line }
        })
        // The list of stages stands twice, once empty.
        .filter(|line| *line != "stages = []")
        .fold(String::new(), |all, line| all + line + "\n");
    let table: toml::Table = toml::from_str(&uncommented).unwrap();
    let mut shown = BTreeSet::new();
    keys(&table, "", &mut shown);
    // The one gate that is shown stands for both that the stages name.
    let config = from_file(&uncommented.replace("\"review\"", "\"tests\"")).unwrap();
    assert_eq!(config.pipeline.stages.len(), 3);
    for key in [
        "database_url",
        "host",
        "instance",
        "cgroups",
        "agents.builder.start_timeout",
        "gates.tests.cwd",
        "leases.dir",
        "notify.telegram.base_url",
        "pipeline.agents.developer",
    ] {
        assert!(shown.contains(key), "{key} is not shown in the example");
    }
    let all = toml::Table::try_from(Config::default()).unwrap();
    for key in all.keys() {
        assert!(shown.contains(key), "{key} is not shown in the example");
    }
}

#[test]
fn an_unknown_key_names_the_nearest() {
    let error = from_file("finalise_grace = \"5m\"").unwrap_err().to_string();
    assert!(error.contains("unknown key `finalise_grace`, did you mean `finalize_grace`?"), "{error}");
    assert!(error.contains("reaper.toml"), "{error}");
    let error = from_file("[breaker]\npercnt = 3").unwrap_err().to_string();
    assert!(error.contains("unknown key `breaker.percnt`, did you mean `breaker.percent`?"), "{error}");
}

#[test]
fn a_wrong_value_names_key_and_place() {
    let error = from_file("interval = \"soon\"").unwrap_err().to_string();
    assert!(error.contains("interval") && error.contains("soon") && error.contains("10s"), "{error}");
    let error = from_file("mode = \"on\"").unwrap_err().to_string();
    assert!(error.contains("mode") && error.contains("enforce"), "{error}");
}

#[test]
fn what_cannot_be_meant_is_refused_by_name() {
    for (text, word) in [
        ("dead_ticks = 0", "dead_ticks"),
        ("interval = 0", "interval"),
        ("budget = 0", "budget"),
        ("delivery_lease = \"99ms\"", "delivery_lease"),
        ("delivery_lease = \"61m\"", "delivery_lease"),
        ("[backoff]\nbase = \"2h\"", "backoff"),
        ("[breaker]\npercent = 101", "breaker"),
        ("[agents.a]\ndead_ticks = 0", "agents.a.dead_ticks"),
        ("intensity = \"0/10m\"", "intensity = 0/600s"),
        ("[agents.a]\nintensity = \"5/0s\"", "agents.a.intensity"),
        ("intensity = \"often\"", "20/10m"),
        ("[exit]\nfail_on = [\"signal:segv\"]", "signal:SEGV"),
        ("[exit]\nfail_codes = [3]", "did you mean `exit.fail_on`"),
        ("[exit]\nfail_signals = [3]", "did you mean `exit.fail_on`"),
        ("[beat]\ninterval = 0", "beat.interval"),
        (
            "[beat]\ninterval = \"30s\"\nttl = \"80s\"",
            "a ttl of 80 s is shorter than 3 beats of 30 s: raise `ttl`",
        ),
        ("[gates.a]\ncommand = []", "gate `a`"),
        ("[gates.a]\ncommand = [\"x\"]\ntimeout = 0", "gates.a.timeout"),
        ("[exec]\nidle = 0", "exec.idle"),
        ("[exec]\nhook_timeout = 0", "exec.hook_timeout"),
        ("[pipeline]\nstages = [{ name = \"a\", gate = \"none\" }]", "gate `none`"),
        ("[pipeline]\nstages = [{ name = \"a\", next = \"b\" }]", "`b`"),
    ] {
        let error = from_file(text).unwrap_err().to_string();
        assert!(error.contains(word), "{text}: {error}");
    }
}

#[test]
fn an_agents_own_intensity_and_ends_replace_the_general_ones() {
    let text = "intensity = \"3/1m\"\n[exit]\nfail_on = [\"code:3\", \"signal:SEGV\", \"vanished\"]
        [agents.a]\nintensity = \"off\"\nexit = { fail_on = [\"code:4\"] }";
    let policy = from_file(text).unwrap().settings("test".into()).unwrap().policy;
    let three = Intensity { crashes: 3, period: Duration::from_secs(60) };
    assert_eq!((policy.limits.intensity, policy.limits_for("a").intensity), (Some(three), None));
    let general = [Signature::Code(3), Signature::Signal(11), Signature::Vanished].into();
    assert_eq!(policy.limits.exit.fail_on, general);
    assert_eq!(policy.limits_for("a").exit.fail_on, [Signature::Code(4)].into());
}

#[test]
fn strict_and_lax_figures_are_legal() {
    let config = from_file("dead_ticks = 1\nfinalize_grace = 0\nmax_running = \"1s\"").unwrap();
    assert!(config.finalize_grace.is_zero());
}

#[test]
fn the_command_line_wins_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("reaper.toml");
    fs::write(&file, "mode = \"report\"\non_overrun = \"hold\"\ndatabase_url = \"a.db\"").unwrap();
    let set = vec![("mode".to_owned(), "off".to_owned()), ("breaker.percent".to_owned(), "7".to_owned())];
    let flags = Flags { file: Some(file), database_url: Some("b.db".to_owned()), set };
    let config = load(&flags).unwrap();
    assert_eq!((config.mode, config.on_overrun), (Mode::Off, OnOverrun::Hold));
    assert_eq!((config.database_url.as_deref(), config.breaker.percent), (Some("b.db"), 7));
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let flags = Flags { file: Some(PathBuf::from("/nonexistent/reaper.toml")), ..Flags::default() };
    assert!(load(&flags).unwrap_err().to_string().contains("/nonexistent/reaper.toml"));
}

#[test]
fn a_token_is_never_shown() {
    let text = "[notify.telegram]\ntoken = \"123:secret\"\nchat_id = \"1\"";
    let config = from_file(text).unwrap();
    assert!(!format!("{config:?}").contains("secret"));
    assert!(!toml::to_string(&config).unwrap().contains("secret"));
}
