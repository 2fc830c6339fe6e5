//! `cargo xtask guards`: each guard of the protocol is broken in turn, and at least two kinds of test have to turn red.
//!
//! `tests/guards.toml` lists the guards with the changes that break them. They are made in a copy of the sources in the target
//! folder, so that nothing of the project's own is ever wrong. First the copy is tried as it is: all has to be green. A guard
//! that stands in several stores is broken in all of them at once, and then in each by itself, which the suite that every
//! store passes has to see; one that both databases share has to be seen on both.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

#[cfg(unix)]
use crate::pg::{self, Cluster, Durability};
use crate::{
    files::files,
    heard::{Heard, Test},
    run::Run,
    step::{Failed, Output, Step},
    workspace::Workspace,
};

/// The step's name, after which the command line takes an option.
pub(crate) const NAME: &str = "guards";

/// All of them.
pub(crate) const STEP: Step = Step {
    name: NAME,
    about: "Each guard of the protocol broken in turn: two kinds of test have to see it (hours)",
    output: Output::Shown,
    run: |run| judge(run, &[]),
};

/// Where the guards are listed.
pub(crate) const LIST: &str = "tests/guards.toml";

/// The tests that are asked: where they stand, and of which kind they are.
const KINDS: [(&str, &str); 13] = [
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
    ("reaper-tests::postgres", "faults"),
    ("reaper-tests::watching", "processes"),
    ("reaper-tests::exec", "processes"),
];

/// A text that is kept of each statement sees a change of it, whatever it does. Beside those all, but not the slow ones that
/// kill a server or the program again and again (what they are about is tried on SQLite, too) or let a disk fail at each
/// write: a program that is killed at each call asks the same of the guards.
const WHICH: &str = "not test(/golden/) and not (binary(crash) and test(/postgres|f19_|f20_/)) \
     and not (binary(postgres) and test(/outage|hosts|requeue_fall|durable/))";

/// No healthy test takes as long. Many wait for what others do: more at once than there are processors.
const LIMITS: &str =
    "[profile.default]\ntest-threads = 4\nslow-timeout = { period = \"60s\", terminate-after = 5 }\n";

/// So many sequences of the machine.
const CASES: &str = "40";

/// Which tests are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// All of [`KINDS`].
    All,
    /// Those of single crates and the suite that every store passes, but for what is about a database where the one in this
    /// home is not broken.
    Home(&'static str),
}

impl Asked {
    /// Which tests they are, for nextest.
    fn which(self) -> String {
        let mut which = WHICH.to_owned();
        if let Self::Home(home) = self
            && home != SHARED
        {
            for other in DATABASES.into_iter().filter(|database| *database != home) {
                which.push_str(&format!(" and not (binary({other}) or test(/(^|::){other}::/))"));
            }
        }
        which
    }
}

/// The files of the suite that every store passes, and of what stands beside it.
const STORES: [&str; 4] = ["contract_memory", "sqlite", "postgres", "settled_once"];

/// The databases, by the names of their folders and of their test files.
const DATABASES: [&str; 2] = ["sqlite", "postgres"];

/// The folder of what they share.
const SHARED: &str = "database";

/// So many kinds have to see a broken guard.
const ENOUGH: usize = 2;

/// Tries the guards whose names hold one of `only`; all where that names none.
///
/// # Errors
///
/// When the list cannot be followed, the copy is red as it is, or a broken guard is seen by too few.
pub(crate) fn judge(run: &mut Run<'_>, only: &[String]) -> Result<String, Failed> {
    let guards = listed(&run.workspace.read(LIST)?)?;
    let copy = Copy::make(run.workspace)?;
    let as_it_is = by_kind(&copy.red(run, Asked::All)?);
    if !as_it_is.is_empty() {
        return Err(Failed(format!("nothing is broken, and yet: {}", shown(&as_it_is))));
    }
    let (mut count, mut faults) = (0_usize, Vec::new());
    run.say("| broken | breaks | kinds of test that turn red, and how many of each | broken in one store alone |");
    run.say("|---|---|---|---|");
    let wanted = |guard: &&Guard| only.is_empty() || only.iter().any(|only| guard.name.contains(only));
    for guard in guards.iter().filter(wanted) {
        let changes: Vec<_> = guard.changes.iter().collect();
        let all_red = copy.broken(run, &changes, Asked::All)?;
        let red = by_kind(&all_red);
        if red.len() < ENOUGH {
            faults.push(format!("{}: too few kinds of test see it broken: {}", guard.name, shown(&red)));
        }
        let mut alone = Vec::new();
        let homes = guard.homes();
        let is_alone = homes.len() < 2;
        for (home, changes) in homes {
            // What stands in one place has been asked of all already.
            let red = if is_alone { all_red.clone() } else { copy.broken(run, &changes, Asked::Home(home))? };
            for (place, count) in seen(home, &red) {
                if count == 0 {
                    faults.push(format!("{}: no test sees it broken in {place} alone", guard.name));
                }
                alone.push(format!("{place} {count}"));
            }
        }
        // Each at once: all of them take hours.
        run.say(&format!("| {} | {} | {} | {} |", guard.name, guard.breaks, shown(&red), alone.join(", ")));
        count = count.saturating_add(1);
    }
    run.judge(&faults)?;
    if count == 0 {
        return Err(Failed(format!("no guard's name holds any of {only:?}")));
    }
    Ok(format!("{count} guards"))
}

