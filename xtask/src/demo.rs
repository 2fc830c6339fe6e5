//! `cargo xtask demo`: the program's own demonstration ends with 0.

use crate::{
    run::Run,
    step::{Failed, Output, Step},
};

/// Runs the demonstration of the release build, as a visitor would.
pub(crate) const STEP: Step =
    Step { name: "demo", about: "The demonstration ends with all its checks met", output: Output::Shown, run };

fn run(run: &mut Run<'_>) -> Result<String, Failed> {
    run.cargo(&["run", "--release", "--", "demo"])?;
    Ok(String::new())
}
