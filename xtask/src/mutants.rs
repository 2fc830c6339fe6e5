//! `cargo xtask mutants`: each small change of the code that decides has to turn a test red, or stands in a list with the
//! reason why none can.
//!
//! `cargo mutants` changes the core, the guards, the settling of a set, the advance and what a load is made of, one thing at a
//! time, and runs the tests of the crate against each change. What is left must stand in `reaper-core/docs/mutants.md`. The SQL of the guards and
//! of the loading queries is text, which it cannot change: the contract and the golden files look at that.

use std::{collections::BTreeSet, fs, path::Path};

use crate::{
    markdown::Markdown,
    run::Run,
    step::{Failed, Output, Step},
    tools,
};

/// The step's name, after which the command line takes an option.
pub(crate) const NAME: &str = "mutants";

/// All of them.
pub(crate) const STEP: Step = Step {
    name: NAME,
    about: "Small changes of the code that decides, each of which a test has to see (hours; --short: minutes)",
    output: Output::Shown,
    run: |run| judge(run, Extent::All),
};

/// How many of the changes are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of them.
    All,
    /// Those that the last run had not come to when it was broken off, and those that no test saw.
    Rest,
    /// A sample, always the same: another one each time would say now this and now that of one state of the code.
    Sample,
}

/// One of so many.
const SAMPLE: &str = "0/40";

/// What is changed, and with which features its tests are built.
const SETS: [(&str, &[&str], &[&str]); 3] = [
    ("reaper-core", &["--all-features"], &["reaper-core/src/**"]),
    (
        "reaper-store",
        &["--features", "sqlite,contract"],
        &[
            "reaper-store/src/guard.rs",
            "reaper-store/src/claims.rs",
            "reaper-store/src/database/attempts.rs",
            "reaper-store/src/database/bisect.rs",
            "reaper-store/src/database/claims.rs",
            "reaper-store/src/database/parts.rs",
            "reaper-store/src/database/row.rs",
            "reaper-store/src/sqlite/claims.rs",
            "reaper-store/src/sqlite/driver.rs",
            "reaper-store/src/sqlite/load.rs",
            "reaper-store/src/sqlite/take.rs",
        ],
    ),
    ("reaper-gate", &["--features", "sqlite"], &["reaper-gate/src/advance/**"]),
];

/// What tests alone use, and what belongs to the database that is not built.
const NO_PRODUCT: [&str; 4] = ["**/tests.rs", "**/strategy.rs", "**/sample.rs", "**/postgres/**"];

/// What a value shows of itself to people who look for an error: nothing is decided by it.
const NO_BEHAVIOUR: &str = "impl fmt::Debug";

/// Tries the changes.
///
/// # Errors
///
/// When one is seen by no test and explained nowhere, or none could be tried.
pub(crate) fn judge(run: &mut Run<'_>, extent: Extent) -> Result<String, Failed> {
    tools::subcommand(run, NAME, VERSION)?;
    let known = listed(&run.workspace.read(LIST)?);
    let (mut count, mut faults) = (Count::default(), Vec::new());
    for (package, features, files) in SETS {
        let output = run.workspace.target.join("mutants").join(package);
        match extent {
            Extent::All | Extent::Sample => forget(&output)?,
            // The one that was broken off could not, and the next run clears its lists away.
            Extent::Rest => drop(seen(&output)?),
        }
        let mut command = tools::cargo(run.workspace);
        // Built beside the workspace, once for all changes and runs; most of the time goes into that, so nothing is built
        // for debuggers.
        command.env("CARGO_TARGET_DIR", run.workspace.target.join("mutants/build"));
        command.envs([("CARGO_PROFILE_DEV_DEBUG", "false"), ("CARGO_PROFILE_TEST_DEBUG", "false")]);
        command.args(["mutants", "--package", package, "--no-times", "--colors=never", "--output"]).arg(&output);
        command.args(features);
        let options = files.iter().map(|file| ("--file", *file));
        let options = options.chain(NO_PRODUCT.map(|file| ("--exclude", file)));
        let options = options.chain([("--exclude-re", NO_BEHAVIOUR)]);
        for (option, value) in options {
            command.args([option, value]);
        }
        match extent {
            Extent::All => {}
            Extent::Rest => drop(command.arg("--iterate")),
            // Some of every file.
            Extent::Sample => drop(command.args(["--sharding", "round-robin", "--shard", SAMPLE])),
        }
        // It fails where a change is left; what is left is judged here.
        let result = run.call(command, &mut |_| ());
        let (caught, left) = (seen(&output)?, told(&output, "missed.txt"));
        if caught.is_empty() && left.is_empty() {
            // A sample of little may hold nothing.
            result?;
        }
        count.add(caught.len(), left.len());
        for change in left.iter().map(|line| without_place(line)) {
            if !known.contains(&change) {
                faults.push(format!("no test sees it, and {LIST} does not say why: `{change}`"));
            }
        }
    }
    if count.caught == 0 {
        return Err(Failed("nothing was changed".to_owned()));
    }
    run.judge(&faults)?;
    Ok(format!("{} changes: {} seen by a test, {} explained", count.caught + count.left, count.caught, count.left))
}

