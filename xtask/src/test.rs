//! `cargo xtask test`: every test of the workspace, and how many there were.
//!
//! The tests run beside a PostgreSQL cluster of their own, which `DATABASE_URL` names. Whatever the caller's own
//! `DATABASE_URL` names is not touched.

#[cfg(unix)]
use crate::pg::{self, Cluster, Durability};
use crate::{
    heard::{self, Heard},
    packages,
    run::Run,
    step::{Failed, Output, Step},
};

/// Runs the tests with nextest or, where it is missing, with cargo.
pub(crate) const STEP: Step = Step {
    name: "test",
    about: "Every test beside a PostgreSQL cluster of its own, with nextest where it is installed",
    output: Output::Shown,
    run,
};

fn run(run: &mut Run<'_>) -> Result<String, Failed> {
    packages::install_what_tests_call();
    let mut command = run.workspace.cargo();
    if heard::has_nextest(run.workspace) {
        command.args(["nextest", "run", "--workspace", "--all-features", "--no-fail-fast"]);
        command.args(heard::WITH_OUTPUT);
    } else {
        // Every target but the doc tests, which are a step of their own, and the benchmarks.
        command.args(["test", "--workspace", "--all-features", "--no-fail-fast"]);
        command.args(["--lib", "--bins", "--tests", "--examples", "--", "--show-output"]);
    }
    #[cfg(unix)]
    let cluster = Cluster::start(Durability::Volatile)?;
    #[cfg(unix)]
    pg::name_in(&mut command, &cluster);
    let mut heard = Heard::default();
    let result = run.call_choosing(command, &mut |line| heard.line(line));
    if heard.is_empty() {
        return result.and_then(|()| Err(Failed("no test ran".to_owned())));
    }
    run.closing = Some(heard.to_string());
    result.map(|()| heard.skips())
}
