//! What a person sees: one line a step, the output that is shown as it comes, the summary.

use std::{
    env,
    io::{self, IsTerminal, Write},
    time::Duration,
};

/// Standard output, with colours only on a terminal and without `NO_COLOR`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    terminal: bool,
    colours: bool,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// All is well.
    Ok,
    /// Something is wrong.
    Fail,
}

impl Screen {
    /// Looks at standard output and the environment.
    pub(crate) fn of_stdout() -> Self {
        let terminal = io::stdout().is_terminal();
        let colours = terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { terminal, colours }
    }

    /// Whether colours may be used.
    pub(crate) fn colours(self) -> bool {
        self.colours
    }

    /// Prints a line. A reader that went away is no error of ours.
    pub(crate) fn line(self, text: &str) {
        writeln!(io::stdout().lock(), "{text}").ok();
    }

    /// Says on a terminal which step is under way; the step's own line replaces it.
    pub(crate) fn under_way(self, name: &str) {
        if self.terminal {
            let mut out = io::stdout().lock();
            write!(out, "..   {name}\r").and_then(|()| out.flush()).ok();
        }
    }

    /// The line of a step that has ended.
    pub(crate) fn step(self, mark: Mark, name: &str, took: Duration, note: &str) -> String {
        let mark = match mark {
            Mark::Ok => self.paint(GREEN, "ok  "),
            Mark::Fail => self.paint(RED, "FAIL"),
        };
        let line = format!("{mark} {name:<12} {:>9}   {note}", seconds(took));
        line.trim_end().to_owned()
    }

    /// `text` in a colour, where colours are used.
    fn paint(self, colour: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A duration as `41.2 s`.
pub(crate) fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

/// `text` without the colour codes of a terminal.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.find(|c: char| c.is_ascii_alphabetic()).and_then(|end| after.get(end + 1..)).unwrap_or("");
    }
    plain.push_str(rest);
    plain
}

/// Selects green.
const GREEN: &str = "32";

/// Selects red.
const RED: &str = "31";

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Screen = Screen { terminal: false, colours: false };

    #[test]
    fn a_line_has_mark_name_time_and_note() {
        let line = PLAIN.step(Mark::Ok, "clippy", Duration::from_millis(41_240), "");
        assert_eq!(line, "ok   clippy          41.2 s");
        let line = PLAIN.step(Mark::Fail, "tidy", Duration::from_millis(49), "2 findings");
        assert_eq!(line, "FAIL tidy             0.0 s   2 findings");
    }

    #[test]
    fn colours_come_and_go() {
        let coloured = Screen { terminal: true, colours: true };
        let line = coloured.step(Mark::Fail, "doc", Duration::from_secs(1), "why");
        assert!(line.starts_with("\x1b[31mFAIL\x1b[0m doc"), "{line}");
        assert_eq!(plain(&line), PLAIN.step(Mark::Fail, "doc", Duration::from_secs(1), "why"));
        assert_eq!(plain("\x1b[1;32mok\x1b[K \x1b["), "ok ");
    }
}
