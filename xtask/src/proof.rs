//! `cargo xtask proof`: everything that `ci` tries in part, tried in full, and one table of how much that was.
//!
//! The tests write what they have tried into a file, one JSON object a line; this adds it up. What the last
//! `cargo xtask mutants` came to stands in the table too.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

#[cfg(unix)]
use crate::pg::{self, Cluster, Durability};
use crate::{
    chaos::{CHAOS, Wanted},
    heard::{self, Heard},
    mutants, packages,
    run::Run,
    step::{Failed, Output, Step},
    workspace::Workspace,
};

/// Tries everything in full.
pub(crate) const STEP: Step = Step {
    name: "proof",
    about: "The model, the machine, every crash point, all faults, hostile inputs and chaos in full, and a table of counts (an hour)",
    output: Output::Shown,
    run,
};

fn run(run: &mut Run<'_>) -> Result<String, Failed> {
    packages::install_what_tests_call();
    let counts = run.workspace.target.join("xtask/proof.jsonl");
    fs::write(&counts, "").map_err(|error| Failed::because(counts.display(), error))?;
    let mut command = run.workspace.cargo();
    command.args(["nextest", "run", "--workspace", "--all-features", "--no-fail-fast", "--filterset", WHICH]);
    command.args(heard::WITH_OUTPUT);
    command.env("PROOF", "full").env("PROOF_FILE", &counts);
    #[cfg(unix)]
    let cluster = Cluster::start(Durability::Volatile)?;
    #[cfg(unix)]
    pg::name_in(&mut command, &cluster);
    let mut heard = Heard::default();
    let tested = run.call_choosing(command, &mut |line| heard.line(line));
    // It has clusters of its own, and no use for this one.
    #[cfg(unix)]
    drop(cluster);
    let chaos = Wanted { name: CHAOS.name.to_owned(), minutes: Some(MINUTES.to_owned()), seed: None };
    let mut command = chaos.command(run.workspace);
    command.env("PROOF_FILE", &counts);
    let survived = run.call(command, &mut |_| ());
    let mut table = sums(&fs::read_to_string(&counts)?);
    table.insert("tests of the forty-two faults that passed".to_owned(), faults(&heard));
    table.insert("tests that said that they show nothing here, or not all".to_owned(), count(heard.skipped.len()));
    table.extend(last_mutants(run.workspace));
    for line in lines(&table) {
        run.say(&line);
    }
    tested.and(survived).map(|()| format!("{} kinds of things tried", table.len()))
}

/// For how long faults fire on both databases.
const MINUTES: &str = "10";

/// The tests: what is tried in part elsewhere, and every fault.
const WHICH: &str = "binary(/^(model|machine|crash|hostile)$/) | test(/(^|::)f\\d\\d_/)";

/// The tests of faults that passed, each on each database; one that was skipped is none.
fn faults(heard: &Heard) -> u64 {
    let is_fault = |name: &str| {
        let number = name.strip_prefix('f').and_then(|rest| rest.get(..3));
        number.and_then(|text| text.strip_suffix('_')).is_some_and(|text| text.parse::<u8>().is_ok())
    };
    let shown = heard.passed.iter().filter(|test| !heard.was_skipped(test));
    count(shown.filter(|(_, name)| name.split("::").any(is_fault)).count())
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

/// The counts that the tests told, added up by what was counted.
fn sums(told: &str) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for value in told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let what = value.get("what").and_then(Value::as_str).unwrap_or("things without a name");
        let count = value.get("count").and_then(Value::as_u64).unwrap_or(0);
        *sums.entry(what.to_owned()).or_default() += count;
    }
    sums
}

/// What the last run of `cargo xtask mutants` came to; empty where there was none.
fn last_mutants(workspace: &Workspace) -> Vec<(String, u64)> {
    let folder = workspace.target.join("mutants");
    let packages = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let (mut caught, mut missed) = (0, 0);
    for package in packages {
        caught += lines_of(&package.path().join(mutants::SEEN));
        missed += lines_of(&package.path().join("mutants.out/missed.txt"));
    }
    if caught + missed == 0 {
        return Vec::new();
    }
    vec![
        ("mutants that a test saw, when last asked".to_owned(), caught),
        ("mutants that no test saw then".to_owned(), missed),
    ]
}

fn lines_of(file: &Path) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    count(text.lines().count())
}

/// The table, the figures below one another.
fn lines(table: &BTreeMap<String, u64>) -> Vec<String> {
    let width = table.keys().map(|what| what.chars().count()).max().unwrap_or(0);
    table.iter().map(|(what, count)| format!("{what:width$}  {count:>10}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_one_thing_are_added() {
        let told =
            "{\"what\":\"b\",\"count\":2}\n{\"what\":\"a\",\"count\":1}\nno JSON\n{\"what\":\"b\",\"count\":40}\n";
        assert_eq!(lines(&sums(told)), ["a           1", "b          42"]);
    }

    #[test]
    fn faults_that_passed_are_told_by_their_names() {
        let mut heard = Heard::default();
        for line in [
            "        PASS [   0.005s] (1/5) reaper-gate::processes liveness::f10_a_zombie_is_dead",
            "        PASS [   0.005s] (2/5) reaper-tests::exec stopped::f08_a_worker::sqlite",
            "        PASS [   0.005s] (3/5) reaper-tests::model caught::no_fence",
            "        FAIL [   0.005s] (4/5) reaper-tests::crash sqlite::f01_f02_f03_killed",
            "        PASS [   0.005s] (5/5) reaper-tests::crash sqlite::f19_full",
            "  SKIPPED: no strace here",
        ] {
            heard.line(line);
        }
        assert_eq!((faults(&heard), heard.skipped.len()), (2, 1));
    }
}
