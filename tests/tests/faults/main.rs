//! Faults that both databases must survive, each told once and shown on a SQLite file and on a PostgreSQL database.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

mod breaker;
#[cfg(target_os = "linux")]
mod clocks;
mod clones;
mod containers;
mod full;
mod gates;
mod locked;
mod meanwhile;
mod replaced;
mod sent_back;
mod stopped;
mod upgrade;

use std::process::Child;

use reaper_tests::{
    database::{Database, Kind},
    program::{Program, eventually, signal},
};

const BINARY: &str = env!("CARGO_BIN_EXE_reaper-under-test");

/// Runs a case on each kind of database; one that is not to be had is skipped loudly.
fn on_both(case: impl Fn(Database)) {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        if let Some(database) = Database::foreign_on(kind) {
            case(database);
        }
    }
}

/// A `reaper run` that is ended with its test.
#[derive(Debug)]
struct Running(Child);

impl Running {
    /// Starts one that calls its host so, with these keys set.
    fn on_host(program: &Program, host: &str, keys: &[&str]) -> Self {
        let host = format!("host={host}");
        let mut args = vec!["run", "--set", &host];
        for key in ["interval=50ms", "node.follow=true", "node.beat=100ms"].iter().chain(keys) {
            args.extend(["--set", key]);
        }
        Self(program.spawn(&args))
    }

    fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Stops it as an operator does, and answers with what it has said.
    fn stop(mut self) -> String {
        signal(&self.0, rustix::process::Signal::TERM);
        eventually("the reaper ends", || !self.is_running());
        let mut said = String::new();
        std::io::Read::read_to_string(self.0.stderr.as_mut().unwrap(), &mut said).unwrap();
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Most often it has ended.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
