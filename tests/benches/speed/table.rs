//! Tables of what was measured, for people and for programs. They know no database.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::rounds::{Measured, Role, micros};

/// Some cases of one kind of work.
#[derive(Clone, Debug)]
pub struct Table {
    /// A short name, for programs and for the pictures.
    pub name: &'static str,
    /// What was measured.
    pub title: String,
    /// The cases.
    pub cases: Vec<Case>,
}

/// One size of the work, or a figure that is no time.
#[derive(Clone, Debug)]
pub enum Case {
    /// Times.
    Times {
        /// How it differs from the other cases.
        name: String,
        /// A number for it, such as how many jobs run.
        size: u64,
        /// The limit first.
        measured: Vec<Measured>,
    },
    /// A figure with its goal.
    Figure {
        /// What it is.
        name: String,
        /// Its value.
        value: f64,
        /// What it is to stay under.
        goal: f64,
        /// What it is counted in.
        unit: &'static str,
    },
}

impl Table {
    /// As Markdown.
    pub fn text(&self) -> String {
        let mut text = format!("### {}\n\n", self.title);
        let times = self.cases.iter().any(|case| matches!(case, Case::Times { .. }));
        text.push_str(if times {
            "| case | who | role | median | x limit: median (min to max) | goal |\n|---|---|---|---:|---:|---:|\n"
        } else {
            "| what | value | goal |\n|---|---:|---:|\n"
        });
        for case in &self.cases {
            match case {
                Case::Times { name, measured, .. } => {
                    for one in measured {
                        writeln!(text, "{}", line(name, one)).unwrap();
                    }
                }
                Case::Figure { name, value, goal, unit } => {
                    writeln!(text, "| {name} | {value:.1} {unit} | {goal:.0} {unit} |").unwrap();
                }
            }
        }
        text
    }
}

fn line(case: &str, one: &Measured) -> String {
    let time = micros(one.time);
    let time = if time < 1000.0 { format!("{time:.1} us") } else { format!("{:.1} ms", time / 1000.0) };
    let ratio = match one.role {
        Role::Limit => "1".to_owned(),
        Role::Subject | Role::Peer => {
            let ratio = one.ratio;
            format!("{} ({} to {})", figures(ratio.median), figures(ratio.min), figures(ratio.max))
        }
    };
    let goal = one.goal.map_or_else(String::new, |goal| format!("{goal}"));
    format!("| {case} | {} | {} | {time} | {ratio} | {goal} |", one.who, one.role.as_str())
}

/// A ratio with as many digits as mean something.
pub fn figures(ratio: f64) -> String {
    if ratio < 20.0 { format!("{ratio:.2}") } else { format!("{ratio:.0}") }
}

/// All tables as one document.
pub fn json(tables: &[Table]) -> Value {
    let tables = tables.iter().map(|table| {
        let cases: Vec<_> = table.cases.iter().map(case_json).collect();
        json!({ "name": table.name, "title": table.title, "cases": cases })
    });
    json!({ "tables": tables.collect::<Vec<_>>() })
}

fn case_json(case: &Case) -> Value {
    match case {
        Case::Times { name, size, measured } => {
            json!({ "name": name, "size": size, "measured": measured.iter().map(Measured::json).collect::<Vec<_>>() })
        }
        Case::Figure { name, value, goal, unit } => {
            json!({ "name": name, "value": value, "goal": goal, "unit": unit })
        }
    }
}

/// A count in a few letters.
pub fn short(count: u64) -> String {
    match count {
        ..1000 => count.to_string(),
        1000..1_000_000 => format!("{}k", count / 1000),
        1_000_000.. => format!("{}M", count / 1_000_000),
    }
}
