//! The program itself, run as a person or a script runs it.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use crate::database::Database;

/// How a run of the program ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it said beside that.
    pub stderr: String,
}

impl Ended {
    /// What it printed, as one JSON value a line.
    #[must_use]
    pub fn json(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// Itself, if it ended with 0.
    #[must_use]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Itself, if it ended with this code.
    #[must_use]
    pub fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// The program in a folder of its own, with nothing of this process's settings.
#[derive(Debug)]
pub struct Program {
    binary: PathBuf,
    dir: PathBuf,
    url: String,
}

impl Program {
    /// The program of this file, run in this folder on the database `jobs.db` there.
    #[must_use]
    pub fn new(binary: impl Into<PathBuf>, dir: &Path) -> Self {
        Self { binary: binary.into(), dir: dir.to_owned(), url: "jobs.db".to_owned() }
    }

    /// The program of this file, run in a database's folder on that database.
    #[must_use]
    pub fn on(binary: impl Into<PathBuf>, database: &Database) -> Self {
        Self { url: database.url().to_owned(), ..Self::new(binary, database.dir()) }
    }

    /// The same, on another database.
    #[must_use]
    pub fn at(self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self }
    }

    /// Its file.
    #[must_use]
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// The folder that it runs in.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes `reaper.toml`.
    pub fn configure(&self, toml: &str) {
        fs::write(self.dir.join("reaper.toml"), toml).unwrap();
    }

    /// A run that is not started yet.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        let own = |name: &OsStr| name.to_string_lossy().starts_with("REAPER_");
        for (name, _) in std::env::vars_os().filter(|(name, _)| own(name)) {
            command.env_remove(name);
        }
        command.args(args).current_dir(&self.dir).env("DATABASE_URL", &self.url).env("NO_COLOR", "1");
        command
    }

    /// Runs it to its end.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Ended {
        let output = self.command(args).stdin(Stdio::null()).output().unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts it and lets it run.
    #[must_use]
    pub fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// The program on a database that another program made and that was adopted.
#[must_use]
pub fn adopted(binary: &str) -> (Database, Program) {
    let database = Database::foreign();
    let program = Program::new(binary, database.dir());
    let _migrated = program.run(&["migrate"]).ok();
    (database, program)
}

/// Asks again and again until the answer is yes, for half a minute at most.
pub fn eventually(what: &str, holds: impl FnMut() -> bool) {
    within(Duration::from_secs(30), what, holds);
}

/// Asks again and again until the answer is yes, for so long at most.
pub fn within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    const PAUSE: Duration = Duration::from_millis(50);
    for _ in 0..limit.as_millis() / PAUSE.as_millis() {
        if holds() {
            return;
        }
        let (_sender, never) = mpsc::channel::<()>();
        // A pause between two looks; what is waited for is the condition.
        never.recv_timeout(PAUSE).ok();
    }
    panic!("not within {} s: {what}", limit.as_secs());
}

/// Sends a signal to a process that this one has started.
#[cfg(unix)]
pub fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Says loudly that a test shows nothing here, and why.
#[expect(clippy::print_stderr, reason = "the one way in which a test can say that it was skipped")]
pub fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}
