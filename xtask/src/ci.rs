//! `cargo xtask ci`: every step in turn, whatever becomes of the ones before, and a summary.

use std::time::{Duration, Instant};

use crate::{
    run::Run,
    screen::{Mark, Screen},
    step::{CI, Failed, Output, Step},
    workspace::Workspace,
};

/// Runs every step. One that fails does not keep the others from running: one look shows all that is wrong.
///
/// # Errors
///
/// When a step failed; the error names each.
pub(crate) fn run(workspace: &Workspace, screen: &Screen) -> Result<(), Failed> {
    let all = Stopwatch::start();
    let mut failed = Vec::new();
    let mut notes = Vec::new();
    for step in CI {
        match one(step, workspace, screen, step.output == Output::Shown) {
            Ok(note) if note.is_empty() => {}
            Ok(note) => notes.push(note),
            Err(_) => failed.push(step.name),
        }
    }
    screen.line("");
    for note in notes {
        screen.line(&note);
    }
    let count = CI.len();
    if failed.is_empty() {
        screen.step(Mark::Ok, "ci", all.elapsed(), &format!("{count} of {count} steps"));
        return Ok(());
    }
    let names = failed.join(", ");
    screen.step(Mark::Fail, "ci", all.elapsed(), &format!("{} of {count} steps failed: {names}", failed.len()));
    Err(Failed(format!("failed: {names}")))
}

/// Runs one step by itself and shows all that it says.
///
/// # Errors
///
/// When it failed.
pub(crate) fn run_alone(step: &Step, workspace: &Workspace, screen: &Screen) -> Result<(), Failed> {
    one(step, workspace, screen, true).map(drop)
}

fn one(step: &Step, workspace: &Workspace, screen: &Screen, echo: bool) -> Result<String, Failed> {
    screen.under_way(step.name);
    let watch = Stopwatch::start();
    let mut run = Run::begin(step.name, workspace, screen, echo)?;
    let result = (step.run)(&mut run);
    match &result {
        Ok(note) => screen.step(Mark::Ok, step.name, watch.elapsed(), note),
        Err(failed) => {
            screen.step(Mark::Fail, step.name, watch.elapsed(), &failed.to_string());
            let (lines, path) = run.end_of_output();
            for line in lines {
                screen.line(&format!("     | {line}"));
            }
            screen.line(&format!("     | all of it: {path}"));
        }
    }
    result
}

/// Measures how long a step takes.
#[derive(Debug)]
struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a chore's time is shown to people and nothing depends on it")]
    fn start() -> Self {
        Self(Instant::now())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
