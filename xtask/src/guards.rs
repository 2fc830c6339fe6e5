//! `cargo xtask guards`: each guard of the protocol is broken in turn, and at least two kinds of test have to turn red.
//!
//! `tests/guards.toml` lists the guards with the changes that break them. They are made in a copy of the sources in the target
//! folder, so that nothing of the project's own is ever wrong. First the copy is tried as it is: all has to be green.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    files::files,
    run::Run,
    step::{Failed, Output, Step},
    workspace::Workspace,
};

/// The step's name, after which the command line takes an option.
pub(crate) const NAME: &str = "guards";

/// All of them.
pub(crate) const STEP: Step = Step {
    name: NAME,
    about: "Each guard of the protocol broken in turn: two kinds of test have to see it (an hour)",
    output: Output::Shown,
    run: |run| judge(run, ""),
};

/// Where the guards are listed.
pub(crate) const LIST: &str = "tests/guards.toml";

/// The tests that are asked: where they stand, and of which kind they are. Those on PostgreSQL say that they are skipped.
const KINDS: [(&str, &str); 12] = [
    ("reaper-core", "rules"),
    ("reaper-store", "contract"),
    ("reaper-gate", "advance"),
    ("reaper-runner", "reaper"),
    ("reaper-tests::model", "model"),
    ("reaper-tests::machine", "machine"),
    ("reaper-tests::seed", "seed"),
    ("reaper-tests::seed_program", "program"),
    ("reaper-tests::faults", "faults"),
    ("reaper-tests::crash", "crashes"),
    ("reaper-tests::watching", "processes"),
    ("reaper-tests::exec", "processes"),
];

/// A text that is kept of each statement sees a change of it, whatever it does.
const WHICH: &str = "not test(/golden|postgres/)";

/// No healthy test takes as long.
const LIMITS: &str = "[profile.default]\nslow-timeout = { period = \"60s\", terminate-after = 5 }\n";

/// So many sequences of the machine.
const CASES: &str = "60";

/// So many kinds have to see a broken guard.
const ENOUGH: usize = 2;

/// Tries the guards whose names hold `only`.
///
/// # Errors
///
/// When the list cannot be followed, the copy is red as it is, or a broken guard is seen by too few.
pub(crate) fn judge(run: &mut Run<'_>, only: &str) -> Result<String, Failed> {
    let guards = listed(&run.workspace.read(LIST)?)?;
    let copy = Copy::make(run.workspace)?;
    let as_it_is = copy.red(run)?;
    if !as_it_is.is_empty() {
        return Err(Failed(format!("nothing is broken, and yet: {}", shown(&as_it_is))));
    }
    let (mut lines, mut faults) = (Vec::new(), Vec::new());
    for guard in guards.iter().filter(|guard| guard.name.contains(only)) {
        let before = copy.change(&guard.changes)?;
        let red = copy.red(run);
        // Each file as it was before its first change, which comes last.
        for (path, text) in before.into_iter().rev() {
            fs::write(path, text)?;
        }
        let red = red?;
        lines.push(format!("| {} | {} | {} |", guard.name, guard.breaks, shown(&red)));
        if red.len() < ENOUGH {
            faults.push(format!("{}: too few kinds of test see it broken: {}", guard.name, shown(&red)));
        }
    }
    run.say("| broken | breaks | kinds of test that turn red, and how many of each |");
    run.say("|---|---|---|");
    for line in &lines {
        run.say(line);
    }
    run.judge(&faults)?;
    if lines.is_empty() {
        return Err(Failed(format!("no guard's name holds {only:?}")));
    }
    Ok(format!("{} guards", lines.len()))
}

/// A guard and how it is broken.
#[derive(Debug)]
struct Guard {
    name: String,
    /// The invariants that hang on it.
    breaks: String,
    changes: Vec<Change>,
}

/// A piece of a file in place of another.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    file: String,
    from: String,
    to: String,
}

impl Change {
    /// A text with the change made.
    fn made_in(&self, text: &str) -> Result<String, Failed> {
        match text.matches(&self.from).count() {
            1 => Ok(text.replacen(&self.from, &self.to, 1)),
            count => Err(Failed(format!(
                "{LIST}: {} has {count} times what is to be changed: {}",
                self.file, self.from
            ))),
        }
    }
}

fn listed(list: &str) -> Result<Vec<Guard>, Failed> {
    let table: toml::Table = list.parse().map_err(|error| Failed::because(LIST, error))?;
    let text = |table: &toml::Value, key: &str| {
        let text = table.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        text.ok_or_else(|| Failed(format!("{LIST}: an entry has no {key}")))
    };
    let entries = |table: Option<&toml::Value>| table.and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let change = |entry: &toml::Value| {
        Ok(Change { file: text(entry, "file")?, from: text(entry, "from")?, to: text(entry, "to")? })
    };
    let guard = |entry: &toml::Value| {
        let changes = entries(entry.get("change")).iter().map(change).collect::<Result<Vec<_>, Failed>>()?;
        Ok(Guard { name: text(entry, "name")?, breaks: text(entry, "breaks")?, changes })
    };
    entries(table.get("guard")).iter().map(guard).collect()
}

/// What is wrong with the list, as the sources are now.
///
/// # Errors
///
/// When it cannot be read.
pub(crate) fn faults(workspace: &Workspace) -> Result<Vec<String>, Failed> {
    let changes = listed(&workspace.read(LIST)?)?.into_iter().flat_map(|guard| guard.changes);
    let tried = changes.map(|change| workspace.read(&change.file).and_then(|text| change.made_in(&text)));
    Ok(tried.filter_map(Result::err).map(|failed| failed.to_string()).collect())
}

