//! The README shows what the demonstration printed, not what somebody wished it to print.
//!
//! Compared in shape: figures, process ids, paths and the width of columns differ from run to run, the words do not.

use super::{Tree, shell};
use crate::{markdown::Markdown, step::Failed, workspace::Workspace};

/// Compares the README's block with the stored capture, where both exist.
///
/// # Errors
///
/// When the capture cannot be read.
pub(super) fn faults(workspace: &Workspace, tree: &Tree) -> Result<Vec<String>, Failed> {
    let readme = tree.markdown.iter().find(|(file, _)| file == "README.md");
    let Some((line, shown)) = readme.and_then(|(_, text)| demo_block(text)) else { return Ok(Vec::new()) };
    if !tree.files.iter().any(|file| file == CAPTURE) {
        return Ok(Vec::new());
    }
    let captured = workspace.read(CAPTURE)?;
    let captured: Vec<&str> = captured.lines().collect();
    Ok(difference(line, &shown, &captured).into_iter().collect())
}

/// What the README shows below the command that runs the demonstration: the first line's number, and the lines.
fn demo_block(readme: &Markdown) -> Option<(usize, Vec<&str>)> {
    readme.fences.iter().find_map(|fence| {
        let (typed, _) = shell::command_lines(fence).into_iter().find(|(_, line)| line.ends_with(" demo"))?;
        let output = fence.lines.iter().skip(typed + 1 - fence.line).map(String::as_str);
        let output: Vec<&str> = output.take_while(|line| !line.starts_with("$ ")).collect();
        (output.len() >= FEWEST_LINES).then_some((typed + 1, output))
    })
}

/// The first place at which the two differ in shape. A line `…` in the README stands for any lines.
fn difference(line: usize, shown: &[&str], captured: &[&str]) -> Option<String> {
    let shown = (line..).zip(shown.iter().map(|line| shape(line))).filter(|(_, line)| !line.is_empty());
    let mut captured = captured.iter().map(|line| shape(line)).filter(|line| !line.is_empty());
    let mut skipping = false;
    for (number, line) in shown {
        if line == "…" || line == "..." {
            skipping = true;
            continue;
        }
        let next = captured.find(|other| !skipping || *other == line);
        skipping = false;
        if next.as_ref() != Some(&line) {
            let other = next.map_or_else(|| "has no such line".to_owned(), |next| format!("says `{next}` there"));
            return Some(format!("README.md:{number}: shows `{line}`; {CAPTURE} {other} (both in shape)"));
        }
    }
    let more = captured.next().filter(|_| !skipping)?;
    Some(format!("README.md: the demonstration's output ends before `{more}` (in shape) of {CAPTURE}"))
}

/// A line without what differs from run to run: a number becomes `0` with its unit gone, a path `/`, a rule one
/// stroke, and any space one space.
fn shape(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let path = word.find('/').filter(|at| word.get(at + 1..).is_some_and(|rest| rest.contains('/')));
        if let Some(at) = path {
            return format!("{}/", word.get(..at).unwrap_or_default());
        }
        let mut shape = String::new();
        for c in word.chars() {
            let c = if c.is_ascii_digit() { '0' } else { c };
            let is_rule = matches!(c, '─' | '═' | '-' | '=' | '━');
            if !((c == '0' || is_rule) && shape.ends_with(c)) {
                shape.push(c);
            }
        }
        shape.replace("0.0", "0")
    });
    let words: Vec<String> = words.collect();
    words.join(" ").replace("0 ms", "0 s").replace("0ms", "0s").replace("0 µs", "0 s").replace("0µs", "0s")
}

/// The stored capture of a run.
const CAPTURE: &str = "tests/golden/demo.txt";

/// A block with fewer lines of output only says how the demonstration is started.
const FEWEST_LINES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_paths_and_widths_are_no_shape() {
        assert_eq!(shape("  12.5 s  pid 4711   killed"), shape("3 ms pid 9 killed"));
        assert_eq!(shape("database /tmp/reaper-a1/jobs.db"), "database /");
        assert_eq!(shape("──────  ═══"), "─ ═");
        assert_ne!(shape("job 1 done"), shape("job 1 failed"));
    }

    #[test]
    fn the_block_is_what_follows_the_command() {
        let readme = Markdown::of(
            "```sh\ncargo run --release -- demo\n```\n```console\n$ cargo run --release -- demo\na\nb\nc\n$ ls\nd\n```\n",
        );
        assert_eq!(demo_block(&readme), Some((6, vec!["a", "b", "c"])));
        assert_eq!(demo_block(&Markdown::of("```console\n$ reaper demo\na\n```\n")), None);
    }

    #[test]
    fn the_first_difference_is_told() {
        let captured = ["job 1", "", "job 2 killed", "job 3", "all well"];
        assert_eq!(difference(1, &["job 7", "job 8 killed", "job 9", "all well"], &captured), None);
        assert_eq!(difference(1, &["job 7", "…", "all well"], &captured), None);
        assert_eq!(difference(1, &["job 7", "..."], &captured), None);
        let told = difference(5, &["job 1", "job 2 saved"], &captured).unwrap();
        assert!(told.starts_with("README.md:6: shows `job 0 saved`"), "{told}");
        let told = difference(5, &["job 1", "job 2 killed"], &captured).unwrap();
        assert!(told.contains("ends before `job 0`"), "{told}");
        let told = difference(5, &["…", "all lost"], &captured).unwrap();
        assert!(told.contains("has no such line"), "{told}");
    }
}
