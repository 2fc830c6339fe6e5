//! A pass in words.

use std::fmt::Write as _;

use reaper_core::{Action, Mode, Rule, effect::Plain};
use reaper_store::Outcome;

use super::{
    output::{Out, Style},
    table::{render, table},
};
use crate::{PassReport, report::Settled};

/// What a pass did, in a few lines.
pub(super) fn describe(out: Out, report: &PassReport, heading: String) -> String {
    let mut text = format!("{}: {}\n", out.styled(Style::Strong, &heading), summary(report));
    if !report.settled.is_empty() {
        let mut rows = table(&["job", "agent", "rule", "why", "action", "outcome"]);
        for settled in &report.settled {
            rows.add_row(row(settled));
        }
        text.push_str(&render(&rows));
    }
    details(out, report, &mut text);
    text
}

fn summary(report: &PassReport) -> String {
    if report.mode == Mode::Off {
        return "switched off, nothing was looked at".into();
    }
    let mut parts = vec![format!("{} looked at", report.counts.loaded)];
    let won = report.won().count();
    if report.mode == Mode::Report {
        parts.push(format!("{} would be settled", report.settled.len()));
    } else {
        parts.push(format!("{won} settled"));
    }
    for (count, what) in [
        (report.lost(), "lost"),
        (report.asked.len(), "gates asked"),
        (report.cannot_tell.len(), "need a person"),
        (report.bad.len(), "do not parse"),
        (report.failures.len(), "failed"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    for (count, what) in [(report.counts.held, "held"), (report.counts.deferred, "left to the next pass")] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let waiting = report.counts.by_rule.get(&Rule::ShortStreak).copied().unwrap_or(0);
    if waiting > 0 {
        parts.push(format!("{waiting} dead, not often enough yet"));
    }
    parts.join(", ")
}

fn row(settled: &Settled) -> [String; 6] {
    [
        settled.job.to_string(),
        Plain { text: &settled.agent, max: 20 }.to_string(),
        settled.rule.number().to_string(),
        why(settled.rule.as_str(), settled.reason.as_str()),
        action(&settled.action),
        match &settled.outcome {
            Some(Outcome::Won) => "settled".into(),
            Some(Outcome::Lost) => "lost to another".into(),
            Some(Outcome::Forbidden(mode)) => format!("forbidden by mode {mode}"),
            Some(Outcome::Refused(_)) => "refused".into(),
            None => "only reported".into(),
        },
    ]
}

/// An action in words, with what it leads to.
pub(super) fn action(action: &Action) -> String {
    match action {
        Action::Keep => "keep".into(),
        Action::AskGate { gate } => format!("ask gate {}", Plain { text: gate, max: 20 }),
        Action::Terminate => "stop the executor".into(),
        Action::Requeue => "requeue".into(),
        Action::Fail { cause } => format!("fail ({})", words(cause.as_str())),
        Action::Done { advance: None } => "done".into(),
        Action::Done { advance: Some(order) } => format!("done, on to {}", Plain { text: &order.to, max: 20 }),
        Action::Dismiss => "dismiss its exit".into(),
    }
}

/// A name in words.
pub(super) fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// A rule and the reason for which it led to its action, each said once.
pub(super) fn why(rule: &str, reason: &str) -> String {
    if rule.is_empty() || reason.starts_with(rule) {
        words(reason)
    } else {
        format!("{}: {}", words(rule), words(reason))
    }
}

fn details(out: Out, report: &PassReport, text: &mut String) {
    let mut line = |style, line: String| {
        // Writing to a String does not fail.
        writeln!(text, "  {}", out.styled(style, &line)).ok();
    };
    if let Some(error) = &report.error {
        line(Style::Bad, format!("the pass failed: {}", Plain { text: error, max: 400 }));
    }
    if let Some(ms) = report.clock_jump_ms {
        line(Style::Notice, format!("the database's clock jumped by {ms} ms: only certain deaths were settled"));
    }
    for (kind, open) in report.breaker.open.iter().filter(|(_, open)| !open.released) {
        let (dead, followed) = (open.tally.dead, open.tally.followed);
        line(
            Style::Notice,
            format!(
                "breaker: {dead} of {followed} look dead by {}, since {}",
                words(kind.as_str()),
                at(open.since)
            ),
        );
    }
    for failure in &report.failures {
        line(Style::Bad, format!("job {}: {}", failure.job, Plain { text: &failure.problem, max: 200 }));
    }
    for bad in &report.bad {
        line(Style::Notice, bad.to_string());
    }
    for kept in &report.cannot_tell {
        line(
            Style::Notice,
            format!(
                "job {} needs a person: {} (reaper explain {})",
                kept.job,
                words(kept.reason.as_str()),
                kept.job
            ),
        );
    }
    for (key, note) in &report.deliveries.done {
        line(Style::Faint, format!("delivered {}: {}", key_of(key), Plain { text: note, max: 200 }));
    }
    for (key, problem) in &report.deliveries.again {
        line(Style::Notice, format!("not delivered yet {}: {}", key_of(key), Plain { text: problem, max: 200 }));
    }
    for (key, problem) in &report.deliveries.dead {
        line(Style::Bad, format!("given up {}: {}", key_of(key), Plain { text: problem, max: 200 }));
    }
    for path in &report.leases_removed {
        line(
            Style::Faint,
            format!("removed the stale lease {}", Plain { text: &path.to_string_lossy(), max: 200 }),
        );
    }
}

/// An effect's key, in which an agent may be named.
fn key_of(key: &str) -> Plain<'_> {
    Plain { text: key, max: 200 }
}

/// An instant as people read it.
pub(super) fn at(instant: reaper_core::Timestamp) -> String {
    instant.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
