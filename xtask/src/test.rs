//! `cargo xtask test`: every test of the workspace, and how many there were.
//!
//! The tests run beside a PostgreSQL cluster of their own, which `DATABASE_URL` names. Whatever the caller's own
//! `DATABASE_URL` names is not touched.

use std::{fmt, process::Stdio};

#[cfg(unix)]
use crate::pg::{self, Cluster, Durability};
use crate::{
    run::Run,
    step::{Failed, Output, Step},
    workspace::Workspace,
};

/// Runs the tests with nextest or, where it is missing, with cargo.
pub(crate) const STEP: Step = Step {
    name: "test",
    about: "Every test beside a PostgreSQL cluster of its own, with nextest where it is installed",
    output: Output::Shown,
    run,
};

fn run(run: &mut Run<'_>) -> Result<String, Failed> {
    let mut command = run.workspace.cargo();
    if has_nextest(run.workspace) {
        command.args(["nextest", "run", "--workspace", "--all-features", "--no-fail-fast"]);
    } else {
        // Every target but the doc tests, which are a step of their own, and the benchmarks.
        command.args(["test", "--workspace", "--all-features", "--no-fail-fast"]);
        command.args(["--lib", "--bins", "--tests", "--examples"]);
    }
    #[cfg(unix)]
    let cluster = Cluster::start(Durability::Volatile)?;
    #[cfg(unix)]
    pg::name_in(&mut command, &cluster);
    let mut tally = Tally::default();
    let result = run.call(command, &mut |line| tally.read(line));
    if tally.is_empty() {
        return result.and_then(|()| Err(Failed("no test ran".to_owned())));
    }
    run.closing = Some(tally.to_string());
    result.map(|()| String::new())
}

fn has_nextest(workspace: &Workspace) -> bool {
    let mut command = workspace.cargo();
    command.args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What the test runners say at their end: nextest's summary, or the sum of libtest's results.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    summary: Option<String>,
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Tally {
    /// Reads one line of output.
    pub(crate) fn read(&mut self, line: &str) {
        let line = line.trim();
        if line.starts_with("Summary [") {
            self.summary = Some(line.to_owned());
        } else if let Some(counts) = line.strip_prefix("test result: ") {
            for part in counts.split([';', '.']) {
                match part.trim().split_once(' ') {
                    Some((count, "passed")) => self.passed += count.parse().unwrap_or(0),
                    Some((count, "failed")) => self.failed += count.parse().unwrap_or(0),
                    Some((count, "ignored")) => self.ignored += count.parse().unwrap_or(0),
                    _ => {}
                }
            }
        }
    }

    /// The sum of libtest's results in a few words.
    pub(crate) fn brief(&self) -> String {
        format!("{} passed", self.passed)
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { summary, passed, failed, ignored } = self;
        match summary {
            Some(summary) => f.write_str(summary),
            None => {
                write!(f, "{} tests run: {passed} passed, {failed} failed, {ignored} skipped", passed + failed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_nextest_is_kept_as_it_is() {
        let mut tally = Tally::default();
        tally.read("        PASS [   0.005s] xtask process::tests::both");
        assert!(tally.is_empty());
        tally.read("     Summary [   1.203s] 412 tests run: 412 passed, 0 skipped");
        assert_eq!(tally.to_string(), "Summary [   1.203s] 412 tests run: 412 passed, 0 skipped");
    }

    #[test]
    fn the_results_of_libtest_are_summed() {
        let mut tally = Tally::default();
        tally
            .read("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s");
        tally.read(
            "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
        );
        assert_eq!(tally.to_string(), "9 tests run: 7 passed, 2 failed, 1 skipped");
    }
}
