//! `cargo xtask mutants`: each small change of the code that decides has to turn a test red, or stands in a list with the
//! reason why none can.
//!
//! `cargo mutants` changes the core, the guards, the advance and what a load is made of, one thing at a time, and runs the tests of the
//! crate against each change. What is left must stand in `reaper-core/docs/mutants.md`. The SQL of the guards and
//! of the loading queries is text, which it cannot change: the contract and the golden files look at that.

use std::fs;

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
    run: |run| judge(run, None),
};

/// A sample, always the same: another one each time would say now this and now that of one state of the code.
pub(crate) fn sample(run: &mut Run<'_>) -> Result<String, Failed> {
    judge(run, Some("0/40"))
}

/// What is changed, and with which features its tests are built.
const SETS: [(&str, &[&str], &[&str]); 3] = [
    ("reaper-core", &["--all-features"], &["reaper-core/src/**"]),
    (
        "reaper-store",
        &["--features", "sqlite,contract"],
        &[
            "reaper-store/src/guard.rs",
            "reaper-store/src/claims.rs",
            "reaper-store/src/parts.rs",
            "reaper-store/src/row.rs",
            "reaper-store/src/bisect.rs",
            "reaper-store/src/sqlite/attempts.rs",
            "reaper-store/src/sqlite/claims.rs",
            "reaper-store/src/sqlite/load.rs",
        ],
    ),
    ("reaper-gate", &["--features", "sqlite"], &["reaper-gate/src/advance/**"]),
];

/// What tests alone use, and what belongs to the database that is not built.
const NO_PRODUCT: [&str; 4] = ["**/tests.rs", "**/strategy.rs", "**/sample.rs", "**/postgres/**"];

fn judge(run: &mut Run<'_>, shard: Option<&str>) -> Result<String, Failed> {
    tools::subcommand(run, NAME, VERSION)?;
    let known = listed(&run.workspace.read(LIST)?);
    let (mut count, mut faults) = (Count::default(), Vec::new());
    for (package, features, files) in SETS {
        let output = run.workspace.target.join("mutants").join(package);
        fs::create_dir_all(&output)?;
        let mut command = tools::cargo(run.workspace);
        // Built beside the workspace, once for all changes and runs.
        command.env("CARGO_TARGET_DIR", run.workspace.target.join("mutants/build"));
        command.args(["mutants", "--package", package, "--no-times", "--colors=never", "--output"]).arg(&output);
        command.args(features);
        let options = files.iter().map(|file| ("--file", *file));
        let options = options.chain(NO_PRODUCT.map(|file| ("--exclude", file)));
        for (option, value) in options {
            command.args([option, value]);
        }
        if let Some(shard) = shard {
            // Some of every file.
            command.args(["--sharding", "round-robin", "--shard", shard]);
        }
        // It fails where a change is left; what is left is judged here.
        let result = run.call(command, &mut |_| ());
        let lines = |name: &str| -> Vec<String> {
            let text = fs::read_to_string(output.join("mutants.out").join(name)).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        };
        let (caught, left) = ([lines("caught.txt"), lines("timeout.txt")].concat(), lines("missed.txt"));
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
