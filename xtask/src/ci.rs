//! `cargo xtask ci`: every step in turn, whatever becomes of the ones before, and a summary.

use std::{
    process::{Child, ExitCode, Stdio},
    time::{Duration, Instant},
};

use crate::{
    chaos, demo,
    run::Run,
    screen::{Mark, Screen},
    step::{Failed, Output, STEPS, Step},
    workspace::Workspace,
};

/// Runs every step and answers with the code to exit with. One that fails does not keep the others from running: one
/// look shows all that is wrong.
pub(crate) fn run(workspace: &Workspace, screen: &Screen) -> ExitCode {
    let all = Stopwatch::start();
    let mut ahead = None;
    let mut ends = Vec::new();
    for step in STEPS {
        if step.name == chaos::SOAK.name {
            ahead = Some(Ahead::begin(workspace));
        }
        if step.name == demo::STEP.name {
            drop(ahead.take());
        }
        ends.push(one(step, &step.run, workspace, screen, step.output == Output::Shown));
    }
    // Again at the end, because the output of a step may have pushed the line of another far up.
    screen.line("");
    for end in &ends {
        screen.line(&end.line);
    }
    for closing in ends.iter().filter_map(|end| end.closing.as_deref()) {
        screen.line(closing);
    }
    let count = STEPS.len();
    let failed: Vec<_> = ends.iter().filter(|end| end.mark == Mark::Fail).map(|end| end.name).collect();
    let (mark, note) = match failed.len() {
        0 => (Mark::Ok, format!("{count} of {count} steps")),
        some => (Mark::Fail, format!("{some} of {count} steps: {}", failed.join(", "))),
    };
    screen.line(&screen.step(mark, "ci", all.elapsed(), &note));
    exit_code(mark)
}

/// Runs one step by itself, shows all that it says and answers with the code to exit with.
pub(crate) fn run_alone(step: &Step, workspace: &Workspace, screen: &Screen) -> ExitCode {
    run_alone_with(step, &step.run, workspace, screen)
}

/// The same with something else to do, which options ask for.
pub(crate) fn run_alone_with(step: &Step, what: What<'_>, workspace: &Workspace, screen: &Screen) -> ExitCode {
    let end = one(step, what, workspace, screen, true);
    if let Some(closing) = &end.closing {
        screen.line(closing);
    }
    exit_code(end.mark)
}

/// The release build, beside the steps that mostly wait for a clock and have the build of the tests. Whether it succeeds is
/// for the step to say that needs it, and builds it again.
#[derive(Debug)]
struct Ahead(Option<Child>);

impl Ahead {
    fn begin(workspace: &Workspace) -> Self {
        let mut command = demo::build(workspace);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().ok())
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            child.wait().ok();
        }
    }
}

/// What is done in a step's name.
type What<'w> = &'w dyn Fn(&mut Run<'_>) -> Result<String, Failed>;

/// How a step ended.
#[derive(Debug)]
struct End {
    name: &'static str,
    mark: Mark,
    /// The line that says so.
    line: String,
    /// What its tests came to, if it ran any.
    closing: Option<String>,
}

fn one(step: &Step, what: What<'_>, workspace: &Workspace, screen: &Screen, echo: bool) -> End {
    screen.under_way(step.name);
    let watch = Stopwatch::start();
    let mut run = Run::begin(workspace, screen, step.name, echo);
    let (mark, note) = match what(&mut run) {
        Ok(note) => (Mark::Ok, note),
        Err(failed) => (Mark::Fail, failed.to_string()),
    };
    let line = screen.step(mark, step.name, watch.elapsed(), &note);
    screen.line(&line);
    if mark == Mark::Fail {
        for text in run.end_of_output() {
            screen.line(&format!("     | {text}"));
        }
    }
    End { name: step.name, mark, line, closing: run.closing }
}

fn exit_code(mark: Mark) -> ExitCode {
    match mark {
        Mark::Ok => ExitCode::SUCCESS,
        Mark::Fail => ExitCode::FAILURE,
    }
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
