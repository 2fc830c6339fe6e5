//! Each Rust file says what it is, is short enough to be read in one go, and leaves nothing for later.

use crate::source::Source;

/// Faults of the files, given by name and text.
pub(super) fn faults(files: &[(String, String)]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut product_lines = Vec::new();
    for (file, text) in files {
        if !HEADERS.iter().any(|header| text.starts_with(header)) {
            faults.push(format!("{file}: does not begin with a `//!` that says what the file is"));
        }
        let source = Source::of(text);
        faults.extend(word_faults(file, &source));
        if is_test(file) {
            continue;
        }
        let lines = lines_outside_tests(&source);
        if lines > MOST_LINES {
            faults.push(format!("{file}: {lines} lines without its tests; at most {MOST_LINES}"));
        }
        if file.starts_with("reaper-") {
            product_lines.push(text.lines().count());
        }
    }
    let median = median(&mut product_lines);
    if median >= MEDIAN_BELOW {
        faults.push(format!(
            "the products' files have {median} lines in the median; below {MEDIAN_BELOW} is asked for"
        ));
    }
    faults
}

/// Attributes and macros that hide a fault or put work off, and words in comments that do.
fn word_faults(file: &str, source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in source.code_lines() {
        let attribute = line.trim_start().starts_with("#[") || line.trim_start().starts_with("#![");
        for (word, in_attribute) in UNWANTED_CODE {
            let found = line.match_indices(word).any(|(at, _)| {
                let before = line.get(..at).and_then(|before| before.chars().next_back());
                !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            });
            if found && (attribute || !in_attribute) {
                faults.push(format!("{file}:{number}: `{}`", word.trim_end_matches('(')));
            }
        }
    }
    for (number, line) in source.comment_lines() {
        for word in
            UNWANTED_COMMENTS.iter().filter(|word| line.split(|c: char| !c.is_alphanumeric()).any(|w| w == **word))
        {
            faults.push(format!("{file}:{number}: `{word}` in a comment"));
        }
    }
    faults
}

/// Whether the whole file is tests: a folder or a file of that name.
fn is_test(file: &str) -> bool {
    file.split('/').any(|part| part == "tests" || part == "tests.rs" || part == "benches")
}

/// The lines of a file without its `#[cfg(test)] mod … { … }`, which formatted sources close with `}` in the first column.
fn lines_outside_tests(source: &Source) -> usize {
    let mut lines = 0;
    let mut cfg_test = false;
    let mut inside = false;
    for line in source.code.lines() {
        if inside {
            inside = line != "}";
            continue;
        }
        lines += 1;
        if line.starts_with("#[cfg(test)]") {
            cfg_test = true;
        } else if !line.starts_with("#[") {
            inside = cfg_test && line.starts_with("mod ") && line.trim_end().ends_with('{');
            cfg_test = false;
        }
    }
    lines
}

fn median(lines: &mut [usize]) -> usize {
    lines.sort_unstable();
    lines.get(lines.len() / 2).copied().unwrap_or(0)
}

/// How a file may begin.
const HEADERS: [&str; 2] = ["//! ", "#![doc = include_str!("];

/// The most lines of a file, its tests not counted.
const MOST_LINES: usize = 400;

/// The products' files stay below this in the median.
const MEDIAN_BELOW: usize = 150;

/// Unwanted in code, and whether in attributes only.
const UNWANTED_CODE: [(&str, bool); 4] =
    [("allow(", true), ("ignore", true), ("todo!", false), ("unimplemented!", false)];

/// Unwanted in comments.
const UNWANTED_COMMENTS: [&str; 3] = ["FIXME", "XXX", "TODO"];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(file: &str, text: &str) -> Vec<String> {
        faults(&[(file.to_owned(), text.to_owned())])
    }

    #[test]
    fn a_file_begins_with_what_it_is() {
        assert_eq!(of("reaper-core/src/a.rs", "//! A.\n"), [""; 0]);
        assert_eq!(
            of("reaper-core/src/lib.rs", "#![doc = include_str!(\"../README.md\")]\n#![no_std]\n"),
            [""; 0]
        );
        for text in ["use a;\n//! A.\n", "// A.\n", "", "\n//! A.\n", "//!\n"] {
            assert_eq!(of("xtask/src/a.rs", text).len(), 1, "{text:?}");
        }
    }

    #[test]
    fn what_is_put_off_is_found_in_code_and_comments_alone() {
        let text = "//! A.\n#[allow(dead_code)]\n#![cfg_attr(test, allow(dead_code))]\n#[ignore = \"slow\"]\n\
                    fn a() { todo!() }\nfn b() { unimplemented!(\"x\") }\n// FIXME: c.\n";
        let found = of("tests/src/a.rs", text);
        let lines: Vec<_> = found.iter().filter_map(|fault| fault.split(':').nth(1)).collect();
        assert_eq!(lines, ["2", "3", "4", "5", "6", "7"], "{found:?}");
        let text = "//! Says \"#[allow(\" and todo!.\n#[expect(dead_code, reason = \"FIXME\")]\nfn allow(ignore: u8) {}\n\
                    fn x() { disallow(\"todo!\") }\n#[disallow(a)]\nfn y() {}\n";
        assert_eq!(of("tests/src/a.rs", text), [""; 0]);
    }

    #[test]
    fn a_file_is_measured_without_its_tests() {
        let long = format!("//! A.\n{}", "//\n".repeat(MOST_LINES));
        assert_eq!(of("xtask/src/a.rs", &long), ["xtask/src/a.rs: 401 lines without its tests; at most 400"]);
        assert_eq!(of("reaper-core/src/decide/tests.rs", &long), [""; 0]);
        assert_eq!(of("tests/tests/seed.rs", &long), [""; 0]);
        let tested = format!(
            "//! A.\n#[cfg(test)]\n#[cfg(unix)]\nmod tests {{\n{}}}\nfn a() {{}}\n",
            "    //\n".repeat(500)
        );
        assert_eq!(of("xtask/src/a.rs", &tested), [""; 0]);
        assert_eq!(lines_outside_tests(&Source::of(&tested)), 5);
        let elsewhere = format!("//! A.\n#[cfg(test)]\nmod tests;\n{}", "//\n".repeat(400));
        assert_eq!(of("xtask/src/a.rs", &elsewhere).len(), 1);
    }

    #[test]
    fn the_products_are_short_in_the_median() {
        let file =
            |lines: usize| ("reaper-core/src/a.rs".to_owned(), format!("//! A.\n{}", "//\n".repeat(lines - 1)));
        assert_eq!(faults(&[file(10), file(149), file(399)]), [""; 0]);
        assert_eq!(faults(&[file(10), file(150), file(399)]).len(), 1);
    }
}
