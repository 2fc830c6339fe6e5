//! The program as the tests run it: the very same entry point, built with them.

use std::process::ExitCode;

fn main() -> ExitCode {
    reaper_runner::cli::main()
}
