//! Where PostgreSQL's server programs are, and how they come onto a machine that has none.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{
    packages::{self, POSTGRES},
    step::Failed,
};

/// The two programs that a cluster needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Programs {
    /// Makes a cluster's folder.
    pub(super) initdb: PathBuf,
    /// The server.
    pub(super) postgres: PathBuf,
}

impl Programs {
    /// Looks for them, and installs them where they are missing and this program may.
    ///
    /// # Errors
    ///
    /// When they are missing and cannot be installed; the error says what to install.
    pub(super) fn find_or_install() -> Result<Self, Failed> {
        if let Some(found) = Self::find() {
            return Ok(found);
        }
        if packages::is_root() {
            packages::install(&[&POSTGRES]).map_err(|failed| Failed(format!("{failed}; {MISSING}")))?;
        }
        Self::find().ok_or_else(|| Failed(MISSING.to_owned()))
    }

    /// Looks for them.
    pub(super) fn find() -> Option<Self> {
        Self::first_in(folders())
    }

    fn first_in(mut folders: impl Iterator<Item = PathBuf>) -> Option<Self> {
        folders.find_map(|folder| {
            let programs = Self { initdb: folder.join("initdb"), postgres: folder.join("postgres") };
            (programs.initdb.is_file() && programs.postgres.is_file()).then_some(programs)
        })
    }
}

/// The folders that may hold the programs: those of `PATH`, what `pg_config` says, then those of the packages.
fn folders() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let path: Vec<_> = env::split_paths(&path).collect();
    path.into_iter().chain(said_by_pg_config()).chain(PACKAGED.iter().flat_map(|pattern| newest_first(pattern)))
}

fn said_by_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

/// The folders that a pattern with at most one `*` stands for, the highest version first.
fn newest_first(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![PathBuf::from(pattern)];
    };
    let Some((parent, prefix)) = before.rsplit_once('/') else {
        return Vec::new();
    };
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?;
            // `9.6` is older than `13`, and no version at all is older still.
            let major = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
            Some((major, PathBuf::from(format!("{parent}/{name}{after}"))))
        })
        .collect();
    found.sort_by(|one, other| other.cmp(one));
    found.into_iter().map(|(_, folder)| folder).collect()
}

/// Where packages put the programs, which are often not in `PATH`: Debian, Alpine, the project's own RPMs, sources,
/// Homebrew.
const PACKAGED: [&str; 6] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/libexec/postgresql*",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
];

/// What to do where they are missing and may not be installed from here.
const MISSING: &str = "PostgreSQL's server programs `initdb` and `postgres` are missing, in PATH and where packages put \
     them. Install them: `apt-get install postgresql` on Debian and Ubuntu, `apk add postgresql` on Alpine, `dnf \
     install postgresql-server` on Fedora, `brew install postgresql@17` on macOS";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_comes_first_and_other_names_do_not_count() {
        let folder = env::temp_dir().join(format!("xtask-versions-{}", std::process::id()));
        for version in ["pg-9.6", "pg-13", "pg-x", "pg-17", "other"] {
            fs::create_dir_all(folder.join(version).join("bin")).unwrap();
        }
        for program in ["initdb", "postgres"] {
            fs::write(folder.join("pg-13/bin").join(program), "").unwrap();
        }
        fs::write(folder.join("pg-17/bin/postgres"), "").unwrap();
        let found = newest_first(&format!("{}/pg-*/bin", folder.display()));
        let first = Programs::first_in(found.clone().into_iter());
        fs::remove_dir_all(&folder).unwrap();
        let names = ["pg-17", "pg-13", "pg-9.6", "pg-x"];
        assert_eq!(found, names.map(|name| folder.join(name).join("bin")));
        // The newest has no `initdb`: it is of no use.
        assert_eq!(first.unwrap().postgres, folder.join("pg-13/bin/postgres"));
    }

    #[test]
    fn a_folder_without_a_version_stands_for_itself() {
        assert_eq!(newest_first("/usr/local/pgsql/bin"), [PathBuf::from("/usr/local/pgsql/bin")]);
        assert!(newest_first("/no/such/folder-*/bin").is_empty());
        assert_eq!(Programs::first_in([PathBuf::from("/no/such/folder")].into_iter()), None);
    }
}
