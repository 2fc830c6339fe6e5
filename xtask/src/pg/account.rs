//! The account that the server runs as: PostgreSQL refuses to run as root.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use crate::{packages, step::Failed};

/// A user and a group by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    /// The user.
    pub(super) user: u32,
    /// Its first group.
    pub(super) group: u32,
}

/// The account to change to, or nothing where one may stay what one is.
///
/// # Errors
///
/// When this program runs as root and no unprivileged account of a known name exists.
pub(super) fn to_run_as() -> Result<Option<Account>, Failed> {
    if !packages::is_root() {
        return Ok(None);
    }
    let passwd =
        fs::read_to_string("/etc/passwd").map_err(|error| Failed::because("cannot read /etc/passwd", error))?;
    unprivileged(&passwd).map(Some).ok_or_else(|| {
        Failed(format!("PostgreSQL does not run as root, and there is no account {}", NAMES.join(" or ")))
    })
}

/// The first of the known accounts that `passwd` has, if it is not root by another name.
fn unprivileged(passwd: &str) -> Option<Account> {
    NAMES.iter().find_map(|name| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        let user = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        (user != 0).then_some(Account { user, group })
    })
}

/// Whether any account may make and remove folders of its own in this one, as far as permissions for all tell.
pub(super) fn may_work_in(folder: &Path) -> bool {
    let open = |folder: &Path, bits| folder.metadata().is_ok_and(|folder| folder.mode() & bits == bits);
    folder
        .canonicalize()
        .is_ok_and(|folder| open(&folder, 0o003) && folder.ancestors().all(|above| open(above, 0o001)))
}

/// The accounts to look for, the better one first.
const NAMES: [&str; 2] = ["postgres", "nobody"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_s_own_account_is_taken_before_nobody_s() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533::/:/sbin/nologin\n";
        assert_eq!(unprivileged(passwd), Some(Account { user: 65534, group: 65533 }));
        let passwd = format!("{passwd}postgres:x:101:104::/var/lib/postgresql:/bin/sh\n");
        assert_eq!(unprivileged(&passwd), Some(Account { user: 101, group: 104 }));
    }

    #[test]
    fn root_by_another_name_and_broken_lines_do_not_count() {
        assert_eq!(unprivileged("postgres:x:0:0::/:/bin/sh\nnobody:x:many\n"), None);
        assert_eq!(unprivileged(""), None);
    }

    #[test]
    fn a_folder_that_is_not_for_all_does_not_do() {
        assert!(may_work_in(Path::new("/tmp")));
        assert!(!may_work_in(Path::new("/")));
        assert!(!may_work_in(Path::new("/no/such/folder")));
    }
}
