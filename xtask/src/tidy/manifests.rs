//! One set of lints for everybody: each member takes the workspace's, and one file configures clippy.

use std::path::Path;

use serde_json::Value;
use toml::Table;

use crate::{
    step::Failed,
    workspace::{Workspace, members},
};

/// Members without the workspace's lints, and files that configure clippy anew.
///
/// # Errors
///
/// When a manifest cannot be read.
pub(super) fn faults(workspace: &Workspace, files: &[String]) -> Result<Vec<String>, Failed> {
    let mut faults = clippy_faults(files);
    for member in members(&workspace.metadata) {
        let path = Path::new(member.get("manifest_path").and_then(Value::as_str).unwrap_or_default());
        let path = path.strip_prefix(&workspace.root).unwrap_or(path);
        if !takes_lints(&workspace.read(path)?) {
            faults.push(format!("{}: `[lints] workspace = true` is missing", path.display()));
        }
    }
    Ok(faults)
}

fn takes_lints(manifest: &str) -> bool {
    let manifest: Table = manifest.parse().unwrap_or_default();
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
    lints.and_then(toml::Value::as_bool) == Some(true)
}

/// A nested file would replace the root's silently, bans included.
fn clippy_faults(files: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    if !files.iter().any(|file| file == CONFIGURATION) {
        faults.push(format!("{CONFIGURATION}: missing at the top level"));
    }
    for file in files.iter().filter(|file| *file != CONFIGURATION) {
        if matches!(file.rsplit('/').next(), Some("clippy.toml" | ".clippy.toml")) {
            faults.push(format!("{file}: would replace {CONFIGURATION} at the top level"));
        }
    }
    faults
}

/// The one file that configures clippy.
const CONFIGURATION: &str = ".clippy.toml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lints_are_taken_from_the_workspace_or_not() {
        assert!(takes_lints("[package]\nname = \"a\"\n[lints]\nworkspace = true\n"));
        assert!(takes_lints("lints.workspace = true\n"));
        assert!(!takes_lints("[lints]\nworkspace = false\n"));
        assert!(!takes_lints("[lints.rust]\nunsafe_code = \"deny\"\n"));
        assert!(!takes_lints("[package]\n"));
    }

    #[test]
    fn one_file_configures_clippy() {
        let files = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(clippy_faults(&files(&[".clippy.toml", "a/b.toml"])), [""; 0]);
        assert_eq!(clippy_faults(&files(&[".clippy.toml", "a/clippy.toml", "b/.clippy.toml"])).len(), 2);
        assert_eq!(clippy_faults(&files(&["clippy.toml"])).len(), 2);
    }
}
