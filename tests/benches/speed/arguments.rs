//! The command line.

use std::path::PathBuf;

/// How the tables are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// As Markdown.
    Text,
    /// As one JSON document.
    Json,
}

/// A measurement that needs a process of its own, because a process's peak memory never falls.
#[derive(Clone, Debug)]
pub struct Child {
    /// The database: a URL or a file.
    pub database: String,
    /// How many jobs a pass may settle.
    pub budget: usize,
    /// How many passes it makes at most.
    pub passes: usize,
}

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// Only so much as to prove that all of it works: 10,000 rows, few rounds.
    pub short: bool,
    /// With a long past: so many finished jobs and as many events.
    pub history: bool,
    /// How many.
    pub past: u64,
    /// Only the tables whose names hold this.
    pub only: String,
    /// How the tables are printed.
    pub output: Output,
    /// Where the tables and the pictures are kept.
    pub keep: Option<PathBuf>,
    /// Where the peers are installed.
    pub peers: Option<PathBuf>,
    /// This process measures one thing for another one.
    pub child: Option<Child>,
    /// This process is one of many that settle all that is to be settled in this database.
    pub racer: Option<String>,
}

impl Arguments {
    /// How many jobs and events of the past there are.
    pub const fn past(&self) -> u64 {
        if self.short { 10_000 } else { self.past }
    }

    /// Reads the command line; anything unknown ends the process.
    pub fn read(mut words: impl Iterator<Item = String>) -> Self {
        let mut arguments = Self {
            short: false,
            history: false,
            past: 10_000_000,
            only: String::new(),
            output: Output::Text,
            keep: None,
            peers: None,
            child: None,
            racer: None,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
            match word.as_str() {
                // Cargo says so to whatever it runs as a bench.
                "--bench" => {}
                "--short" => arguments.short = true,
                "--history" => arguments.history = true,
                "--past" => arguments.past = value().parse().unwrap(),
                "--only" => arguments.only = value(),
                "--keep" => arguments.keep = Some(value().into()),
                "--peers" => arguments.peers = Some(value().into()),
                "--output" => {
                    arguments.output = match value().as_str() {
                        "text" => Output::Text,
                        "json" => Output::Json,
                        other => panic!("--output is text or json, not {other}"),
                    };
                }
                "--child" => {
                    let database = value();
                    let budget = value().parse().unwrap();
                    arguments.child = Some(Child { database, budget, passes: value().parse().unwrap() });
                }
                "--racer" => arguments.racer = Some(value()),
                other => panic!("unknown argument {other}"),
            }
        }
        arguments
    }
}
