//! The commands that a document tells its reader to type.

use crate::markdown::{Fence, Markdown};

/// A command line that names the program or a chore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Typed {
    /// The line on which it stands.
    pub(super) line: usize,
    /// What is run.
    pub(super) what: What,
    /// The words after that.
    pub(super) words: Vec<String>,
}

/// What a command line runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The `reaper` program, by its name or through `cargo run`.
    Program,
    /// `cargo xtask`.
    Chore,
}

/// The commands in a document's shell blocks and code spans.
pub(super) fn typed(markdown: &Markdown) -> Vec<Typed> {
    let mut typed = Vec::new();
    let lines = markdown.fences.iter().flat_map(command_lines);
    let spans = markdown.spans.iter().filter(|(_, span)| SPANS.iter().any(|start| span.starts_with(start)));
    for (line, text) in lines.chain(spans.cloned()) {
        for words in commands(&text) {
            typed.extend(recognise(&words).map(|(what, words)| Typed { line, what, words }));
        }
    }
    typed
}

/// The lines of a block that are typed, continued ones joined: in a shell's block each line that is no
/// here-document, elsewhere those after a `$ `.
pub(super) fn command_lines(fence: &Fence) -> Vec<(usize, String)> {
    let shell = SHELLS.contains(&fence.language.as_str());
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut here_document: Option<String> = None;
    let mut continued = false;
    for (number, line) in (fence.line..).zip(&fence.lines) {
        if let Some(end) = &here_document {
            if line.trim() == end {
                here_document = None;
            }
            continue;
        }
        let prompted = line.trim_start().strip_prefix("$ ");
        let text = match prompted {
            None if !(shell || continued) => continue,
            _ => prompted.unwrap_or(line).trim(),
        };
        let part = text.strip_suffix('\\');
        match found.last_mut().filter(|_| continued) {
            Some((_, whole)) => *whole = format!("{whole} {}", part.unwrap_or(text)),
            None => found.push((number, part.unwrap_or(text).to_owned())),
        }
        continued = part.is_some();
        // Three of them are a string on the same line.
        here_document = text.split_once("<<").filter(|(_, end)| !end.starts_with('<')).map(|(_, end)| {
            let end = end.trim_start_matches('-').split_whitespace().next().unwrap_or_default();
            end.trim_matches(['\'', '"']).to_owned()
        });
    }
    found
}

/// Splits a line as a shell does: into commands, and those into words. Quotes hold a word together.
pub(super) fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ' ' | '\t' | '|' | '&' | ';' | '(' | ')') => {
                commands.last_mut().into_iter().for_each(|words| words.extend(word.take()));
                if !c.is_whitespace() {
                    commands.push(Vec::new());
                }
            }
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    commands.last_mut().into_iter().for_each(|words| words.extend(word.take()));
    commands.retain(|words| !words.is_empty());
    commands
}

/// What the command runs, and the words for it, if it is one of ours.
fn recognise(words: &[String]) -> Option<(What, Vec<String>)> {
    let is_before = |word: &String| word.contains('=') || BEFORE.contains(&word.as_str());
    let mut words = words.iter().skip_while(|word| is_before(word));
    let program = words.next()?;
    if program.rsplit('/').next() == Some("reaper") {
        return Some((What::Program, words.cloned().collect()));
    }
    if program != "cargo" {
        return None;
    }
    let words: Vec<String> = words.cloned().collect();
    match words.first()?.as_str() {
        "xtask" => Some((What::Chore, words.into_iter().skip(1).collect())),
        "run" => {
            let mut halves = words.splitn(2, |word| word == "--");
            let package = halves.next()?.iter().skip_while(|word| *word != "-p" && *word != "--package").nth(1);
            let ours = package.is_none_or(|package| package == "reaper-runner");
            ours.then(|| (What::Program, halves.next().unwrap_or_default().to_vec()))
        }
        _ => None,
    }
}

/// The languages of blocks in which each line is a command.
const SHELLS: [&str; 4] = ["sh", "bash", "shell", "zsh"];

/// How a code span begins that is a command.
const SPANS: [&str; 3] = ["reaper ", "cargo xtask ", "cargo run "];

/// Words that may stand before the command itself.
const BEFORE: [&str; 5] = ["sudo", "env", "exec", "time", "nohup"];

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(usize, String, String)> {
        let show = |typed: Typed| (typed.line, format!("{:?}", typed.what), typed.words.join(" "));
        typed(&Markdown::of(text)).into_iter().map(show).collect()
    }

    #[test]
    fn a_shell_block_is_all_commands_but_for_comments_and_here_documents() {
        let text = "```sh\n# reaper no\nsqlite3 a.db <<'SQL'\nreaper no\nSQL\ncat <<<x\nA=b sudo ./target/debug/reaper plan \\\n  \
                    --output json | jq .\ncd x && cargo xtask ci; reaper run\n```\n";
        assert_eq!(
            lines(text),
            [
                (7, "Program".to_owned(), "plan --output json".to_owned()),
                (9, "Chore".to_owned(), "ci".to_owned()),
                (9, "Program".to_owned(), "run".to_owned()),
            ]
        );
    }

    #[test]
    fn in_a_capture_only_what_is_typed_after_the_prompt_counts() {
        let text = "```console\n$ cargo run --release -- demo\nreaper no\n```\n```text\nreaper no\n```\n";
        assert_eq!(lines(text), [(2, "Program".to_owned(), "demo".to_owned())]);
    }

    #[test]
    fn spans_count_where_they_are_commands() {
        let text =
            "`reaper mode off|report`, `reaper`, `cargo xtask tidy`, `reaper-core`, `cargo run -p xtask -- ci`\n";
        let found = lines(text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0].2, "mode off");
        assert_eq!(found[1].2, "tidy");
    }

    #[test]
    fn quotes_hold_a_word_together() {
        assert_eq!(commands("a 'b | c' \"d # e\" '' # f"), [["a", "b | c", "d # e", ""]]);
        assert_eq!(commands("a||b & (c)"), [["a"], ["b"], ["c"]]);
    }
}
