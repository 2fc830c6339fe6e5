//! An explanation as a page of plain text.

use alloc::string::ToString;
use core::fmt::{self, Write as _};

use super::{Explanation, Fate, Next, Tried};
use crate::{Action, Certainty, Liveness, Sighting, effect::Plain, span::Span};

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.subject(f)?;
        for tried in &self.rules {
            line(f, tried)?;
        }
        let Self { decision, course, next, .. } = self;
        write!(f, "\n{}: {}\n", sentence(&decision.action), decision.reason.sentence())?;
        for condition in course {
            let mark = if condition.holds { "and" } else { "but" };
            writeln!(f, "  {mark} {}", condition.text)?;
        }
        match next {
            Some(next) => write!(f, "{next}"),
            None => f.write_str("with no new fact this stays so"),
        }
    }
}

impl Explanation {
    fn subject(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { job, seen, now, decision, .. } = self;
        let id = job.attempt.job.to_string();
        writeln!(f, "job {}, {}: {} for {}", Name(&id), job.status, Name(&job.agent), Name(&job.repo))?;
        if let Some(task) = &job.task {
            let stage = task.place.as_ref().map_or("(its row is gone)", |place| &place.stage);
            writeln!(f, "  task      {} in stage {}", Name(&task.id.to_string()), Name(stage))?;
        }
        let fence = job.attempt.fence.to_string();
        writeln!(f, "  attempt   {}, taken {} of {} times", Name(&fence), job.attempts, job.max_attempts)?;
        if let Some(age) = decision.figures.running_age {
            writeln!(f, "  began     {} ago", Span(age))?;
        }
        if let (Some(exit), Some(age)) = (job.exit, decision.figures.exit_age) {
            writeln!(f, "  exit      code {}, {} ago", exit.code, Span(age))?;
        }
        writeln!(f, "  executor  {}", Seen(&seen.executor))?;
        writeln!(f, "  monitor   {}", Seen(&seen.monitor))?;
        writeln!(f, "  now       {}\n", now.format("%Y-%m-%d %H:%M:%S UTC"))
    }
}

/// A rule with what it failed on, or with all that made it fire.
fn line(f: &mut fmt::Formatter<'_>, tried: &Tried) -> fmt::Result {
    write!(f, "{} {:<17}", tried.rule.number(), tried.rule)?;
    let (word, shown) = match tried.fate {
        Fate::NotReached => return f.write_str("-\n"),
        Fate::DoesNotHold => ("no", false),
        Fate::Fired => ("YES", true),
    };
    write!(f, "{word:<4}")?;
    let shown = tried.conditions.iter().filter(|condition| condition.holds == shown);
    for (at, condition) in shown.enumerate() {
        if at > 0 {
            write!(f, "{:23}", "")?;
        }
        writeln!(f, "{}", condition.text)?;
    }
    Ok(())
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, wait, action, rule, reason } = self;
        let at = at.format("%Y-%m-%d %H:%M:%S UTC");
        writeln!(f, "with no new fact, in {} ({at}), by rule {}:", Span(*wait), rule.number())?;
        write!(f, "  {}: {}", sentence(action), reason.sentence())
    }
}

/// An action as the beginning of a sentence.
fn sentence(action: &Action) -> impl fmt::Display + '_ {
    struct Sentence<'a>(&'a Action);
    impl fmt::Display for Sentence<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self.0 {
                Action::Keep => f.write_str("keep"),
                Action::AskGate { gate } => write!(f, "ask gate {}", Name(gate)),
                Action::Terminate => f.write_str("stop its processes"),
                Action::Requeue => f.write_str("requeue"),
                Action::Fail { cause } => write!(f, "fail, {}", cause.sentence()),
                Action::Done { advance: None } => f.write_str("done, no move of a task"),
                Action::Done { advance: Some(order) } => {
                    write!(f, "done, task {} goes to {}", order.task, Name(&order.to))
                }
                Action::Dismiss => f.write_str("put the late finish aside"),
            }
        }
    }
    Sentence(action)
}

struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Plain { text: self.0, max: 60 }.fmt(f)
    }
}

struct Seen<'a>(&'a Sighting);

impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sighting { liveness, finding } = self.0;
        f.write_str(liveness.as_str())?;
        match liveness {
            Liveness::Alive(Certainty::Verified) | Liveness::Dead(Certainty::Verified) => {
                f.write_str(" for certain")?
            }
            Liveness::Alive(Certainty::Unverified) | Liveness::Dead(Certainty::Unverified) => {
                f.write_str(", not certain")?;
            }
            Liveness::Leftovers | Liveness::Elsewhere | Liveness::Unknown => {}
        }
        f.write_char(':')?;
        write!(f, " {}", Name(&finding.to_string()))
    }
}
