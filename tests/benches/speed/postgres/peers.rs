//! What others do today: each a program of its own, which answers on its standard output what it is asked on its standard
//! input, on a database of its own on the same server. It carries out its own code on its own tables.
//!
//! `cargo xtask bench --peers` installs them from `tests/benches/peers`.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use reaper_tests::database::Scratch;

use crate::parts::Rows;

/// Name, program and script of each, from the folder in which they are installed.
const PEERS: [(&str, &str, &str); 4] = [
    ("graphile-worker", "node_modules/.bin/node", "graphile-worker.mjs"),
    ("pg-boss", "node_modules/.bin/node", "pg-boss.mjs"),
    ("procrastinate", "venv/bin/python", "procrastinate_peer.py"),
    ("apalis", "apalis/target/release/apalis-peer", "-"),
];

/// One that runs, with its rows.
#[derive(Debug)]
pub struct Peer {
    /// Its name.
    pub name: &'static str,
    child: Child,
    /// Closed, it ends.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Dropped after the program has ended.
    _scratch: Scratch,
}

impl Peer {
    /// Starts all that are installed in a folder, each with such rows; none without a folder.
    pub fn all(folder: Option<&Path>, rows: Rows) -> Vec<Self> {
        folder.into_iter().flat_map(|folder| PEERS.map(|peer| Self::start(folder, peer, rows))).collect()
    }

    fn start(folder: &Path, (name, program, script): (&'static str, &str, &str), rows: Rows) -> Self {
        eprintln!("postgres: {name} with {} running jobs", rows.running);
        let scratch = Scratch::new().expect("the server was asked for before");
        let mut command = Command::new(folder.join(program));
        command.arg(folder.join(script)).env("DATABASE_URL", scratch.url());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut peer = Self { name, child, input, output, _scratch: scratch };
        assert_eq!(peer.line(), "ready", "{name}");
        peer.tell(&format!("fill {} {} {}", rows.running, rows.orphans, rows.finished));
        peer
    }

    /// Makes everything as it was before its latest pass.
    pub fn undo(&mut self) {
        self.tell("undo");
    }

    /// The time of a pass, the middle of so many, and how many jobs they put back in the queue.
    pub fn passes(&mut self, runs: u32) -> (Duration, u64) {
        let answer = self.ask(&format!("pass {runs}"));
        let parsed = answer.split_once(' ').and_then(|(micros, count)| {
            Some((Duration::from_secs_f64(micros.parse::<f64>().ok()? / 1e6), count.parse().ok()?))
        });
        parsed.unwrap_or_else(|| panic!("{} answers {answer:?} to a pass", self.name))
    }

    fn tell(&mut self, line: &str) {
        assert_eq!(self.ask(line), "ok", "{} does not {line}", self.name);
    }

    fn ask(&mut self, line: &str) -> String {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
        self.line()
    }

    /// Its next line; nothing if it has ended, which it said why on its standard error.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.input = None;
        self.child.wait().ok();
    }
}
