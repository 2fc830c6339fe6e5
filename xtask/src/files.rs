//! The files of the project: those that a clone of it would have.

use std::{fs, path::Path, process::Command};

use crate::{step::Failed, workspace::Workspace};

/// Every file, named from the root with `/`, in order. A file that was not added to git yet does not count: nothing
/// may lean on it. Where there is no git, it is what a walk finds outside the target folder.
///
/// # Errors
///
/// When a folder cannot be read.
pub(crate) fn files(workspace: &Workspace) -> Result<Vec<String>, Failed> {
    let mut files = match tracked(&workspace.root) {
        Some(files) => files,
        None => {
            let mut files = Vec::new();
            walk(&workspace.root, "", &mut files)?;
            files
        }
    };
    // One that was deleted stays in git's list until that is committed.
    files.retain(|file| workspace.root.join(file).is_file());
    files.sort();
    Ok(files)
}

fn tracked(root: &Path) -> Option<Vec<String>> {
    // The owner of the clone may be somebody else than the user of a build machine.
    let arguments = ["-c", "safe.directory=*", "ls-files", "-z", "--full-name"];
    let output = Command::new("git").current_dir(root).args(arguments).output().ok()?;
    let names = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    let files: Vec<_> = names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    // A copy without a history may lie inside somebody else's repository, which knows nothing of it.
    files.iter().any(|file| file == "Cargo.toml").then_some(files)
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<String>) -> Result<(), Failed> {
    let cannot = |error| Failed::because(folder.display(), error);
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if !entry.file_type().map_err(cannot)?.is_dir() {
            files.push(name);
        } else if !(NOT_OURS.contains(&name.as_str()) || name.starts_with("mutants.out")) {
            walk(&entry.path(), &format!("{name}/"), files)?;
        }
    }
    Ok(())
}

/// Folders at the top that hold nothing of the project.
const NOT_OURS: [&str; 2] = ["target", ".git"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_names_from_the_root_and_leaves_the_build_out() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        walk(root, "", &mut files).unwrap();
        assert!(files.contains(&"src/files.rs".to_owned()), "{files:?}");
        assert!(files.contains(&"Cargo.toml".to_owned()), "{files:?}");
    }
}
