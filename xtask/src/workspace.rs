//! Where the workspace is, and how cargo is called in it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::step::Failed;

/// The workspace on disk.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The folder with the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// The folder in which cargo builds.
    pub(crate) target: PathBuf,
    /// What `cargo metadata --no-deps` says of the members.
    pub(crate) metadata: Value,
}

impl Workspace {
    /// Finds the workspace that this program belongs to, whatever the current folder is.
    ///
    /// # Errors
    ///
    /// When there is no manifest there, or cargo cannot read it.
    pub(crate) fn find() -> Result<Self, Failed> {
        // Cargo says where the package is now; the folder of the build may have been copied or moved since.
        let package = env::var_os("CARGO_MANIFEST_DIR")
            .map(PathBuf::from)
            .filter(|folder| folder.ends_with("xtask"))
            .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
        let root = package.parent().unwrap_or(&package).to_path_buf();
        let mut command = cargo_in(&root);
        command.args(["metadata", "--no-deps", "--format-version", "1"]).stderr(Stdio::inherit());
        let output = command.output().map_err(|error| Failed::because("cannot start cargo metadata", error))?;
        if !output.status.success() {
            return Err(Failed::because(format!("cargo metadata in {}", root.display()), output.status));
        }
        let metadata: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| Failed::because("cargo metadata is not JSON", error))?;
        let target = metadata.get("target_directory").and_then(Value::as_str).map(PathBuf::from);
        let target = target.unwrap_or_else(|| root.join("target"));
        Ok(Self { root, target, metadata })
    }

    /// A call of cargo at the root. It reads nothing from standard input.
    pub(crate) fn cargo(&self) -> Command {
        cargo_in(&self.root)
    }

    /// The text of a file that is named from the root.
    ///
    /// # Errors
    ///
    /// When it cannot be read as UTF-8; the error names it.
    pub(crate) fn read(&self, file: impl AsRef<Path>) -> Result<String, Failed> {
        let file = file.as_ref();
        fs::read_to_string(self.root.join(file)).map_err(|error| Failed::because(file.display(), error))
    }
}

fn cargo_in(root: &Path) -> Command {
    // The cargo that runs this program, so that one toolchain builds everything.
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).stdin(Stdio::null());
    command
}

/// What `cargo metadata` says of the member `name`.
///
/// # Errors
///
/// When there is no such member.
pub(crate) fn member<'a>(metadata: &'a Value, name: &str) -> Result<&'a Value, Failed> {
    members(metadata)
        .find(|package| package.get("name").and_then(Value::as_str) == Some(name))
        .ok_or_else(|| Failed(format!("the workspace has no member `{name}`")))
}

/// What `cargo metadata` says of each member.
pub(crate) fn members(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata.get("packages").and_then(Value::as_array).into_iter().flatten()
}

/// The crates that are published, from the pure one outwards.
pub(crate) const PRODUCTS: [&str; 4] = ["reaper-core", "reaper-store", "reaper-gate", "reaper-runner"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_found_with_its_products() {
        let workspace = Workspace::find().unwrap();
        assert!(workspace.root.join(".cargo/config.toml").is_file());
        for product in PRODUCTS {
            assert_eq!(member(&workspace.metadata, product).unwrap().get("name").unwrap(), product);
        }
        assert!(member(&workspace.metadata, "reaper-none").is_err());
        assert!(workspace.read("no/such/file").unwrap_err().to_string().starts_with("no/such/file: "));
    }
}
