//! A folder held open, and files in it that are compared before anything is done to them.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, Metadata},
    io::{Read, Seek},
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, linkat, openat, renameat, statat, unlinkat},
    io::Errno,
};

/// A lease is a few hundred bytes; what is larger is none.
const MAX_LEASE: u64 = 64 << 10;
/// Stands in private names between the lease's name and its inode.
const MOVED: &[u8] = b".reaper-";

/// A folder. All that is done in it goes through its descriptor.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
}

/// A file as it was when it was looked at, and held.
#[derive(Debug)]
pub(super) struct Seen {
    file: File,
    stat: Stat,
    metadata: Metadata,
    content: Vec<u8>,
}

/// How a removal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// It is removed.
    Removed,
    /// It is not what was seen any more, and is where it was.
    Changed,
    /// It went away by other hands.
    Gone,
}

/// The steps of a removal between which others may step in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// It was judged.
    Judged,
    /// It was compared for the first time.
    Compared,
    /// It was moved to its private name.
    Moved,
    /// It is another one and about to be moved back.
    MovingBack,
}

impl Folder {
    /// Opens a folder; `None` if there is none.
    ///
    /// # Errors
    ///
    /// Why it cannot be opened.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, String> {
        match openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(fd) => Ok(Some(Self { fd })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(format!("could not be opened: {error}")),
        }
    }

    /// The names in it, in order.
    ///
    /// # Errors
    ///
    /// Why it could not be read to its end.
    pub(super) fn names(&self) -> Result<Vec<OsString>, String> {
        let fail = |error| format!("could not be read: {error}");
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            names.push(OsStr::from_bytes(entry.file_name().to_bytes()).to_owned());
        }
        names.sort();
        Ok(names)
    }

    /// Reads a plain file; `None` if it is gone.
    ///
    /// # Errors
    ///
    /// Why it is none, or could not be read.
    pub(super) fn look(&self, name: &OsStr) -> Result<Option<Seen>, String> {
        // First by its name alone: opening a pipe or a device may do something.
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => self.hold(name),
            Ok(_) => Err("is no plain file".to_owned()),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(format!("could not be looked at: {error}")),
        }
    }

    /// Opens and reads it. It may have been swapped since it was looked at, so nothing is followed or waited for.
    fn hold(&self, name: &OsStr) -> Result<Option<Seen>, String> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => Seen::read(File::from(fd)).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP) => Err("is no plain file".to_owned()),
            Err(error) => Err(format!("could not be opened: {error}")),
        }
    }

    /// Removes a file, if it still is what was seen.
    ///
    /// # Errors
    ///
    /// What went wrong; it is where it was, unless the error says otherwise.
    pub(super) fn remove(&self, name: &OsStr, seen: &Seen, watch: &dyn Fn(Moment)) -> Result<Removal, String> {
        watch(Moment::Judged);
        if !self.is_still(name, seen) {
            return Ok(Removal::Changed);
        }
        watch(Moment::Compared);
        let private = seen.private_name(name);
        match rename_away(&self.fd, name, &private) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(Removal::Gone),
            Err(error) => return Err(format!("could not be moved: {error}")),
        }
        watch(Moment::Moved);
        if !self.is_still(&private, seen) {
            watch(Moment::MovingBack);
            return self.put_back(&private, name).map(|()| Removal::Changed);
        }
        match unlinkat(&self.fd, &private, AtFlags::empty()) {
            Ok(()) => Ok(Removal::Removed),
            // Another reaper took it for left over and moved it back.
            Err(Errno::NOENT) => Ok(Removal::Gone),
            Err(error) => {
                self.put_back(&private, name)?;
                Err(format!("could not be removed: {error}"))
            }
        }
    }

    /// Gives a file its name back, if nothing else has it.
    ///
    /// # Errors
    ///
    /// Where it keeps its private name, and why.
    pub(super) fn put_back(&self, private: &OsStr, name: &OsStr) -> Result<(), String> {
        let failed = match rename_if_free(&self.fd, private, name) {
            // Somebody else has moved it back.
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            // Interrupted between the two halves of an earlier attempt, it has both names.
            Err(Errno::EXIST) if self.are_one(private, name) => {
                unlinkat(&self.fd, private, AtFlags::empty()).err()
            }
            Err(error) => Some(error),
        };
        match failed {
            None => Ok(()),
            Some(Errno::EXIST) => Err(format!("stays as {}: the lease was taken again", private.display())),
            Some(error) => Err(format!("stays as {}: {error}", private.display())),
        }
    }

    /// The lease's name, of a private name.
    pub(super) fn moved_from(private: &OsStr) -> Option<&OsStr> {
        let bytes = private.as_bytes().strip_prefix(b".")?;
        let at = bytes.windows(MOVED.len()).rposition(|window| window == MOVED)?;
        let (name, inode) = (bytes.get(..at)?, bytes.get(at..)?.strip_prefix(MOVED)?);
        let is_inode = !inode.is_empty() && inode.iter().all(u8::is_ascii_hexdigit);
        is_inode.then(|| OsStr::from_bytes(name))
    }

    fn is_still(&self, name: &OsStr, seen: &Seen) -> bool {
        statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| is_one(&stat, &seen.stat))
            && seen.is_unchanged().unwrap_or(false)
    }

    fn are_one(&self, one: &OsStr, other: &OsStr) -> bool {
        let look = |name| statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW);
        matches!((look(one), look(other)), (Ok(one), Ok(other)) if is_one(&one, &other))
    }
}

