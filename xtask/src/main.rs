//! The project's chores: `cargo xtask <step>` runs one of them, `cargo xtask ci` runs them all.
//!
//! Dispatch, and one file a step. **Invariant:** no product crate is among the dependencies, so that a chore can
//! say what is wrong with a product that does not compile.
//!
//! Exit codes: 0 all is well, 1 a step failed, 2 the command line was not understood; `pg` has its command's.

mod arrows;
mod bench;
mod chaos;
mod ci;
mod clippy;
mod coverage;
mod demo;
mod doc;
mod doctest;
mod features;
mod files;
mod fmt;
mod guards;
mod heard;
mod markdown;
mod mutants;
mod packages;
mod peers;
#[cfg(unix)]
mod pg;
mod process;
mod proof;
mod purity;
mod run;
mod screen;
mod source;
mod step;
mod test;
mod tidy;
mod tools;
mod workspace;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::{
    screen::Screen,
    step::{APART, STEPS},
    workspace::Workspace,
};

/// The exit code for a command line that was not understood.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    #[cfg(unix)]
    pg::remember_program();
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
    // Those that take options, on the terminal.
    let ended = match matches.subcommand() {
        Some((bench::NAME, options)) => Some(wanted(options).run(&workspace)),
        Some((name, options)) if is_chaos(name) => Some(wanted_chaos(name, options).run(&workspace)),
        _ => None,
    };
    if let Some(ended) = ended {
        return match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(failed) => {
                writeln!(io::stderr(), "error: {failed}").ok();
                ExitCode::FAILURE
            }
        };
    }
    if let Some((mutants::NAME, options)) = matches.subcommand() {
        let extent = match (options.get_flag("short"), options.get_flag("continue")) {
            (true, _) => mutants::Extent::Sample,
            (_, true) => mutants::Extent::Rest,
            _ => mutants::Extent::All,
        };
        return ci::run_alone_with(&mutants::STEP, &|run| mutants::judge(run, extent), &workspace, &screen);
    }
    if let Some((guards::NAME, options)) = matches.subcommand() {
        let only: Vec<_> = options.get_many::<String>("only").into_iter().flatten().cloned().collect();
        return ci::run_alone_with(&guards::STEP, &|run| guards::judge(run, &only), &workspace, &screen);
    }
    // What the command line knows beside the steps is `ci`.
    match STEPS.iter().chain(APART).find(|step| Some(step.name) == matches.subcommand_name()) {
        Some(step) => ci::run_alone(step, &workspace, &screen),
        None => ci::run(&workspace, &screen),
    }
}

fn command_line() -> Command {
    let steps = STEPS.iter().chain(APART).map(|step| {
        let command = Command::new(step.name).about(step.about);
        match step.name {
            bench::NAME => with_options(command),
            mutants::NAME => {
                let flag = |name, help| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
                command.arg(flag("short", "One of forty, always the same")).arg(
                    flag("continue", "What a run that was broken off had not come to, and what no test saw; the sources are the same")
                        .conflicts_with("short"),
                )
            }
            guards::NAME => {
                let only = Arg::new("only").long("only").value_name("NAME").action(ArgAction::Append);
                command.arg(only.help("Only the guards whose names hold this; again for more"))
            }
            name if is_chaos(name) => with_chaos_options(command),
            _ => command,
        }
    });
    let line = Command::new("cargo xtask")
        .bin_name("cargo xtask")
        .about("The project's chores. Each step can be run alone; `ci` runs all but the long ones at the end.")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(
            Command::new("ci")
                .about("All but proof, guards, mutants and coverage in turn, with their times, and a summary"),
        )
        .subcommands(steps);
    #[cfg(unix)]
    let line = line.subcommand(pg::command_line());
    line
}

fn is_chaos(step: &str) -> bool {
    [chaos::CHAOS.name, chaos::SOAK.name].contains(&step)
}

/// The options of `chaos` and `soak`.
fn with_chaos_options(step: Command) -> Command {
    let minutes = Arg::new("minutes").long("minutes").value_name("N").value_parser(positive_minutes);
    let seed = Arg::new("seed").long("seed").value_name("N").value_parser(whole_number);
    step.arg(minutes.help("For how long faults fire, on both databases at once; 60 for an hour"))
        .arg(seed.help("What decides the order of the faults and what they hit, as a run has printed it"))
}

fn positive_minutes(text: &str) -> Result<String, String> {
    match text.parse::<f64>() {
        Ok(minutes) if minutes.is_finite() && minutes > 0.0 => Ok(text.to_owned()),
        _ => Err("write minutes, such as 3 or 0.5".to_owned()),
    }
}

fn whole_number(text: &str) -> Result<String, String> {
    text.parse::<u64>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn wanted_chaos(name: &str, options: &ArgMatches) -> chaos::Wanted {
    let text = |name: &str| options.get_one::<String>(name).cloned();
    chaos::Wanted { name: name.to_owned(), minutes: text("minutes"), seed: text("seed") }
}

/// The options of `bench`, the only step that has many.
fn with_options(step: Command) -> Command {
    use bench::{BENCHES, SPEED};
    let flag = |name, help| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let which = Arg::new("bench").value_name("WHICH").value_parser(BENCHES).default_value(SPEED);
    step.arg(which.help("The stores beside their limits, or how soon a death is settled"))
        .arg(flag("short", "10,000 rows and one round, as in `ci`; draws nothing"))
        .arg(flag("history", "Also ten million finished jobs and as many events (slow)"))
        .arg(Arg::new("past").long("past").value_name("COUNT").help("With --history: so many instead"))
        .arg(flag(
            "peers",
            "Also what others do today, installed from the package registries into the target folder",
        ))
        .arg(Arg::new("only").long("only").value_name("NAME").help("Only the tables whose names hold this"))
        .arg(
            Arg::new("output")
                .long("output")
                .value_parser(["text", "json"])
                .default_value("text")
                .help("How they are printed"),
        )
}

fn wanted(options: &ArgMatches) -> bench::Wanted {
    let text = |name: &str| options.get_one::<String>(name).cloned();
    bench::Wanted {
        bench: text("bench").unwrap_or_default(),
        short: options.get_flag("short"),
        history: options.get_flag("history"),
        peers: options.get_flag("peers"),
        past: text("past"),
        only: text("only"),
        output: text("output").unwrap_or_default(),
    }
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
        assert!(STEPS.iter().chain(APART).all(|step| names.contains(&step.name)), "{names:?}");
    }
}
