//! `cargo xtask fmt`: every file is formatted.

use crate::{
    run::Run,
    step::{Failed, Output, Step},
};

/// Checks the format and changes nothing; `cargo fmt` mends.
pub(crate) const STEP: Step =
    Step { name: "fmt", about: "Every file is formatted (cargo fmt mends)", output: Output::Kept, run };

fn run(run: &mut Run<'_>) -> Result<String, Failed> {
    run.cargo(&["fmt", "--all", "--check"])?;
    Ok(String::new())
}
