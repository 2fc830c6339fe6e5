//! A small disk of a test's own, which can be filled.

use std::{
    fs::{self, File, Permissions},
    io::Write as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::program::skipped;

/// A file system in memory. It is gone when it is dropped.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    _folder: TempDir,
}

impl Disk {
    /// One of so many MiB. `None`, said loudly, where none can be mounted.
    #[must_use]
    pub fn mount(mebibytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let path = folder.path().join("disk");
        fs::create_dir(&path).unwrap();
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            skipped("no file system can be mounted here: a full disk is not shown");
            return None;
        }
        Some(Self { path, _folder: folder })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it to whom this file belongs to.
    pub fn give_to_owner_of(&self, file: &Path) {
        let owner = file.metadata().unwrap();
        chown(&self.path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }

    /// Fills it to its last page.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        let piece = vec![1; 4096];
        // The last piece does not fit, which is what is wanted.
        while ballast.write_all(&piece).is_ok() {}
    }

    /// Makes room again after [`fill`](Self::fill).
    pub fn clear(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A server may still hold files open on it.
        Command::new("umount").arg("-l").arg(&self.path).status().ok();
    }
}
