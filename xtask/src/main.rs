//! The project's chores: `cargo xtask <step>` runs one of them, `cargo xtask ci` runs them all.
//!
//! Dispatch, and one file a step. **Invariant:** no product crate is among the dependencies, so that a chore can
//! say what is wrong with a product that does not compile.
//!
//! Exit codes: 0 all is well, 1 a step failed, 2 the command line was not understood; `pg` has its command's.

mod arrows;
mod ci;
mod clippy;
mod demo;
mod doc;
mod doctest;
mod features;
mod files;
mod fmt;
mod markdown;
#[cfg(unix)]
mod pg;
mod process;
mod purity;
mod run;
mod screen;
mod source;
mod step;
mod test;
mod tidy;
mod workspace;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Command;

use crate::{screen::Screen, step::STEPS, workspace::Workspace};

/// The exit code for a command line that was not understood.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let matches = match command_line().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            error.print().ok();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    #[cfg(unix)]
    if let Some((pg::NAME, matches)) = matches.subcommand() {
        return pg::run(matches);
    }
    let workspace = match Workspace::find() {
        Ok(workspace) => workspace,
        Err(failed) => {
            writeln!(io::stderr(), "error: {failed}").ok();
            return ExitCode::FAILURE;
        }
    };
    let screen = Screen::of_stdout();
    // What the command line knows beside the steps is `ci`.
    match STEPS.iter().find(|step| Some(step.name) == matches.subcommand_name()) {
        Some(step) => ci::run_alone(step, &workspace, &screen),
        None => ci::run(&workspace, &screen),
    }
}

fn command_line() -> Command {
    let steps = STEPS.iter().map(|step| Command::new(step.name).about(step.about));
    let line = Command::new("cargo xtask")
        .bin_name("cargo xtask")
        .about("The project's chores. Each step can be run alone; `ci` runs them all.")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(Command::new("ci").about("All of them in turn, with their times, and a summary"))
        .subcommands(steps);
    #[cfg(unix)]
    let line = line.subcommand(pg::command_line());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command_line().debug_assert();
    }

    #[test]
    fn every_step_and_ci_are_commands() {
        let line = command_line();
        let names: Vec<_> = line.get_subcommands().map(Command::get_name).collect();
        assert_eq!(names.first(), Some(&"ci"));
        assert!(STEPS.iter().all(|step| names.contains(&step.name)), "{names:?}");
    }
}
