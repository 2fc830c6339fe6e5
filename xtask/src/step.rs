//! What a step is, and the list of them.

use std::{error::Error, fmt, io};

use crate::{
    arrows, bench, chaos, clippy, coverage, demo, doc, doctest, features, fmt as format_step, guards, mutants,
    proof, purity, run::Run, test, tidy,
};

/// Every step, in the order in which `cargo xtask ci` runs them. Each is a command too.
pub(crate) const STEPS: &[&Step] = &[
    &format_step::STEP,
    &clippy::STEP,
    &purity::STEP,
    &features::STEP,
    &arrows::STEP,
    &tidy::STEP,
    &test::STEP,
    &doctest::STEP,
    &doc::STEP,
    &chaos::SOAK,
    &chaos::CHAOS,
    &demo::STEP,
    &bench::STEP,
];

/// What takes too long for `ci`. Each is a command.
pub(crate) const APART: &[&Step] = &[&proof::STEP, &guards::STEP, &mutants::STEP, &coverage::STEP];

/// One chore.
#[derive(Debug)]
pub(crate) struct Step {
    /// The word after `cargo xtask`.
    pub(crate) name: &'static str,
    /// One line for the help.
    pub(crate) about: &'static str,
    /// What becomes of its output in `ci`.
    pub(crate) output: Output,
    /// Does it. The answer is a note for the step's line, such as how many files it looked at; it may be empty.
    pub(crate) run: fn(&mut Run<'_>) -> Result<String, Failed>,
}

/// What becomes of a step's output in `ci`. A step that is run alone always shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Kept in the step's log; its end is shown when the step fails.
    Kept,
    /// Shown line by line as it comes, because it is long or is what one wants to see.
    Shown,
}

/// Why a step failed, in one line. What it found line by line stands in its log.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) String);

impl Failed {
    /// Fails with what could not be done and why.
    pub(crate) fn because(what: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self(format!("{what}: {cause}"))
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Failed {}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}
