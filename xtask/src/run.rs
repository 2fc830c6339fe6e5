//! One run of one step: its calls of cargo, and its log.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::Write,
    path::PathBuf,
    process::Command,
};

use crate::{
    process,
    screen::{Screen, plain},
    step::Failed,
    workspace::Workspace,
};

/// What a step works with.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    /// The workspace that the step looks at.
    pub(crate) workspace: &'a Workspace,
    /// A line that is to stand by itself at the end, such as how many tests ran.
    pub(crate) closing: Option<String>,
    screen: &'a Screen,
    /// The log with its path, where it can be written.
    log: Option<(File, PathBuf)>,
    tail: VecDeque<String>,
    echo: bool,
}

impl<'a> Run<'a> {
    /// Begins a run, whose output goes to `xtask/<step>.log` in the target folder; `echo` shows each line as it comes.
    pub(crate) fn begin(workspace: &'a Workspace, screen: &'a Screen, step: &str, echo: bool) -> Self {
        let folder = workspace.target.join("xtask");
        let path = folder.join(format!("{step}.log"));
        // The log is a help. A step does not fail because it cannot be written.
        let log = fs::create_dir_all(&folder).and_then(|()| File::create(&path)).ok().map(|file| (file, path));
        Self { workspace, closing: None, screen, log, tail: VecDeque::new(), echo }
    }

    /// Writes a line of output.
    pub(crate) fn say(&mut self, line: &str) {
        self.keep(line);
        self.show(line);
    }

    fn keep(&mut self, line: &str) {
        if let Some((log, _)) = &mut self.log {
            writeln!(log, "{}", plain(line)).ok();
        }
    }

    fn show(&mut self, line: &str) {
        if self.echo {
            self.screen.line(line);
            return;
        }
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
    }

    /// The end of the output, unless it was shown already, and where all of it is.
    pub(crate) fn end_of_output(&self) -> impl Iterator<Item = String> {
        let path = self.log.as_ref().map(|(_, path)| format!("all of it: {}", path.display()));
        self.tail.iter().cloned().chain(path)
    }

    /// Calls cargo at the root and writes its output down.
    ///
    /// # Errors
    ///
    /// When it cannot be started or does not exit with 0.
    pub(crate) fn cargo(&mut self, arguments: &[&str]) -> Result<(), Failed> {
        let mut command = self.workspace.cargo();
        command.args(arguments);
        self.call(command, &mut |_| ())
    }

    /// Calls a program, writes its output down and shows each line of it to `watch`, without colours.
    ///
    /// # Errors
    ///
    /// When it cannot be started or does not exit with 0.
    pub(crate) fn call(&mut self, command: Command, watch: &mut dyn FnMut(&str)) -> Result<(), Failed> {
        self.call_choosing(command, &mut |line| {
            watch(line);
            true
        })
    }

    /// The same where only those lines are shown that `chooses` wants. All are in the log.
    ///
    /// # Errors
    ///
    /// When it cannot be started or does not exit with 0.
    pub(crate) fn call_choosing(
        &mut self,
        mut command: Command,
        chooses: &mut dyn FnMut(&str) -> bool,
    ) -> Result<(), Failed> {
        command.env("CARGO_TERM_COLOR", if self.screen.colours() { "always" } else { "never" });
        let words = words(&command);
        self.say(&format!("$ {words}"));
        let status = process::stream(command, &mut |line| {
            self.keep(line);
            if chooses(&plain(line)) {
                self.show(line);
            }
        })
        .map_err(|error| Failed::because(format!("cannot run {words}"), error))?;
        if status.success() { Ok(()) } else { Err(Failed::because(words, status)) }
    }

    /// What a program prints on standard output.
    ///
    /// # Errors
    ///
    /// When it cannot be started or does not exit with 0; its standard error is in the log.
    pub(crate) fn capture(&mut self, mut command: Command) -> Result<String, Failed> {
        command.env("CARGO_TERM_COLOR", "never").env("NO_COLOR", "1");
        let words = words(&command);
        self.say(&format!("$ {words}"));
        let output = command.output().map_err(|error| Failed::because(format!("cannot run {words}"), error))?;
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            self.say(line);
        }
        if !output.status.success() {
            return Err(Failed::because(words, output.status));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Ends a step that looked for faults: writes down those it found and fails if there are any.
    ///
    /// # Errors
    ///
    /// When `faults` is not empty.
    pub(crate) fn judge(&mut self, faults: &[String]) -> Result<(), Failed> {
        for fault in faults {
            self.say(fault);
        }
        match faults {
            [] => Ok(()),
            [_] => Err(Failed("1 fault".to_owned())),
            _ => Err(Failed(format!("{} faults", faults.len()))),
        }
    }
}

/// A command as one would type it, the program by its name alone.
fn words(command: &Command) -> String {
    let program = command.get_program();
    let program = PathBuf::from(program).file_name().unwrap_or(program).to_string_lossy().into_owned();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// How many lines of a failed step's output are shown.
const TAIL_LINES: usize = 100;
