//! `cargo xtask doctest`: every example in the documentation compiles and runs.

use crate::{
    heard::Heard,
    run::Run,
    step::{Failed, Output, Step},
};

/// Runs the doc tests; nextest does not know them.
pub(crate) const STEP: Step =
    Step { name: "doctest", about: "Every example in the documentation runs", output: Output::Kept, run };

fn run(run: &mut Run<'_>) -> Result<String, Failed> {
    let mut heard = Heard::default();
    let mut command = run.workspace.cargo();
    command.args(["test", "--doc", "--workspace", "--all-features", "--no-fail-fast"]);
    let result = run.call(command, &mut |line| {
        heard.line(line);
    });
    result.map(|()| heard.brief())
}
