//! Gates that are commands: exit 0 is green, 1 is red, anything else is undecided.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use reaper_core::{JobSnapshot, Verdict, effect::Plain};

use super::{Gate, fields};

/// A gate's command.
///
/// It is run as it stands: no shell reads it, and nothing of the job is put into it. The job's fields are in the
/// environment, under the names of [`FIELDS`](super::FIELDS). Standard input is empty, and of the reaper's own
/// environment all is inherited but the variables that begin with `REAPER_`.
///
/// The command leads a process group of its own. Whatever is left of the group when the command has ended is killed,
/// so that a child in the background holds nothing up. A process that leaves the group is not followed.
#[derive(Clone, PartialEq, Eq)]
pub struct GateCommand {
    /// The program and its arguments. A program without `/` is looked up in `PATH`; a relative path counts from
    /// `dir`.
    pub argv: Vec<String>,
    /// Where it is run; `None` is the reaper's own working directory.
    pub dir: Option<PathBuf>,
    /// Variables that are added to its environment. None of them has the name of a field.
    pub env: BTreeMap<String, String>,
    /// How long it may take. Then its group is asked to end (TERM). Default 5 min.
    pub limit: Duration,
    /// How long it may take to end after that, before its group is killed. Default 2 s.
    pub grace: Duration,
}

impl GateCommand {
    /// A command with the default limits.
    pub fn new(argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            dir: None,
            env: BTreeMap::new(),
            limit: Duration::from_secs(300),
            grace: Duration::from_secs(2),
        }
    }

    /// What is wrong with it, if anything.
    fn problem(&self) -> Option<String> {
        let Some(program) = self.argv.first() else {
            return Some("has no program: argv is empty".to_owned());
        };
        if program.is_empty() {
            return Some("has no program: the first element of argv is empty".to_owned());
        }
        if self.argv.iter().any(|argument| argument.contains('\0')) {
            return Some("argv holds a NUL character".to_owned());
        }
        if self.dir.as_ref().is_some_and(|dir| dir.as_os_str().as_encoded_bytes().contains(&0)) {
            return Some("dir holds a NUL character".to_owned());
        }
        for (name, value) in &self.env {
            let shown = Plain { text: name, max: SHOWN };
            if name.is_empty() || name.contains(['=', '\0']) {
                return Some(format!("env: `{shown}` is no name of a variable"));
            }
            if value.contains('\0') {
                return Some(format!("env: the value of {shown} holds a NUL character"));
            }
            if super::FIELDS.contains(&name.as_str()) {
                return Some(format!("env: {shown} is set by reaper itself"));
            }
        }
        None
    }
}

/// Shows the names of the added variables and not their values, which may be secrets.
impl fmt::Debug for GateCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateCommand")
            .field("argv", &self.argv)
            .field("dir", &self.dir)
            .field("env", &self.env.keys())
            .field("limit", &self.limit)
            .field("grace", &self.grace)
            .finish()
    }
}

/// A gate's command that cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("gate `{gate}`: {problem}")]
pub struct GateConfigError {
    /// The gate.
    pub gate: String,
    /// What is wrong with its command.
    pub problem: String,
}

/// Asks gates by running a command for each.
///
/// | the command | the verdict |
/// |---|---|
/// | exits with 0 | green |
/// | exits with 1 | red; the reason is the last line of its output |
/// | exits with anything else, is killed by a signal, takes too long, cannot be started | undecided, with the reason |
///
/// Its output, standard error included, is read and thrown away but for the last 4 KiB.
///
/// Needs Unix; elsewhere (and on OpenBSD) every gate is undecided and says so. If the reaper itself is killed while a
/// gate runs, the command goes on without its limit; being read-only, it harms nothing.
///
/// ```
/// use reaper_gate::gate::{CommandGate, GateCommand};
///
/// let tests = GateCommand::new(["/usr/local/bin/ci-is-green", "--strict"]);
/// let gate = CommandGate::new([("tests".to_owned(), tests)])?;
/// # Ok::<(), reaper_gate::gate::GateConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandGate {
    commands: BTreeMap<String, GateCommand>,
}

impl CommandGate {
    /// A command for each gate, by its name.
    ///
    /// # Errors
    ///
    /// A [`GateConfigError`] names the first command that cannot be run as it stands. Whether its program exists is
    /// only seen when the gate is asked.
    pub fn new(commands: impl IntoIterator<Item = (String, GateCommand)>) -> Result<Self, GateConfigError> {
        let commands: BTreeMap<_, _> = commands.into_iter().collect();
        for (gate, command) in &commands {
            if let Some(problem) = command.problem() {
                return Err(GateConfigError { gate: gate.clone(), problem });
            }
        }
        Ok(Self { commands })
    }

    /// The gates' names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.commands.keys().map(String::as_str)
    }
}

impl Gate for CommandGate {
    fn ask(&self, gate: &str, job: &JobSnapshot) -> Verdict {
        let Some(command) = self.commands.get(gate) else {
            let known = self.names().collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "none is configured" } else { &known };
            return Verdict::Undecided(format!(
                "there is no gate `{}`: {known}",
                Plain { text: gate, max: SHOWN }
            ));
        };
        match fields::fields(gate, job) {
            Ok(fields) => run(command, &fields),
            Err(problem) => Verdict::Undecided(problem),
        }
    }
}

#[cfg(all(unix, not(target_os = "openbsd")))]
use super::group::run;

/// Without process groups there is no time limit that holds for all that a gate starts.
#[cfg(not(all(unix, not(target_os = "openbsd"))))]
fn run(_: &GateCommand, _: &[fields::Variable]) -> Verdict {
    Verdict::Undecided("commands as gates are not supported on this platform".to_owned())
}

/// How many characters of a name stand in a message.
pub(super) const SHOWN: usize = 80;

#[cfg(test)]
pub(super) mod tests;
