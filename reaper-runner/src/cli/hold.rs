//! `reaper hold`: the supervisor between a monitor and its command. Hidden: `reaper exec` starts it.

use std::{ffi::OsString, process::ExitCode};

use clap::Args;

use super::{Exit, Failure, Out};
use crate::exec::{
    RAN_NOTHING,
    hold::{Held, end_by, hold as hold_back},
};

#[derive(Debug, Args)]
pub(super) struct HoldArgs {
    /// The command.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

pub(super) fn hold(args: &HoldArgs, out: Out) -> ExitCode {
    match hold_back(&args.command) {
        Ok(Held::Ended(code)) => match u8::try_from(code) {
            Ok(code) => code.into(),
            Err(_) => end_by(code.wrapping_neg()).into(),
        },
        Ok(Held::NotLetGo) => ran_nothing(out, "was not let go"),
        Err(error) => ran_nothing(out, &format!("cannot hold a command: {error}")),
    }
}

fn ran_nothing(out: Out, why: &str) -> ExitCode {
    let _code = out.fail(&Failure::new(Exit::Unchanged, format!("{why}: nothing was run")));
    end_by(RAN_NOTHING).into()
}
