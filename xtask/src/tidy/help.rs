//! What a program's help says that it understands, and whether a command line keeps to it.

use std::collections::BTreeMap;

/// The help of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Help {
    /// Each option by each of its names, and whether a value follows it.
    options: BTreeMap<String, bool>,
    /// Whether a further command follows.
    has_commands: bool,
}

impl Help {
    /// Reads what clap prints for `--help`; nothing if that is no help.
    pub(super) fn of(text: &str) -> Option<Self> {
        let usage = text.lines().find(|line| line.starts_with("Usage:"))?;
        let has_commands = usage.contains("<COMMAND>") || usage.contains("[COMMAND]");
        let mut help = Self { options: BTreeMap::new(), has_commands };
        for line in text.lines() {
            // A description stands further in; one may begin with a dash too.
            let (indent, option) = (line.len() - line.trim_start().len(), line.trim_start());
            if matches!(indent, 2 | 6) && option.starts_with('-') {
                help.option(option);
            }
        }
        Some(help)
    }

    /// Reads a line such as `-o, --output <FORMAT>  How to print`.
    fn option(&mut self, line: &str) {
        // Two spaces end the names, where the description stands on the same line.
        let names = line.split("  ").next().unwrap_or(line);
        let takes_value = names.contains(['<', '[']);
        for name in names.split([' ', ',', '=', '[']).filter(|name| name.starts_with('-')) {
            self.options.insert(name.to_owned(), takes_value);
        }
    }
}

/// What in the words after `program` is not to be found in its help. `ask` answers with the help of a command path,
/// or nothing where there is no such command.
pub(super) fn misunderstood(
    program: &str,
    words: &[String],
    ask: &mut dyn FnMut(&[String]) -> Option<Help>,
) -> Vec<String> {
    let mut faults = Vec::new();
    let mut path = Vec::new();
    let Some(mut help) = ask(&path) else { return vec![format!("`{program}` has no help")] };
    let mut known = help.options.clone();
    let mut used = Vec::new();
    let mut words = words.iter().map(|word| word.trim_matches(['[', ']'])).take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        if is_option(word) {
            let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            if value.is_none() && known.get(name) == Some(&true) {
                words.next();
            }
            used.push(name.to_owned());
        } else if help.has_commands && !is_placeholder(word) {
            path.push(word.to_owned());
            let Some(found) = ask(&path) else {
                faults.push(format!("`{program}` has no command `{}`", path.join(" ")));
                return faults;
            };
            known.extend(found.options.clone());
            help = found;
        }
    }
    path.insert(0, program.to_owned());
    let unknown = used.iter().filter(|name| !known.contains_key(*name));
    faults.extend(unknown.map(|name| format!("`{}` has no option `{name}`", path.join(" "))));
    faults
}

/// `--flag` or `-f`, and neither a negative number nor the `-` that means standard input.
fn is_option(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c == '-' || c.is_ascii_alphabetic()))
}

/// Stands for something that the reader puts in.
fn is_placeholder(word: &str) -> bool {
    word.is_empty() || word.starts_with(['<', '…', '.', '{']) || word.chars().all(|c| c.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: &str = "Finds jobs\n\nUsage: reaper [OPTIONS] <COMMAND>\n\nCommands:\n  tick  Ticks\n\nOptions:\n      \
                       --database-url <URL>  Where the jobs are [env: DATABASE_URL=]\n  -o, --output <FORMAT>     \
                       How, as --json does\n  -h, --help                Print help\n";
    const TICK: &str = "Usage: reaper tick [OPTIONS]\n\nOptions:\n      --times <N>\n          How many\n\n          \
                        --time is none\n      --colour[=<WHEN>]\n  -h, --help\n          Print help\n";
    const LEASES: &str = "Usage: reaper leases [COMMAND]\n\nOptions:\n  -h, --help\n";

    fn check(line: &str) -> Vec<String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        misunderstood("reaper", &words, &mut |path| match path.join(" ").as_str() {
            "" => Help::of(TOP),
            "tick" | "leases reclaim" => Help::of(TICK),
            "leases" => Help::of(LEASES),
            _ => None,
        })
    }

    #[test]
    fn options_are_read_with_their_values() {
        let help = Help::of(TOP).unwrap();
        assert!(help.has_commands);
        let names: Vec<_> = help.options.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(
            names,
            [("--database-url", true), ("--help", false), ("--output", true), ("-h", false), ("-o", true)]
        );
        assert!(!Help::of(TICK).unwrap().has_commands);
        assert_eq!(Help::of(""), None);
    }

    #[test]
    fn what_the_help_knows_is_understood() {
        for line in [
            "tick --times 2 --colour=never",
            "--database-url sqlite://x tick -o json",
            "--output=json leases reclaim --times 3",
            "leases [reclaim] [--times N]",
            "<command> --help",
            "tick 1 -- --any",
            "--help",
            "",
        ] {
            assert_eq!(check(line), [""; 0], "{line}");
        }
    }

    #[test]
    fn what_it_does_not_know_is_named() {
        assert_eq!(check("tock --times 2"), ["`reaper` has no command `tock`"]);
        assert_eq!(check("leases drop"), ["`reaper` has no command `leases drop`"]);
        assert_eq!(
            check("tick --time 2 -x"),
            ["`reaper tick` has no option `--time`", "`reaper tick` has no option `-x`"]
        );
    }
}
