//! A folder of the unified cgroup hierarchy of a test's own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::program::{eventually, skipped};

/// A group in which a test may make others. What is left in it at the end is killed.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    /// Where the hierarchy had to be mounted for it.
    mounted: Option<TempDir>,
}

impl Cgroup {
    /// Makes one. `None`, said loudly, where that needs rights that the test does not have.
    #[must_use]
    pub fn make() -> Option<Self> {
        let (root, mounted) = match mounted() {
            Some(root) => (root, None),
            None => mount().map(|folder| (folder.path().to_owned(), Some(folder)))?,
        };
        // Pids come again, and a test that was killed leaves its folder.
        let path = match tempfile::Builder::new().prefix("test-").tempdir_in(root) {
            Ok(folder) => folder.keep(),
            Err(error) => {
                skipped(&format!(
                    "no cgroup can be made here ({error}): what leaves its session is not shown to be found"
                ));
                return None;
            }
        };
        Some(Self { path, mounted })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The groups in it.
    #[must_use]
    pub fn groups(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.path).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        fs::write(self.path.join("cgroup.kill"), "1").ok();
        let removed = || {
            self.groups().iter().for_each(|group| drop(fs::remove_dir(group)));
            fs::remove_dir(&self.path).is_ok()
        };
        if !std::thread::panicking() {
            eventually("the cgroup is empty", removed);
        }
        if let Some(folder) = &self.mounted {
            Command::new("umount").arg(folder.path()).status().ok();
        }
    }
}

/// Where the unified hierarchy is mounted.
fn mounted() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let of = |line: &str| {
        let (mount, kind) = line.split_once(" - ")?;
        let place = kind.starts_with("cgroup2 ").then(|| mount.split(' ').nth(4))??;
        Some(PathBuf::from(place))
    };
    mounts.lines().find_map(of)
}

fn mount() -> Option<TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount").args(["-t", "cgroup2", "none"]).arg(folder.path()).output();
    if mounted.is_ok_and(|output| output.status.success()) {
        return Some(folder);
    }
    skipped("cgroup2 is not mounted and cannot be: what leaves its session is not shown to be found");
    None
}
