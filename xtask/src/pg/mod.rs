//! `cargo xtask pg -- <command>`: runs a command beside a PostgreSQL cluster that exists only for it.
//!
//! The cluster is in a temporary folder, listens on a free port of 127.0.0.1, and is gone when the command has ended,
//! whether by itself, by a signal to this program, or because this program was killed.

mod account;
mod cluster;
mod programs;
mod signals;

use std::{
    env,
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::{Command, ExitCode},
    sync::LazyLock,
};

use clap::{Arg, ArgAction, ArgMatches, value_parser};

pub(crate) use self::cluster::{Cluster, Durability};
use crate::step::Failed;

/// The word after `cargo xtask`.
pub(crate) const NAME: &str = "pg";

/// The command's part of the command line.
pub(crate) fn command_line() -> clap::Command {
    clap::Command::new(NAME)
        .about("Runs a command with DATABASE_URL set to a PostgreSQL cluster that is made for it and removed after it")
        .long_about(
            "Runs a command with DATABASE_URL set to a PostgreSQL cluster that is made for it and removed after it, \
             in whatever way it ends.\n\nThe exit code is the command's; 128 and the signal's number if a signal ended \
             it; 1 if there is no cluster or the command cannot be started.",
        )
        .arg(
            Arg::new(DURABLE)
                .long(DURABLE)
                .action(ArgAction::SetTrue)
                .help("Keep fsync on, as in production: for benchmarks and for tests of a fall"),
        )
        .arg(
            Arg::new(COMMAND)
                .value_name("COMMAND")
                .help("The command and its arguments")
                .required(true)
                .num_args(1..)
                .last(true)
                .value_parser(value_parser!(OsString)),
        )
}

/// Runs what the command line asks for and answers with the code to exit with.
pub(crate) fn run(matches: &ArgMatches) -> ExitCode {
    let durability = if matches.get_flag(DURABLE) { Durability::Durable } else { Durability::Volatile };
    let mut words = matches.get_many::<OsString>(COMMAND).into_iter().flatten();
    // The command line requires at least one word.
    let mut command = Command::new(words.next().cloned().unwrap_or_default());
    command.args(words);
    match run_beside_a_cluster(command, durability) {
        Ok(code) => ExitCode::from(code),
        Err(failed) => {
            writeln!(io::stderr(), "error: {failed}").ok();
            ExitCode::FAILURE
        }
    }
}

/// Tells a command where the cluster is, and by which program it can have another one.
pub(crate) fn name_in(command: &mut Command, cluster: &Cluster) {
    command.env("DATABASE_URL", &cluster.url);
    name_chores_in(command);
}

/// Tells a command where this program is, by which it may start clusters of its own.
pub(crate) fn name_chores_in(command: &mut Command) {
    // Where it cannot be told, tests that need a server of their own say that they show nothing.
    if let Some(program) = &*PROGRAM {
        command.env(CHORES, program);
    }
}

/// Looks where this program is, before a step builds it anew: the kernel calls a file that was replaced `… (deleted)`.
pub(crate) fn remember_program() {
    LazyLock::force(&PROGRAM);
}

static PROGRAM: LazyLock<Option<PathBuf>> = LazyLock::new(|| env::current_exe().ok());

fn run_beside_a_cluster(mut command: Command, durability: Durability) -> Result<u8, Failed> {
    // From here on a signal is kept until there is a command to hand it to.
    let signals = signals::listen().map_err(|error| Failed::because("cannot listen for signals", error))?;
    let cluster = Cluster::start(durability)?;
    name_in(&mut command, &cluster);
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command.spawn().map_err(|error| Failed::because(format!("cannot start {program}"), error))?;
    let status = signals::wait(child, &signals).map_err(|error| Failed::because(program, error))?;
    Ok(signals::exit_code(status))
}

const DURABLE: &str = "durable";
const COMMAND: &str = "command";

/// The variable that names this program, for tests that need a server which they may kill.
const CHORES: &str = "XTASK_PROGRAM";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<(bool, Vec<OsString>), clap::Error> {
        let matches = command_line().try_get_matches_from([&[NAME], words].concat())?;
        let command = matches.get_many::<OsString>(COMMAND).into_iter().flatten().cloned().collect();
        Ok((matches.get_flag(DURABLE), command))
    }

    #[test]
    fn all_that_follows_the_dashes_is_the_command_s() {
        let (durable, command) = parse(&["--", "cargo", "test", "--durable", "--", "x"]).unwrap();
        assert!(!durable);
        assert_eq!(command, ["cargo", "test", "--durable", "--", "x"]);
        assert!(parse(&["--durable", "--", "true"]).unwrap().0);
    }

    #[test]
    fn a_command_is_needed_and_stands_behind_the_dashes() {
        for words in [&[][..], &["--"], &["--durable"], &["true"], &["--fast", "--", "true"]] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}
