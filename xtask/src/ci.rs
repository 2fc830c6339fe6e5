//! `cargo xtask ci`: every step in turn, whatever becomes of the ones before, and a summary.

use std::time::{Duration, Instant};

use crate::{
    run::Run,
    screen::{Mark, Screen},
    step::{Failed, Output, STEPS, Step},
    workspace::Workspace,
};

/// Runs every step. One that fails does not keep the others from running: one look shows all that is wrong.
///
/// # Errors
///
/// When a step failed; the error names each.
pub(crate) fn run(workspace: &Workspace, screen: &Screen) -> Result<(), Failed> {
    let all = Stopwatch::start();
    let ends: Vec<_> =
        STEPS.iter().map(|step| one(step, workspace, screen, step.output == Output::Shown)).collect();
    // Again at the end, because the output of a step may have pushed the line of another far up.
    screen.line("");
    for end in &ends {
        screen.line(&end.line);
    }
    for closing in ends.iter().filter_map(|end| end.closing.as_deref()) {
        screen.line(closing);
    }
    let count = STEPS.len();
    let failed: Vec<_> = ends.iter().filter(|end| end.result.is_err()).map(|end| end.name).collect();
    if failed.is_empty() {
        screen.line(&screen.step(Mark::Ok, "ci", all.elapsed(), &format!("{count} of {count} steps")));
        return Ok(());
    }
    let note = format!("{} of {count} steps", failed.len());
    screen.line(&screen.step(Mark::Fail, "ci", all.elapsed(), &note));
    Err(Failed(format!("failed: {}", failed.join(", "))))
}

/// Runs one step by itself and shows all that it says.
///
/// # Errors
///
/// When it failed.
pub(crate) fn run_alone(step: &Step, workspace: &Workspace, screen: &Screen) -> Result<(), Failed> {
    let end = one(step, workspace, screen, true);
    if let Some(closing) = &end.closing {
        screen.line(closing);
    }
    end.result
}

/// How a step ended.
#[derive(Debug)]
struct End {
    name: &'static str,
    line: String,
    /// What its tests came to, if it ran any.
    closing: Option<String>,
    result: Result<(), Failed>,
}

fn one(step: &Step, workspace: &Workspace, screen: &Screen, echo: bool) -> End {
    screen.under_way(step.name);
    let watch = Stopwatch::start();
    let mut run = match Run::begin(step.name, workspace, screen, echo) {
        Ok(run) => run,
        Err(failed) => {
            let line = screen.step(Mark::Fail, step.name, watch.elapsed(), &failed.to_string());
            screen.line(&line);
            return End { name: step.name, line, closing: None, result: Err(failed) };
        }
    };
    let (line, result) = match (step.run)(&mut run) {
        Ok(note) => (screen.step(Mark::Ok, step.name, watch.elapsed(), &note), Ok(())),
        Err(failed) => (screen.step(Mark::Fail, step.name, watch.elapsed(), &failed.to_string()), Err(failed)),
    };
    screen.line(&line);
    if result.is_err() {
        let (tail, path) = run.end_of_output();
        for text in tail {
            screen.line(&format!("     | {text}"));
        }
        screen.line(&format!("     | all of it: {path}"));
    }
    End { name: step.name, line, closing: run.closing.take(), result }
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