impl Seen {
    /// What was in it.
    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }

    fn read(file: File) -> Result<Self, String> {
        let fail = |error: std::io::Error| format!("could not be read: {error}");
        let stat = fstat(&file).map_err(|error| fail(error.into()))?;
        let metadata = file.metadata().map_err(fail)?;
        if !metadata.is_file() {
            return Err("is no plain file".to_owned());
        }
        let content = read(&file).map_err(fail)?;
        if u64::try_from(content.len()).is_ok_and(|len| len > MAX_LEASE) {
            return Err(format!("is larger than {MAX_LEASE} bytes, and no lease"));
        }
        let seen = Self { file, stat, metadata, content };
        // Its date must be from before what was read of it.
        if seen.has_same_date().map_err(fail)? {
            Ok(seen)
        } else {
            Err("was written while it was read".to_owned())
        }
    }

    fn is_unchanged(&self) -> std::io::Result<bool> {
        Ok(self.has_same_date()? && read(&self.file)? == self.content && self.has_same_date()?)
    }

    fn has_same_date(&self) -> std::io::Result<bool> {
        let now = self.file.metadata()?;
        Ok(now.len() == self.metadata.len() && now.modified()? == self.metadata.modified()?)
    }

    /// No other file in the folder can have the same: the inode is in it.
    fn private_name(&self, name: &OsStr) -> OsString {
        let mut private = OsString::from(".");
        private.push(name);
        private.push(OsStr::from_bytes(MOVED));
        private.push(format!("{:x}", self.stat.st_ino));
        private
    }
}

/// The name that the system gives this host.
pub(super) fn node_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    (!name.is_empty()).then_some(name)
}

/// From its beginning, and one byte more than is allowed at most.
fn read(mut file: &File) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.rewind()?;
    file.take(MAX_LEASE.saturating_add(1)).read_to_end(&mut content)?;
    Ok(content)
}

fn is_one(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

/// Renames to a private name. Where the file system cannot refuse to replace, it is no loss: that name is its own.
fn rename_away(folder: &OwnedFd, name: &OsStr, private: &OsStr) -> Result<(), Errno> {
    match rename_exclusive(folder, name, private) {
        Some(answer) => answer,
        None => renameat(folder, name, folder, private),
    }
}

/// Renames only if nothing has the new name.
fn rename_if_free(folder: &OwnedFd, private: &OsStr, name: &OsStr) -> Result<(), Errno> {
    match rename_exclusive(folder, private, name) {
        Some(answer) => answer,
        None => {
            linkat(folder, private, folder, name, AtFlags::empty())?;
            unlinkat(folder, private, AtFlags::empty())
        }
    }
}

/// One call that renames and replaces nothing; `None` where system or file system have no such call.
fn rename_exclusive(folder: &OwnedFd, from: &OsStr, to: &OsStr) -> Option<Result<(), Errno>> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        use rustix::fs::{RenameFlags, renameat_with};
        match renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => None,
            answer => Some(answer),
        }
    }
    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    {
        let _unused = (folder, from, to);
        None
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_was_swapped_for_no_plain_file_is_neither_followed_nor_waited_for() {
        let temp = tempfile::tempdir().unwrap();
        let path = |name: &str| temp.path().join(name);
        std::fs::write(path("plain"), "x").unwrap();
        symlink("plain", path("link")).unwrap();
        std::fs::create_dir(path("folder")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
        let folder = Folder::open(temp.path()).unwrap().unwrap();
        assert_eq!(folder.hold(OsStr::new("plain")).unwrap().unwrap().content(), b"x");
        for name in ["link", "folder", "fifo"] {
            assert_eq!(folder.hold(OsStr::new(name)).unwrap_err(), "is no plain file", "{name}");
        }
        assert!(folder.hold(OsStr::new("none")).unwrap().is_none());
    }

    #[test]
    fn the_node_is_named_as_the_system_names_it() {
        let said = std::process::Command::new("uname").arg("-n").output().unwrap().stdout;
        assert_eq!(node_name().unwrap(), String::from_utf8(said).unwrap().trim_end());
    }
}
