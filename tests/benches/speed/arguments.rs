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
    /// The SQLite database.
    pub database: PathBuf,
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
    /// With ten million finished jobs and as many events.
    pub history: bool,
    /// Only the tables whose names hold this.
    pub only: String,
    /// How the tables are printed.
    pub output: Output,
    /// Where the pictures go.
    pub pictures: Option<PathBuf>,
    /// This process measures one thing for another one.
    pub child: Option<Child>,
}

impl Arguments {
    /// Reads the command line; anything unknown ends the process.
    pub fn read(mut words: impl Iterator<Item = String>) -> Self {
        let mut arguments = Self {
            short: false,
            history: false,
            only: String::new(),
            output: Output::Text,
            pictures: None,
            child: None,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
            match word.as_str() {
                // Cargo says so to whatever it runs as a bench.
                "--bench" => {}
                "--short" => arguments.short = true,
                "--history" => arguments.history = true,
                "--only" => arguments.only = value(),
                "--pictures" => arguments.pictures = Some(value().into()),
                "--output" => {
                    arguments.output = match value().as_str() {
                        "text" => Output::Text,
                        "json" => Output::Json,
                        other => panic!("--output is text or json, not {other}"),
                    };
                }
                "--child" => {
                    let database = value().into();
                    let budget = value().parse().unwrap();
                    arguments.child = Some(Child { database, budget, passes: value().parse().unwrap() });
                }
                other => panic!("unknown argument {other}"),
            }
        }
        arguments
    }
}