/// A copy of the sources, with a build of its own.
#[derive(Debug)]
struct Copy<'w> {
    workspace: &'w Workspace,
    root: PathBuf,
}

impl<'w> Copy<'w> {
    fn make(workspace: &'w Workspace) -> Result<Self, Failed> {
        let root = workspace.target.join("guards/sources");
        if root.exists() {
            fs::remove_dir_all(&root).map_err(|error| Failed::because(root.display(), error))?;
        }
        let copy = Self { workspace, root };
        for file in files(workspace)? {
            let to = copy.root.join(&file);
            let folder = to.parent().unwrap_or(&copy.root);
            fs::create_dir_all(folder)?;
            fs::copy(workspace.root.join(&file), &to).map_err(|error| Failed::because(to.display(), error))?;
        }
        Ok(copy)
    }

    /// Makes changes in turn. Answers with each file as it was before.
    fn change(&self, changes: &[Change]) -> Result<Vec<(PathBuf, String)>, Failed> {
        let mut before = Vec::new();
        for change in changes {
            let path = self.root.join(&change.file);
            let text = fs::read_to_string(&path).map_err(|error| Failed::because(path.display(), error))?;
            fs::write(&path, change.made_in(&text)?)?;
            before.push((path, text));
        }
        Ok(before)
    }

    /// The tests that fail, by their kinds.
    fn red(&self, run: &mut Run<'_>) -> Result<Red, Failed> {
        let mut command = self.cargo();
        command.args(["nextest", "run", "--workspace", "--exclude", "xtask", "--all-features", "--no-fail-fast"]);
        command.args(["--lib", "--filterset", WHICH, "--status-level", "fail", "--final-status-level", "none"]);
        // What is broken may wait for ever for what does not come.
        let limits = self.root.with_file_name("nextest.toml");
        fs::write(&limits, LIMITS)?;
        command.arg("--config-file").arg(limits);
        for test in ["contract_memory", "sqlite", "settled_once", "runner"] {
            command.args(["--test", test]);
        }
        for (place, _) in KINDS {
            if let Some((_, test)) = place.split_once("::") {
                command.args(["--test", test]);
            }
        }
        command.env("MACHINE_CASES", CASES).env_remove("DATABASE_URL");
        let mut seen = Seen::default();
        let ended = run.call(command, &mut |line| seen.read(line));
        if !seen.has_ended {
            ended?;
            return Err(Failed("no test ran".to_owned()));
        }
        Ok(seen.red)
    }

    fn cargo(&self) -> Command {
        let mut command = self.workspace.cargo();
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", build(&self.root));
        command
    }
}

fn build(sources: &Path) -> PathBuf {
    sources.with_file_name("build")
}

/// The tests that failed, by their kinds.
type Red = BTreeMap<&'static str, BTreeSet<String>>;

fn shown(red: &Red) -> String {
    if red.is_empty() {
        return "none".to_owned();
    }
    red.iter().map(|(kind, tests)| format!("{kind} {}", tests.len())).collect::<Vec<_>>().join(", ")
}

/// What the test runner says.
#[derive(Debug, Default)]
struct Seen {
    red: Red,
    has_ended: bool,
}

impl Seen {
    fn read(&mut self, line: &str) {
        let line = line.trim();
        self.has_ended |= line.starts_with("Summary [");
        let Some((how, rest)) = line.split_once('[') else { return };
        if !matches!(how.trim(), "FAIL" | "TIMEOUT" | "SIGABRT" | "SIGSEGV" | "ABORT") {
            return;
        }
        // After the time, and a count where there is one: where the test stands, and its name.
        let words: Vec<&str> = rest.split_whitespace().collect();
        let [.., place, name] = words.as_slice() else { return };
        // The longest name that fits: what stands in a test's file is of another kind than the crate's.
        let kinds = KINDS.iter().filter(|(known, _)| {
            place.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        });
        if let Some((_, kind)) = kinds.max_by_key(|(known, _)| known.len()) {
            self.red.entry(kind).or_default().insert((*name).to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_made_once_or_refused() {
        let change = Change { file: "a.rs".into(), from: "x == y".into(), to: "x == x".into() };
        assert_eq!(change.made_in("if x == y {").unwrap(), "if x == x {");
        for text in ["", "x == y; x == y"] {
            assert!(change.made_in(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_list_without_a_key_is_refused() {
        let list = "[[guard]]\nname = 'a'\nbreaks = 'I1'\n[[guard.change]]\nfile = 'f'\nfrom = 'x'\n";
        assert!(listed(list).unwrap_err().to_string().ends_with("an entry has no to"));
        let guards = listed(&format!("{list}to = 'y'\n")).unwrap();
        let expected = Change { file: "f".into(), from: "x".into(), to: "y".into() };
        assert_eq!(guards[0].changes, [expected]);
    }

    #[test]
    fn failures_are_told_by_kind() {
        let mut seen = Seen::default();
        for line in [
            "        PASS [   0.005s] reaper-core decide::tests::a",
            "        FAIL [   0.005s] (12/99) reaper-core decide::tests::b",
            "        FAIL [   0.005s] (13/99) reaper-tests::seed_program tc01",
            "     TIMEOUT [ 120.005s] (13/99) reaper-store::sqlite guard::c",
            "        FAIL [   0.005s] (13/99) reaper-tests::hostile tc01",
            "     Summary [ 100.000s] 99 tests run",
        ] {
            seen.read(line);
        }
        assert_eq!(shown(&seen.red), "contract 1, program 1, rules 1");
        assert!(seen.has_ended);
    }
}
