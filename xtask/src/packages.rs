//! Programs that tests and chores need, and how they come onto a machine that has none: by the system's package manager,
//! where this program may use it.

use std::{
    env,
    io::{self, Write},
    process::{Command, Stdio},
};

use crate::step::Failed;

/// Programs that come together, and the package that has them.
#[derive(Debug)]
pub(crate) struct Package {
    /// What is missing, as it is said.
    pub(crate) what: &'static str,
    /// The package with each of [`MANAGERS`], in their order.
    names: [&'static str; 3],
}

/// PostgreSQL's server.
pub(crate) const POSTGRES: Package =
    Package { what: "PostgreSQL's server programs", names: ["postgresql", "postgresql", "postgresql-server"] };

/// A program that tests call, and the package that has it.
const TOOLS: [(&str, Package); 8] = [
    ("strace", Package { what: "strace", names: ["strace"; 3] }),
    ("python3", Package { what: "python3", names: ["python3"; 3] }),
    ("sqlite3", Package { what: "sqlite3", names: ["sqlite3", "sqlite", "sqlite"] }),
    ("ip", Package { what: "ip", names: ["iproute2", "iproute2", "iproute"] }),
    ("unshare", Package { what: "unshare", names: ["util-linux"; 3] }),
    ("flock", Package { what: "flock", names: ["util-linux"; 3] }),
    ("setpriv", Package { what: "setpriv", names: ["util-linux", "setpriv", "util-linux"] }),
    ("script", Package { what: "script", names: ["bsdutils", "util-linux-misc", "util-linux-script"] }),
];

/// Sees to it that the programs are there that tests call. Those that are missing and cannot be installed are said: the
/// tests that need them say that they are skipped.
pub(crate) fn install_what_tests_call() {
    let missing: Vec<_> =
        TOOLS.iter().filter(|(program, _)| !on_path(program)).map(|(_, package)| package).collect();
    if missing.is_empty() || !cfg!(target_os = "linux") {
        return;
    }
    if let Err(failed) = install(&missing) {
        writeln!(io::stderr(), "{failed}; the tests that need them are skipped and say so").ok();
    }
}

/// Has the system's package manager install packages. What it says goes to standard error.
///
/// # Errors
///
/// When this program may not, no manager is known here, or it fails; the error says what is missing.
pub(crate) fn install(packages: &[&Package]) -> Result<(), Failed> {
    let what = packages.iter().map(|package| package.what).collect::<Vec<_>>().join(", ");
    let missing = |why: &str| Failed(format!("missing: {what}; {why}"));
    let Some((at, manager)) = (0..).zip(&MANAGERS).find(|(_, manager)| on_path(manager.program)) else {
        return Err(missing("there is none of apt-get, apk and dnf to install them with"));
    };
    let names: Vec<_> = packages.iter().filter_map(|package| package.names.get::<usize>(at).copied()).collect();
    let install = manager.install.iter().chain(&names).copied().collect::<Vec<_>>();
    if !is_root() {
        return Err(missing(&format!("install them: {} {}", manager.program, install.join(" "))));
    }
    for arguments in manager.before.iter().map(|word| vec![*word]).chain([install]) {
        let words = format!("{} {}", manager.program, arguments.join(" "));
        writeln!(io::stderr(), "missing: {what}: {words}").ok();
        let mut command = Command::new(manager.program);
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command.stdin(Stdio::null()).stdout(io::stderr());
        let status = command.status().map_err(|error| Failed::because(format!("cannot run {words}"), error))?;
        if !status.success() {
            return Err(missing(&format!("{words}: {status}")));
        }
    }
    Ok(())
}

/// Whether a program of this name is in `PATH`.
fn on_path(program: &str) -> bool {
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(program).is_file())
}

/// Whether this program runs as root.
pub(crate) fn is_root() -> bool {
    #[cfg(unix)]
    let is_root = rustix::process::geteuid().is_root();
    #[cfg(not(unix))]
    let is_root = false;
    is_root
}

/// A package manager and how it is called.
#[derive(Debug)]
struct Manager {
    program: &'static str,
    /// What is called first.
    before: Option<&'static str>,
    /// The words before the packages.
    install: &'static [&'static str],
}

const MANAGERS: [Manager; 3] = [
    Manager { program: "apt-get", before: Some("update"), install: &["install", "-y", "--no-install-recommends"] },
    Manager { program: "apk", before: None, install: &["add", "--no-cache"] },
    Manager { program: "dnf", before: None, install: &["install", "-y"] },
];
