//! The table of the faults to be survived against the tests: each fault has tests, and each test of a fault is told of.

use std::collections::BTreeMap;

use crate::{source::Source, step::Failed, workspace::Workspace};

/// Faults of the table, and faults that no test is named after.
///
/// # Errors
///
/// When the table cannot be read.
pub(super) fn faults(workspace: &Workspace, rust: &[(String, String)]) -> Result<Vec<String>, Failed> {
    Ok(compare(&workspace.read(TABLE)?, rust))
}

fn compare(table: &str, rust: &[(String, String)]) -> Vec<String> {
    let mut tests: Vec<String> = rust.iter().flat_map(|(_, text)| Source::of(text).test_functions()).collect();
    tests.retain(|test| numbers(test).next().is_some());
    tests.sort();
    tests.dedup();
    let rows: BTreeMap<usize, (usize, Vec<String>)> = rows(table).collect();
    let mut faults = Vec::new();
    for number in 1..=COUNT {
        let Some((line, names)) = rows.get(&number) else {
            faults.push(format!("{TABLE}: no row for F{number}"));
            continue;
        };
        let meant: Vec<_> = tests.iter().filter(|test| numbers(test).any(|meant| meant == number)).collect();
        if meant.is_empty() {
            faults.push(format!("{TABLE}:{line}: no test is named `f{number:02}_…`"));
        }
        for test in meant.iter().filter(|test| !names.contains(test)) {
            faults.push(format!("{TABLE}:{line}: `{test}` is a test of F{number} and is not told of"));
        }
        for name in names.iter().filter(|name| !meant.contains(name)) {
            faults.push(format!("{TABLE}:{line}: `{name}` is no test of F{number}"));
        }
    }
    let beyond = tests.iter().filter(|test| numbers(test).any(|number| !(1..=COUNT).contains(&number)));
    faults.extend(
        beyond.map(|test| format!("{TABLE}: `{test}` is the test of a fault that the table does not have")),
    );
    faults
}

/// The rows of the table: the fault's number, the row's line, and the names of tests in it.
fn rows(table: &str) -> impl Iterator<Item = (usize, (usize, Vec<String>))> {
    (1..).zip(table.lines()).filter_map(|(line, text)| {
        let number = text.strip_prefix("| F")?.split(' ').next()?.parse().ok()?;
        let spans = text.split('`').skip(1).step_by(2);
        let names = spans.filter(|span| numbers(span).next().is_some()).map(str::to_owned).collect();
        Some((number, (line, names)))
    })
}

/// The faults that a test's name begins with: 7 and 31 of `f07_f31_what_lands`.
fn numbers(name: &str) -> impl Iterator<Item = usize> {
    let number = |part: &str| {
        let digits = part.strip_prefix('f').filter(|digits| digits.len() == 2)?;
        digits.parse().ok()
    };
    name.split('_').map_while(number)
}

/// Where the table is.
const TABLE: &str = "tests/docs/faults.md";

/// How many faults there are.
const COUNT: usize = 42;

#[cfg(test)]
mod tests {
    use super::*;

    const RUST: &str = "#[test]\nfn f01_f02_killed() {}\n\non_both! {\n    fn f03_so_it_is(ground: &Ground) {\n    }\n}\n\
                        fn f04_no_test() {}\n#[test]\nfn f(_: u8) {}\n// #[test]\n// fn f05_a_comment() {}\n";

    fn checked(rows: &str) -> Vec<String> {
        let faults = compare(rows, &[("a.rs".to_owned(), RUST.to_owned())]);
        faults.into_iter().filter(|fault| !fault.contains("no row for")).collect()
    }

    #[test]
    fn each_fault_has_a_row_and_a_row_has_its_tests() {
        let good =
            "| F1 | a | `f01_f02_killed` |\n| F2 | b | `f01_f02_killed`, `--all` |\n| F3 | c | `f03_so_it_is` |\n";
        assert_eq!(checked(good), [""; 0]);
        assert_eq!(compare(good, &[("a.rs".to_owned(), RUST.to_owned())]).len(), COUNT - 3);
    }

    #[test]
    fn what_is_missing_or_is_not_there_is_said() {
        let said = checked("| F1 | a | |\n| F2 | b | `f01_f02_killed` `f02_gone` |\n| F4 | d | `f04_no_test` |\n");
        assert_eq!(
            said,
            [
                "tests/docs/faults.md:1: `f01_f02_killed` is a test of F1 and is not told of",
                "tests/docs/faults.md:2: `f02_gone` is no test of F2",
                "tests/docs/faults.md:3: no test is named `f04_…`",
                "tests/docs/faults.md:3: `f04_no_test` is no test of F4",
            ]
        );
    }

    #[test]
    fn a_test_of_a_fault_that_nobody_told_of_is_one() {
        let faults = compare("", &[("a.rs".to_owned(), "#[test]\nfn f43_new() {}\n".to_owned())]);
        assert!(faults.iter().any(|fault| fault.contains("`f43_new`")), "{faults:?}");
    }
}
