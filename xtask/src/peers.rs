//! What `cargo xtask bench --peers` compares with, installed from the package registries into the target folder.
//!
//! The programs that ask them are in `tests/benches/peers`; a copy of that folder is where they are installed. Nothing of it
//! is part of the workspace or of `ci`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{files::files, step::Failed, workspace::Workspace};

/// Installs all of them and answers with the folder.
///
/// # Errors
///
/// When a tool is missing or a registry does not give what is asked for; the error says which, and what to do.
pub(crate) fn install(workspace: &Workspace) -> Result<PathBuf, Failed> {
    let folder = workspace.target.join("peers");
    copy(workspace, &folder)?;
    for (program, arguments, what) in CALLS {
        // A virtual environment's program is named from the folder.
        let program = if program.contains('/') { folder.join(program) } else { PathBuf::from(program) };
        call(&program, arguments, &folder, what)?;
    }
    Ok(folder)
}

/// The calls, each with what it needs.
const CALLS: [(&str, &[&str], &str); 4] = [
    (
        "npm",
        &["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"],
        "Node.js with npm, and the npm registry",
    ),
    ("python3", &["-m", "venv", "venv"], "Python 3.10 or later with its module venv"),
    (
        "venv/bin/python",
        &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"],
        "the Python package index",
    ),
    (
        "cargo",
        &[
            "build",
            "--quiet",
            "--release",
            "--manifest-path",
            "apalis/Cargo.toml",
            "--target-dir",
            "apalis/target",
        ],
        "cargo and the registry of crates",
    ),
];

/// Copies the sources, and leaves what was installed before.
fn copy(workspace: &Workspace, folder: &Path) -> Result<(), Failed> {
    for file in files(workspace)? {
        let Some(name) = file.strip_prefix(SOURCES) else {
            continue;
        };
        let copy = folder.join(name);
        let text = workspace.read(&file)?;
        // Cargo builds anew what has a new time.
        if fs::read_to_string(&copy).is_ok_and(|old| old == text) {
            continue;
        }
        let made = copy.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&copy, text));
        made.map_err(|error| Failed::because(format!("cannot write {}", copy.display()), error))?;
    }
    Ok(())
}

/// Where they lie, from the root.
const SOURCES: &str = "tests/benches/peers/";

/// Runs one call; what it says goes to standard error.
fn call(program: &Path, arguments: &[&str], folder: &Path, needs: &str) -> Result<(), Failed> {
    let words = format!("{} {}", program.display(), arguments.join(" "));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdout(std::io::stderr());
    let advice = format!("--peers needs {needs}; without --peers nothing is installed");
    let status = command.status().map_err(|error| Failed(format!("cannot run {words}: {error}; {advice}")))?;
    if status.success() { Ok(()) } else { Err(Failed(format!("{words}: {status}; {advice}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_is_missing_is_named_with_what_to_do() {
        let failed = call(Path::new("no-such-tool"), &["install"], Path::new("/"), "the tool").unwrap_err();
        let text = failed.to_string();
        assert!(text.starts_with("cannot run no-such-tool install: "), "{text}");
        assert!(text.ends_with("; --peers needs the tool; without --peers nothing is installed"), "{text}");
    }

    #[test]
    fn a_call_that_fails_is_told_with_its_exit() {
        let failed = call(Path::new("false"), &[], Path::new("/"), "a registry").unwrap_err();
        assert_eq!(
            failed.to_string(),
            "false : exit status: 1; --peers needs a registry; without --peers nothing is installed"
        );
    }

    #[test]
    fn the_sources_are_copied_once() {
        let folder = std::env::temp_dir().join(format!("reaper-peers-{}", std::process::id()));
        let workspace = Workspace::find().unwrap();
        copy(&workspace, &folder).unwrap();
        let manifest = folder.join("apalis/Cargo.toml");
        let time = || manifest.metadata().unwrap().modified().unwrap();
        let made = time();
        copy(&workspace, &folder).unwrap();
        assert_eq!(time(), made);
        fs::remove_dir_all(&folder).unwrap();
    }
}
