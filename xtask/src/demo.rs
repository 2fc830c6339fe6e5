//! `cargo xtask demo`: the program's own demonstration ends with 0.

use std::process::Command;

use crate::{
    run::Run,
    step::{Failed, Output, Step},
    workspace::Workspace,
};

/// Runs the demonstration of the release build, as a visitor would.
pub(crate) const STEP: Step =
    Step { name: "demo", about: "The demonstration ends with all its checks met", output: Output::Shown, run };

fn run(run: &mut Run<'_>) -> Result<String, Failed> {
    run.cargo(&["run", "--release", "--", "demo"])?;
    Ok(String::new())
}

/// What builds the program for it, and is in nobody's way meanwhile.
pub(crate) fn build(workspace: &Workspace) -> Command {
    let mut command = Command::new("nice");
    command.arg(workspace.cargo().get_program()).args(["build", "--release"]).current_dir(&workspace.root);
    command
}
