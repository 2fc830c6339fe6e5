//! What gates have said, until it is used or too old to be acted on.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use reaper_core::{Attempt, JobSnapshot, PassKind, StageVersion, Verdict};

/// For so long a verdict may be acted on after it was given: as long as the default grace leaves an exit to a monitor that
/// asks the gate itself. It is far longer than any pause between two passes, so that no gate is asked in vain.
const CURRENT: Duration = Duration::from_secs(300);

/// What a verdict is about: an attempt, and the visit of its task to its stage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Question {
    pub(crate) attempt: Attempt,
    pub(crate) version: Option<StageVersion>,
}

impl Question {
    pub(crate) fn of(job: &JobSnapshot) -> Self {
        let place = job.task.as_ref().and_then(|task| task.place.as_ref());
        Self { attempt: job.attempt.clone(), version: place.map(|place| place.version.clone()) }
    }
}

#[derive(Clone, Debug)]
enum Answer {
    /// The gate is running.
    Asked,
    /// It has said this, at this instant of the monotonic clock.
    Given(Verdict, Duration),
}

/// The open questions and their answers.
///
/// **Invariant:** a gate is asked by one worker at a time for one question, an undecided answer is asked again in the next
/// tick, and no pass that may act sees an answer that is older than [`CURRENT`]. One that only reports shows it all the same,
/// so that no gate is asked again and again for nothing.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    answers: BTreeMap<Question, Answer>,
}

impl Verdicts {
    /// Whether nothing is being asked, and nothing answered is left to be used.
    pub(crate) fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// Begins a pass at this instant of the monotonic clock: what it must not see is forgotten, so that its gate is asked
    /// again.
    pub(crate) fn begin(&mut self, kind: PassKind, may_act: bool, now: Duration) {
        self.answers.retain(|_, answer| match answer {
            Answer::Asked => true,
            Answer::Given(Verdict::Undecided(_), _) => kind != PassKind::Tick,
            Answer::Given(Verdict::Green | Verdict::Red(_), at) => !may_act || now.saturating_sub(*at) < CURRENT,
        });
    }

    /// Forgets all answers: after a jump of the clock nobody knows how old they are. The monotonic one stands still while
    /// the machine sleeps.
    pub(crate) fn jumped(&mut self) {
        self.answers.retain(|_, answer| matches!(answer, Answer::Asked));
    }

    /// Ends a tick: what is about no row of it is forgotten, save what is being asked.
    pub(crate) fn end_tick(&mut self, seen: &BTreeSet<Question>) {
        self.answers.retain(|question, answer| matches!(answer, Answer::Asked) || seen.contains(question));
    }

    pub(crate) fn get(&self, question: &Question) -> Option<Verdict> {
        match self.answers.get(question) {
            Some(Answer::Given(verdict, _)) => Some(verdict.clone()),
            Some(Answer::Asked) | None => None,
        }
    }

    /// Marks a question as being asked. `false`: it is already, or it was answered since the pass looked; the answer
    /// has woken the loop, and asking again would throw it away.
    pub(crate) fn ask(&mut self, question: &Question) -> bool {
        let open = !self.answers.contains_key(question);
        if open {
            self.answers.insert(question.clone(), Answer::Asked);
        }
        open
    }

    pub(crate) fn answer(&mut self, question: Question, verdict: Verdict, now: Duration) {
        self.answers.insert(question, Answer::Given(verdict, now));
    }

    pub(crate) fn forget(&mut self, question: &Question) {
        self.answers.remove(question);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question {
        Question { attempt: Attempt { job: 1.into(), fence: 2.into() }, version: Some(3.into()) }
    }

    #[test]
    fn an_answer_that_came_while_a_pass_looked_is_not_thrown_away() {
        let mut verdicts = Verdicts::default();
        assert!(verdicts.ask(&question()));
        assert!(!verdicts.ask(&question()), "it is being asked");
        verdicts.answer(question(), Verdict::Green, Duration::ZERO);
        assert!(!verdicts.ask(&question()), "it is answered");
        assert_eq!(verdicts.get(&question()), Some(Verdict::Green));
    }

    #[test]
    fn an_undecided_answer_is_asked_again_in_the_next_tick() {
        let mut verdicts = Verdicts::default();
        assert!(verdicts.ask(&question()));
        verdicts.answer(question(), Verdict::Undecided("no answer".to_owned()), Duration::ZERO);
        verdicts.begin(PassKind::Wake, true, CURRENT);
        assert!(!verdicts.ask(&question()), "not before the next tick");
        verdicts.begin(PassKind::Tick, true, CURRENT);
        assert!(verdicts.ask(&question()));
    }
}
