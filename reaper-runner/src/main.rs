//! The `reaper` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    reaper_runner::cli::main()
}