/// Where the changes are kept that a test has seen, over all runs that went on with one another, one a line.
pub(crate) const SEEN: &str = "seen.txt";

/// The changes that a test has seen until now, kept with those of the last run.
fn seen(output: &Path) -> Result<BTreeSet<String>, Failed> {
    let kept = fs::read_to_string(output.join(SEEN)).unwrap_or_default();
    let all: BTreeSet<_> = kept
        .lines()
        .map(str::to_owned)
        .chain(told(output, "caught.txt"))
        .chain(told(output, "timeout.txt"))
        .collect();
    // A run that was broken off may not have come to this one.
    fs::create_dir_all(output)?;
    fs::write(output.join(SEEN), all.iter().map(|line| format!("{line}\n")).collect::<String>())?;
    Ok(all)
}

/// What the last run says in one of its lists, empty where there is none.
fn told(output: &Path, list: &str) -> Vec<String> {
    let text = fs::read_to_string(output.join("mutants.out").join(list)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Leaves nothing of earlier runs.
fn forget(output: &Path) -> Result<(), Failed> {
    if output.exists() {
        fs::remove_dir_all(output)?;
    }
    Ok(fs::create_dir_all(output)?)
}

/// How many changes there were.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    caught: usize,
    left: usize,
}

impl Count {
    fn add(&mut self, caught: usize, left: usize) {
        self.caught += caught;
        self.left += left;
    }
}

/// The changes that the list explains.
fn listed(list: &str) -> Vec<String> {
    Markdown::of(list).spans.into_iter().map(|(_, span)| span).filter(|span| span.contains(".rs: ")).collect()
}

/// A change as it is listed: `file: what`, without the line and the column, which move.
fn without_place(line: &str) -> String {
    let mut parts = line.splitn(4, ':');
    match (parts.next(), parts.nth(2)) {
        (Some(file), Some(what)) => format!("{file}:{what}"),
        _ => line.to_owned(),
    }
}

/// The list of what no test sees.
const LIST: &str = "reaper-core/docs/mutants.md";

/// The version that is installed where there is none.
const VERSION: &str = "^27";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_have_seen_is_added_up_until_it_is_forgotten() {
        let output = std::env::temp_dir().join(format!("seen-{}", std::process::id()));
        assert_eq!(seen(&output).unwrap().len(), 0);
        let run = |caught: &str, timeout: &str| {
            fs::create_dir_all(output.join("mutants.out")).unwrap();
            fs::write(output.join("mutants.out/caught.txt"), caught).unwrap();
            fs::write(output.join("mutants.out/timeout.txt"), timeout).unwrap();
            seen(&output).unwrap().into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(run("b\na\n", ""), "a b");
        assert_eq!(run("c\n", "a\n"), "a b c");
        forget(&output).unwrap();
        assert_eq!(run("d\n", ""), "d");
        fs::remove_dir_all(output).unwrap();
    }

    #[test]
    fn a_change_is_compared_without_its_place() {
        assert_eq!(
            without_place("reaper-core/src/a.rs:20:33: replace > with >= in f"),
            "reaper-core/src/a.rs: replace > with >= in f"
        );
        assert_eq!(
            listed("| `reaper-core/src/a.rs: replace > with >= in f` | `no` |\n"),
            ["reaper-core/src/a.rs: replace > with >= in f"]
        );
    }
}
