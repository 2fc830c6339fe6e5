//! What follows from a won claim outside the job's own row. Effects are stored with the claim and delivered after it.

use alloc::string::String;
use core::fmt;

use crate::{Attempt, JobId, StageVersion, TaskId, job::Place};

#[cfg(test)]
mod tests;

/// The move of a task to its next stage. It takes effect at most once: it is a compare-and-set on the stage
/// and its version, and the next job carries a unique key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AdvanceOrder {
    /// The task to move.
    pub task: TaskId,
    /// The repository, for the next job.
    pub repo: String,
    /// The stage that it must still stand in.
    pub from: String,
    /// The visit to that stage that it must still be on.
    pub version: StageVersion,
    /// The stage that it goes to.
    pub to: String,
    /// Who does the next job; `None` where the next stage has none.
    pub next_agent: Option<String>,
}

impl AdvanceOrder {
    /// The guard of the move: the task is still on the order's visit to its stage. A stage alone does not tell that: a
    /// task that was moved on and sent back stands in it again.
    #[must_use]
    pub fn holds_for(&self, place: &Place) -> bool {
        place.stage == self.from && place.version == self.version
    }

    /// The key under which the next job is enqueued, unique per visit to a stage.
    #[must_use]
    pub fn source_key(&self) -> String {
        alloc::format!("advance:{}:{}", self.task, self.version)
    }
}

/// Something that a person should know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Alert {
    /// What happened, one word or two for machines to group by: `job_failed`, `gate_undecided`, ….
    pub kind: String,
    /// The job that it is about, where it is about one.
    pub job: Option<JobId>,
    /// One plain sentence. Fields of the job in it are escaped and cut short.
    pub text: String,
}

/// An effect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Effect {
    /// Move the task on.
    Advance(AdvanceOrder),
    /// Tell somebody.
    Alert(Alert),
}

impl Effect {
    /// The kind, a part of the outbox's key.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Advance(_) => "advance",
            Self::Alert(_) => "alert",
        }
    }
}

/// The idempotency key of an effect of a claim: `job:fence:kind`.
#[must_use]
pub fn claim_key(attempt: &Attempt, effect: &Effect) -> String {
    alloc::format!("{attempt}:{}", effect.kind())
}

/// A text of somebody else's, made fit for a terminal, a log or a message: control characters escaped, and
/// cut at `max` characters with `…`.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a> {
    /// The text.
    pub text: &'a str,
    /// How many characters of it are shown.
    pub max: usize,
}

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for (i, c) in self.text.chars().enumerate() {
            if i >= self.max {
                return f.write_char('…');
            }
            if c.is_control() || is_invisible(c) {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// Characters that print nothing, break a line, or turn the direction of what follows them.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}
