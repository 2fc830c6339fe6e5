//! `cargo xtask coverage`: which lines the tests run, by `cargo llvm-cov`.
//!
//! It counts lines, which says what no test looks at and nothing about what the tests see: that is for `cargo xtask mutants`.

use std::{path::PathBuf, process::Command};

#[cfg(unix)]
use crate::pg::{self, Cluster, Durability};
use crate::{
    run::Run,
    step::{Failed, Output, Step},
    tools,
};

/// Runs every test with counters in it.
pub(crate) const STEP: Step = Step {
    name: "coverage",
    about: "Which lines the tests run, with cargo-llvm-cov (installed into the target folder when missing)",
    output: Output::Shown,
    run,
};

fn run(run: &mut Run<'_>) -> Result<String, Failed> {
    // Asked first: without them nothing needs to be installed.
    let readers = llvm_tools(run)?;
    tools::subcommand(run, "llvm-cov", VERSION)?;
    let mut command = tools::cargo(run.workspace);
    command.envs(readers.clone());
    command.args(["llvm-cov", "test", "--workspace", "--all-features", "--exclude", "xtask"]);
    command.args(["--lib", "--bins", "--tests", "--no-fail-fast"]).args(COUNTED);
    let report = run.workspace.target.join("coverage");
    command.args(["--html", "--output-dir"]).arg(&report);
    #[cfg(unix)]
    let cluster = Cluster::start(Durability::Volatile)?;
    #[cfg(unix)]
    pg::name_in(&mut command, &cluster);
    run.call(command, &mut |_| ())?;
    let mut summary = tools::cargo(run.workspace);
    summary.envs(readers);
    summary.args(["llvm-cov", "report"]).args(COUNTED);
    run.call(summary, &mut |_| ())?;
    Ok(format!("{}/html/index.html", report.display()))
}

/// The product, and whatever of the counters is whole: tests kill programs, some in the midst of writing theirs.
const COUNTED: [&str; 4] = ["--ignore-filename-regex", "/tests/", "--failure-mode", "all"];

/// What reads the counters has to be of the compiler's own LLVM. The toolchain's component `llvm-tools` is found by
/// cargo-llvm-cov itself; where it is missing, the system's programs of the same version do.
fn llvm_tools(run: &mut Run<'_>) -> Result<Vec<(&'static str, PathBuf)>, Failed> {
    let mut rustc = Command::new("rustc");
    rustc.arg("-vV").current_dir(&run.workspace.root);
    let said = run.capture(rustc)?;
    let version = said.lines().find_map(|line| line.strip_prefix("LLVM version: ")).unwrap_or_default();
    let major = version.split('.').next().unwrap_or_default();
    let mut sysroot = Command::new("rustc");
    sysroot.args(["--print", "target-libdir"]).current_dir(&run.workspace.root);
    let libraries = PathBuf::from(run.capture(sysroot)?.trim());
    if libraries.parent().is_some_and(|parent| parent.join("bin/llvm-profdata").is_file()) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for (variable, name) in [("LLVM_COV", "llvm-cov"), ("LLVM_PROFDATA", "llvm-profdata")] {
        let program = PathBuf::from(format!("/usr/lib/llvm-{major}/bin/{name}"));
        if !program.is_file() {
            return Err(Failed(format!(
                "the compiler's LLVM is {version}, and there is neither the toolchain's component llvm-tools (`rustup \
                 component add llvm-tools`) nor {}",
                program.display()
            )));
        }
        found.push((variable, program));
    }
    Ok(found)
}

/// The version that is installed where there is none.
const VERSION: &str = "^0.9";