/// A guard and how it is broken.
#[derive(Debug)]
struct Guard {
    name: String,
    /// The invariants that hang on it.
    breaks: String,
    changes: Vec<Change>,
}

impl Guard {
    /// The stores that it stands in, with the changes that break it there; none where it stands in one place, which is not
    /// what both databases share.
    fn homes(&self) -> BTreeMap<&'static str, Vec<&Change>> {
        let mut homes: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for change in &self.changes {
            homes.entry(change.home()).or_default().push(change);
        }
        if homes.len() < 2 && !homes.contains_key(SHARED) { BTreeMap::new() } else { homes }
    }
}

/// A piece of a file in place of another.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    file: String,
    from: String,
    to: String,
}

impl Change {
    /// The store that the file belongs to, or what both databases share: what is neither is the guard that the one in
    /// memory and the model ask.
    fn home(&self) -> &'static str {
        let is_in = |name: &str| self.file.split('/').any(|part| part == name);
        DATABASES.into_iter().chain([SHARED]).find(|name| is_in(name)).unwrap_or("memory")
    }

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
    fn change(&self, changes: &[&Change]) -> Result<Vec<(PathBuf, String)>, Failed> {
        let mut before = Vec::new();
        for change in changes {
            let path = self.root.join(&change.file);
            let text = fs::read_to_string(&path).map_err(|error| Failed::because(path.display(), error))?;
            fs::write(&path, change.made_in(&text)?)?;
            before.push((path, text));
        }
        Ok(before)
    }

    /// The tests that fail while these changes are made.
    fn broken(&self, run: &mut Run<'_>, changes: &[&Change], asked: Asked) -> Result<BTreeSet<Test>, Failed> {
        let before = self.change(changes)?;
        let red = self.red(run, asked);
        // Each file as it was before its first change, which comes last.
        for (path, text) in before.into_iter().rev() {
            fs::write(path, text)?;
        }
        red
    }

    /// The tests that fail.
    fn red(&self, run: &mut Run<'_>, asked: Asked) -> Result<BTreeSet<Test>, Failed> {
        let mut command = self.cargo();
        command.args(["nextest", "run", "--all-features", "--no-fail-fast"]);
        command.args(match asked {
            Asked::All => ["--workspace", "--exclude", "xtask"].as_slice(),
            Asked::Home(_) => {
                &["--package", "reaper-core", "--package", "reaper-store", "--package", "reaper-gate"]
            }
        });
        command.args(["--filterset", &asked.which(), "--status-level", "fail", "--final-status-level", "none"]);
        // What is broken may wait for ever for what does not come.
        let limits = self.root.with_file_name("nextest.toml");
        fs::write(&limits, LIMITS)?;
        command.arg("--config-file").arg(limits);
        command.arg("--lib");
        for test in STORES {
            command.args(["--test", test]);
        }
        if asked == Asked::All {
            let files = KINDS.iter().filter_map(|(place, _)| place.split_once("::"));
            for test in ["runner"].into_iter().chain(files.map(|(_, test)| test)) {
                command.args(["--test", test]);
            }
        }
        command.env("MACHINE_CASES", CASES);
        #[cfg(unix)]
        let cluster = Cluster::start(Durability::Volatile)?;
        #[cfg(unix)]
        pg::name_in(&mut command, &cluster);
        let mut heard = Heard::default();
        let ended = run.call_choosing(command, &mut |line| heard.line(line));
        if !heard.has_ended() {
            ended?;
            return Err(Failed("no test ran".to_owned()));
        }
        Ok(heard.failed)
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

/// Counts the tests that failed. The longest name that fits tells the kind: what stands in a test's file is of another kind
/// than its crate's own.
fn by_kind(failed: &BTreeSet<Test>) -> Red {
    let mut red = Red::new();
    for (place, name) in failed {
        let kinds = KINDS.iter().filter(|(known, _)| {
            place.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        });
        if let Some((_, kind)) = kinds.max_by_key(|(known, _)| known.len()) {
            red.entry(kind).or_default().insert(name.clone());
        }
    }
    red
}

/// How many tests failed where a guard was broken in one home alone; where both databases share it, of each.
fn seen(home: &str, failed: &BTreeSet<Test>) -> Vec<(String, usize)> {
    if home != SHARED {
        return vec![(home.to_owned(), failed.len())];
    }
    let of = |database: &str| failed.iter().filter(|(place, _)| place.ends_with(database)).count();
    DATABASES.map(|database| (format!("what both share, on {database}"), of(database))).into()
}

fn shown(red: &Red) -> String {
    if red.is_empty() {
        return "none".to_owned();
    }
    red.iter().map(|(kind, tests)| format!("{kind} {}", tests.len())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
