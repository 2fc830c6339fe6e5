//! What test runners print, heard line by line: nextest, and cargo's own where that is missing.
//!
//! A test that cannot show what it should says so in a line that begins with `SKIPPED`, and passes: neither runner knows of
//! that. It is heard here, told with the test's name and counted.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    process::Stdio,
};

use crate::workspace::Workspace;

/// What was heard so far.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// The tests that passed: where each stands, and its name.
    pub(crate) passed: BTreeSet<Test>,
    /// Those that did not.
    pub(crate) failed: BTreeSet<Test>,
    /// Those that passed and said that they show nothing, or not all, by their names; and why.
    pub(crate) skipped: BTreeMap<String, BTreeSet<String>>,
    /// nextest's last line.
    summary: Option<String>,
    sums: Sums,
    /// The test whose output is read.
    of: String,
    /// Whether what is read was printed by a test that passed.
    is_output: bool,
}

/// A test: the binary that it stands in as nextest names it (`crate` or `crate::file`), and its name there.
pub(crate) type Test = (String, String);

/// What cargo's own runner counted, added up.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// What makes either runner print what a test says that passes.
pub(crate) const WITH_OUTPUT: [&str; 2] = ["--success-output", "immediate"];

impl Heard {
    /// Hears one line. Answers whether a person wants to see it: of what a test prints that passes, only that it was
    /// skipped.
    pub(crate) fn line(&mut self, line: &str) -> bool {
        let line = line.trim();
        if line.starts_with("SKIPPED") {
            self.skipped.entry(self.of.clone()).or_default().insert(line.to_owned());
            return true;
        }
        if line.starts_with("Summary [") {
            self.summary = Some(line.to_owned());
            self.is_output = false;
        } else if line.starts_with("────") {
            self.is_output = false;
        } else if let Some((status, test)) = ended(line) {
            self.is_output = PASSED.contains(&status);
            self.of.clone_from(&test.1);
            if self.is_output {
                self.passed.insert(test);
            } else if !UNDER_WAY.contains(&status) {
                self.failed.insert(test);
            }
            return true;
        } else if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
            name.clone_into(&mut self.of);
        } else if let Some(counts) = line.strip_prefix("test result: ") {
            self.sums.add(counts);
        }
        !self.is_output
    }

    /// Whether nothing was heard of any test.
    pub(crate) fn is_empty(&self) -> bool {
        self.summary.is_none() && self.sums == Sums::default()
    }

    /// Whether nextest came to its end.
    pub(crate) fn has_ended(&self) -> bool {
        self.summary.is_some()
    }

    /// The sum of libtest's results in a few words.
    pub(crate) fn brief(&self) -> String {
        format!("{} passed", self.sums.passed)
    }

    /// How many said that they were skipped, in a few words; nothing where none did.
    pub(crate) fn skips(&self) -> String {
        match self.skipped.len() {
            0 => String::new(),
            count => format!("{count} said that they show nothing here, or not all: look for SKIPPED"),
        }
    }

    /// Whether a test passed that shows nothing, or not all.
    pub(crate) fn was_skipped(&self, test: &Test) -> bool {
        self.skipped.contains_key(&test.1)
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sums { passed, failed, ignored } = &self.sums;
        match &self.summary {
            Some(summary) => f.write_str(summary),
            None => {
                write!(f, "{} tests run: {passed} passed, {failed} failed, {ignored} skipped", passed + failed)
            }
        }
    }
}

impl Sums {
    fn add(&mut self, counts: &str) {
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

/// A line of nextest's about one test: its status, and the test. After the status come a time and, where there is one, a
/// count; the last two words are where it stands and its name.
fn ended(line: &str) -> Option<(&str, Test)> {
    let (status, rest) = line.split_once(" [")?;
    let is_status = !status.is_empty() && status.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    let words: Vec<&str> = rest.split_whitespace().collect();
    match words.as_slice() {
        [_, .., place, name] if is_status => Some((status, ((*place).to_owned(), (*name).to_owned()))),
        _ => None,
    }
}

/// What nextest says of a test that passed; the second left something open.
const PASSED: [&str; 2] = ["PASS", "LEAK"];

/// What it says of one that has not ended.
const UNDER_WAY: [&str; 2] = ["SLOW", "TERMINATING"];

/// Whether nextest is installed.
pub(crate) fn has_nextest(workspace: &Workspace) -> bool {
    let mut command = workspace.cargo();
    command.args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &[&str]) -> (Heard, Vec<bool>) {
        let mut heard = Heard::default();
        let shown = lines.iter().map(|line| heard.line(line)).collect();
        (heard, shown)
    }

    fn test(place: &str, name: &str) -> Test {
        (place.to_owned(), name.to_owned())
    }

    #[test]
    fn the_summary_of_nextest_is_kept_as_it_is() {
        let summary = "Summary [   1.203s] 412 tests run: 412 passed, 0 skipped";
        let (heard, _) = heard(&["        PASS [   0.005s] (1/2) xtask process::tests::both", summary]);
        assert_eq!(heard.to_string(), summary);
        assert!(heard.has_ended() && !heard.is_empty());
    }

    #[test]
    fn the_results_of_libtest_are_summed() {
        let (heard, _) = heard(&[
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s",
            "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
        ]);
        assert_eq!(heard.to_string(), "9 tests run: 7 passed, 2 failed, 1 skipped");
        assert_eq!(heard.brief(), "7 passed");
        assert!(!heard.has_ended() && !heard.is_empty());
    }

    #[test]
    fn each_test_is_told_by_how_it_ended() {
        let (heard, _) = heard(&[
            "    PASS [   0.005s] (1/4) reaper-tests::model caught::no_fence",
            "    SLOW [> 60.000s] (───) reaper-tests::crash sqlite::f01_killed",
            "    FAIL [   0.005s] (2/4) reaper-core decide::tests::one",
            " SIGABRT [   0.005s] reaper-core decide::tests::two",
            "    LEAK [   0.005s] (4/4) reaper-gate gate::three",
        ]);
        let passed = [test("reaper-gate", "gate::three"), test("reaper-tests::model", "caught::no_fence")];
        assert_eq!(heard.passed, BTreeSet::from(passed));
        let failed = ["decide::tests::one", "decide::tests::two"].map(|name| test("reaper-core", name));
        assert_eq!(heard.failed, BTreeSet::from(failed));
        assert_eq!(heard.skips(), "");
    }

    #[test]
    fn of_a_test_that_passes_only_a_skip_is_shown() {
        let (heard, shown) = heard(&[
            "    PASS [   0.005s] (1/2) reaper-tests::crash f19_full",
            "  stderr ───",
            "    SKIPPED: no file system can be mounted here",
            "    test result: ok. 1 passed; 0 failed; 0 ignored",
            "    FAIL [   0.005s] (2/2) reaper-tests::crash f20_error",
            "  stderr ───",
            "    a word",
            "────────────",
            "     Summary [ 0.1s] 2 tests run: 1 passed, 1 failed, 0 skipped",
        ]);
        assert_eq!(shown, [true, false, true, false, true, true, true, true, true]);
        assert!(heard.was_skipped(&test("reaper-tests::crash", "f19_full")));
        assert!(!heard.was_skipped(&test("reaper-tests::crash", "f20_error")));
        assert_eq!(heard.skips(), "1 said that they show nothing here, or not all: look for SKIPPED");
    }

    #[test]
    fn cargo_s_own_runner_names_the_test_that_was_skipped() {
        let (heard, _) = heard(&["successes:", "---- f19_full stdout ----", "SKIPPED: no disk"]);
        assert!(heard.was_skipped(&test("", "f19_full")));
    }
}
