//! `cargo xtask doc`: the documentation builds without a warning.

use std::env;

use crate::{
    run::Run,
    step::{Failed, Output, Step},
};

/// Builds the workspace's own documentation; a broken link fails.
pub(crate) const STEP: Step =
    Step { name: "doc", about: "The documentation builds without a warning", output: Output::Kept, run };

fn run(run: &mut Run<'_>) -> Result<String, Failed> {
    let flags = env::var("RUSTDOCFLAGS").unwrap_or_default();
    let mut command = run.workspace.cargo();
    command
        .args(["doc", "--no-deps", "--workspace", "--all-features"])
        .env("RUSTDOCFLAGS", format!("{flags} -D warnings").trim_start());
    run.call(command, &mut |_| ())?;
    Ok(String::new())
}
