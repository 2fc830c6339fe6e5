//! Cargo's subcommands that a chore needs and a machine may lack.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{run::Run, step::Failed, workspace::Workspace};

/// Makes sure that `cargo <name>` is there: the one that is installed, or the crate `cargo-<name>`, which is built once into
/// the target folder. Nothing outside of that is touched.
///
/// # Errors
///
/// When it is missing and cannot be installed.
pub(crate) fn subcommand(run: &mut Run<'_>, name: &str, version: &str) -> Result<(), Failed> {
    if is_there(run.workspace, name) {
        return Ok(());
    }
    let root = folder(run.workspace);
    let mut command = run.workspace.cargo();
    command.args(["install", "--locked", "--quiet", "--version", version, "--root"]).arg(root);
    command.arg(format!("cargo-{name}"));
    let failed = |failed| Failed::because(format!("`cargo {name}` is missing and cannot be installed"), failed);
    run.call(command, &mut |_| ()).map_err(failed)
}

/// A call of cargo that finds what was installed by [`subcommand`].
pub(crate) fn cargo(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo();
    let paths = env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(folder(workspace).join("bin")).chain(env::split_paths(&paths));
    // A path with a colon in it cannot be named here; then only what is installed is found.
    if let Ok(paths) = env::join_paths(paths) {
        command.env("PATH", paths);
    }
    command
}

fn is_there(workspace: &Workspace, name: &str) -> bool {
    let mut command = cargo(workspace);
    command.args([name, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("tools")
}
