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
    log: File,
    log_path: PathBuf,
    tail: VecDeque<String>,
    echo: bool,
}

impl<'a> Run<'a> {
    /// Begins the log of a step, `xtask/<name>.log` in the target folder; `echo` shows each line as it comes too.
    ///
    /// # Errors
    ///
    /// When the log cannot be written.
    pub(crate) fn begin(
        name: &str,
        workspace: &'a Workspace,
        screen: &'a Screen,
        echo: bool,
    ) -> Result<Self, Failed> {
        let folder = workspace.target.join("xtask");
        let log_path = folder.join(format!("{name}.log"));
        let log = fs::create_dir_all(&folder)
            .and_then(|()| File::create(&log_path))
            .map_err(|error| Failed::because(log_path.display(), error))?;
        Ok(Self { workspace, closing: None, screen, log, log_path, tail: VecDeque::new(), echo })
    }

    /// Writes a line of output.
    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.log, "{}", plain(line)).ok();
        if self.echo {
            self.screen.line(line);
            return;
        }
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
    }

    /// The end of the output, unless it was shown already, and the path of all of it.
    pub(crate) fn end_of_output(&self) -> (impl Iterator<Item = &str>, String) {
        (self.tail.iter().map(String::as_str), self.log_path.display().to_string())
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
    pub(crate) fn call(&mut self, mut command: Command, watch: &mut dyn FnMut(&str)) -> Result<(), Failed> {
        command.env("CARGO_TERM_COLOR", if self.screen.colours() { "always" } else { "never" });
        let words = words(&command);
        self.say(&format!("$ {words}"));
        let status = process::stream(command, &mut |line| {
            watch(&plain(line));
            self.say(line);
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
