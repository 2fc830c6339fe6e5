//! What was measured, and how it is printed.

use std::time::Duration;

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was done.
    pub what: String,
    /// On which database, where on one.
    pub on: &'static str,
    /// How many processes were watched beside.
    pub watched: usize,
    /// The measurements, in their order of size.
    pub times: Vec<Duration>,
    /// What it should be at most, in the middle.
    pub goal: Option<Duration>,
    /// Other figures, in words.
    pub note: String,
}

impl Row {
    /// A line without a goal.
    pub fn new(what: impl Into<String>, on: &'static str, watched: usize, mut times: Vec<Duration>) -> Self {
        times.sort();
        Self { what: what.into(), on, watched, times, goal: None, note: String::new() }
    }

    /// The value below which so many percent are.
    pub fn percentile(&self, percent: usize) -> Duration {
        let last = self.times.len().saturating_sub(1);
        self.times.get((self.times.len() * percent / 100).min(last)).copied().unwrap_or_default()
    }
}

/// Prints the table.
pub fn print(rows: &[Row], json: bool) {
    if json {
        let us = |time: Duration| time.as_secs_f64() * 1e6;
        let rows = rows.iter().map(|row| {
            serde_json::json!({
                "what": row.what, "on": row.on, "watched": row.watched, "rounds": row.times.len(), "note": row.note,
                "p50_us": us(row.percentile(50)), "p90_us": us(row.percentile(90)), "p99_us": us(row.percentile(99)),
                "goal_us": row.goal.map(us),
            })
        });
        println!("{}", serde_json::Value::Array(rows.collect()));
        return;
    }
    println!("| what | on | watched | p50 | p90 | p99 | goal | |\n|---|---|---:|---:|---:|---:|---:|---|");
    for row in rows {
        let [p50, p90, p99] = [50, 90, 99].map(|percent| shown(row.percentile(percent)));
        let goal = row.goal.map(shown).unwrap_or_default();
        println!(
            "| {} | {} | {} | {p50} | {p90} | {p99} | {goal} | {} |",
            row.what, row.on, row.watched, row.note
        );
    }
}

/// A time with three figures.
pub fn shown(time: Duration) -> String {
    let us = time.as_secs_f64() * 1e6;
    match us {
        us if us < 1000.0 => format!("{us:.0} us"),
        us if us < 1_000_000.0 => format!("{:.2} ms", us / 1000.0),
        us => format!("{:.2} s", us / 1e6),
    }
}
