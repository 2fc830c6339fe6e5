//! `cargo xtask chaos` and `cargo xtask soak`: workers, reapers and a database of each kind under faults, and what must hold
//! afterwards.
//!
//! The program that does it is the bench `chaos` of the package `reaper-tests`; a soak is one whose faults are killed
//! processes alone. PostgreSQL is a server of the run's own, which it kills and starts again: nothing of the caller's is
//! touched.

use std::process::Command;

#[cfg(unix)]
use crate::pg;
use crate::{
    run::Run,
    step::{Failed, Output, Step},
    workspace::Workspace,
};

/// All faults.
pub(crate) const CHAOS: Step = Step {
    name: "chaos",
    about: "Workers, reapers and databases under a mix of all faults; every law is asked afterwards",
    output: Output::Shown,
    run: |run| of_ci(run, "chaos"),
};

/// Killed processes alone.
pub(crate) const SOAK: Step = Step {
    name: "soak",
    about: "Twenty workers and two reapers on each database beside a killer; every law is asked afterwards",
    output: Output::Shown,
    run: |run| of_ci(run, "soak"),
};

fn of_ci(run: &mut Run<'_>, name: &str) -> Result<String, Failed> {
    let wanted = Wanted { name: name.to_owned(), ..Wanted::default() };
    let command = wanted.command(run.workspace);
    run.call(command, &mut |_| ())?;
    Ok(format!("{} min", wanted.minutes()))
}

/// What a person can ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// The step's name.
    pub(crate) name: String,
    /// For how many minutes faults fire, on both databases at once; a fraction may be given.
    pub(crate) minutes: Option<String>,
    /// What decides the order of the faults and what they hit.
    pub(crate) seed: Option<String>,
}

impl Wanted {
    /// Runs it on the terminal.
    ///
    /// # Errors
    ///
    /// When it cannot be built or started, a law is broken, or a fault never fired.
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<(), Failed> {
        let status = self.command(workspace).status();
        let status = status.map_err(|error| Failed::because("cannot start cargo test", error))?;
        if status.success() { Ok(()) } else { Err(Failed::because(&self.name, status)) }
    }

    /// The command that does it.
    pub(crate) fn command(&self, workspace: &Workspace) -> Command {
        let mut command = workspace.cargo();
        // As the tests are built, whose build is there already.
        command.args(["test", "--quiet", "--workspace", "--all-features", "--bench", "chaos", "--"]);
        command.args(["--minutes", self.minutes()]);
        if self.name == SOAK.name {
            command.arg("--processes");
        }
        if let Some(seed) = &self.seed {
            command.args(["--seed", seed]);
        }
        #[cfg(unix)]
        pg::name_chores_in(&mut command);
        command
    }

    fn minutes(&self) -> &str {
        let usual = if self.name == SOAK.name { "2" } else { "3" };
        self.minutes.as_deref().unwrap_or(usual)
    }
}
