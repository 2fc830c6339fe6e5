//! `cargo xtask clippy`: no warning anywhere.

use crate::{
    run::Run,
    step::{Failed, Output, Step},
};

/// The workspace's lints over every target with every feature.
pub(crate) const STEP: Step =
    Step { name: "clippy", about: "No warning in any target with any feature", output: Output::Kept, run };

fn run(run: &mut Run<'_>) -> Result<String, Failed> {
    run.cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"])?;
    Ok(String::new())
}
