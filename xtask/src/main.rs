//! The project's chores.

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let steps: [&[&str]; 3] = [
        &["fmt", "--all", "--check"],
        &["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"],
        &["test", "--workspace", "--all-features"],
    ];
    for step in steps {
        if !Command::new("cargo").args(step).status().is_ok_and(|status| status.success()) {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
