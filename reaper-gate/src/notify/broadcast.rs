//! Telling several receivers.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reaper_core::Alert;

use super::{Notify, NotifyError};

/// How many alerts that only a part of the receivers has answered are remembered. The oldest is forgotten first, and
/// told to everybody again.
const REMEMBERED: usize = 256;

/// Tells every one of several receivers, each by a name that stands in errors. Without a receiver, every alert is
/// accepted.
///
/// All are tried, in their order, whatever happens at the others; one that panics counts as not delivered. The alert
/// is accepted when all have accepted it. Otherwise:
///
/// - if one may accept it later, so may all of them together: the answer is `Again`, or `Later` with the longest wait
///   that anyone asked for. Who has accepted or refused it is remembered, and not asked again when it is delivered
///   again under the same key; so one receiver that is down does not make the others repeat themselves. The memory
///   is this process's, and bounded: at least once is what is promised, to each of them.
/// - if all have answered and one has refused it, it is `Refused`, although others may have accepted it.
pub struct Broadcast {
    receivers: Vec<(String, Arc<dyn Notify>)>,
    answers: Mutex<VecDeque<(String, Answers)>>,
}

/// The final answers to an alert, by the receiver's position: accepted, or why not.
type Answers = BTreeMap<usize, Result<(), String>>;

impl Broadcast {
    /// A broadcast to these receivers.
    pub fn new(receivers: impl IntoIterator<Item = (String, Arc<dyn Notify>)>) -> Self {
        Self { receivers: receivers.into_iter().collect(), answers: Mutex::default() }
    }

    /// Takes what is remembered of an alert.
    fn recall(&self, key: &str) -> Answers {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let at = answers.iter().position(|(known, _)| known == key);
        at.and_then(|at| answers.remove(at)).map(|(_, answers)| answers).unwrap_or_default()
    }

    fn remember(&self, key: &str, given: Answers) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.push_back((key.to_owned(), given));
        if answers.len() > REMEMBERED {
            answers.pop_front();
        }
    }
}

impl fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast").field("receivers", &self.receivers).finish_non_exhaustive()
    }
}

impl Notify for Broadcast {
    fn notify(&self, key: &str, alert: &Alert) -> Result<(), NotifyError> {
        let mut answers = self.recall(key);
        let mut pending = Vec::new();
        let mut wait: Option<Duration> = None;
        for (at, (name, receiver)) in self.receivers.iter().enumerate() {
            if answers.contains_key(&at) {
                continue;
            }
            let told = catch_unwind(AssertUnwindSafe(|| receiver.notify(key, alert)));
            match told.unwrap_or_else(|_| Err(NotifyError::Again("it panicked".to_owned()))) {
                Ok(()) => drop(answers.insert(at, Ok(()))),
                Err(NotifyError::Refused(problem)) => {
                    drop(answers.insert(at, Err(format!("{name} refused it: {problem}"))));
                }
                Err(NotifyError::Again(problem)) => pending.push(format!("{name}: {problem}")),
                Err(NotifyError::Later { wait: wanted, problem }) => {
                    wait = wait.max(Some(wanted));
                    pending.push(format!("{name}: {problem}"));
                }
            }
        }

        let refusals = answers.values().filter_map(|answer| answer.clone().err());
        let problem = pending.iter().cloned().chain(refusals).collect::<Vec<_>>().join("; ");
        if !pending.is_empty() {
            self.remember(key, answers);
            return Err(match wait {
                Some(wait) => NotifyError::Later { wait, problem },
                None => NotifyError::Again(problem),
            });
        }
        if problem.is_empty() { Ok(()) } else { Err(NotifyError::Refused(problem)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Told = Result<(), NotifyError>;

    /// Answers as it is told to, in order, and counts how often it was asked. Panics when nothing is left to say.
    #[derive(Debug, Default)]
    struct Fake(Mutex<VecDeque<Told>>, Mutex<Vec<String>>);

    impl Notify for Fake {
        fn notify(&self, key: &str, _: &Alert) -> Told {
            self.1.lock().unwrap().push(key.to_owned());
            let answer = self.0.lock().unwrap().pop_front();
            answer.expect("asked once too often")
        }
    }

    impl Fake {
        fn asked(&self) -> usize {
            self.1.lock().unwrap().len()
        }
    }

    fn again(problem: &str) -> NotifyError {
        NotifyError::Again(problem.into())
    }

    fn refused(problem: &str) -> NotifyError {
        NotifyError::Refused(problem.into())
    }

    fn later(seconds: u64, problem: &str) -> NotifyError {
        NotifyError::Later { wait: Duration::from_secs(seconds), problem: problem.into() }
    }

    fn broadcast<const N: usize>(answers: [(&str, Vec<Told>); N]) -> (Broadcast, [Arc<Fake>; N]) {
        let named = answers.map(|(name, answers)| {
            (name.to_owned(), Arc::new(Fake(Mutex::new(answers.into()), Mutex::default())))
        });
        let fakes = named.clone().map(|(_, fake)| fake);
        let receivers = named.map(|(name, fake)| {
            let receiver: Arc<dyn Notify> = fake;
            (name, receiver)
        });
        (Broadcast::new(receivers), fakes)
    }

    fn alert() -> Alert {
        Alert { kind: "job_failed".into(), job: Some(7.into()), text: "job 7 failed".into() }
    }

    #[test]
    fn all_accept_or_nobody_is_there() {
        let (both, fakes) = broadcast([("a", vec![Ok(())]), ("b", vec![Ok(())])]);
        assert_eq!(both.notify("k", &alert()), Ok(()));
        assert_eq!(fakes.map(|fake| fake.asked()), [1, 1]);
        assert_eq!(broadcast([]).0.notify("k", &alert()), Ok(()));
    }

    #[test]
    fn all_are_tried_and_only_the_one_that_failed_is_tried_again() {
        let (three, fakes) = broadcast([
            ("a", vec![Err(again("down")), Err(again("still down")), Ok(())]),
            ("b", vec![Ok(())]),
            ("c", vec![Err(again("busy")), Ok(())]),
        ]);
        assert_eq!(three.notify("k", &alert()), Err(again("a: down; c: busy")));
        assert_eq!(three.notify("k", &alert()), Err(again("a: still down")));
        assert_eq!(three.notify("k", &alert()), Ok(()));
        assert_eq!(fakes.map(|fake| fake.asked()), [3, 1, 2]);
    }

    #[test]
    fn what_all_have_answered_is_forgotten() {
        let (one, fakes) = broadcast([("a", vec![Ok(()), Ok(())])]);
        assert_eq!(one.notify("k", &alert()), Ok(()));
        assert_eq!(one.notify("k", &alert()), Ok(()), "delivered again because the first was not marked");
        assert_eq!(fakes[0].asked(), 2);
    }

    #[test]
    fn a_refusal_is_said_at_the_end_and_not_asked_for_again() {
        let (both, fakes) =
            broadcast([("a", vec![Err(refused("unknown"))]), ("b", vec![Err(again("down")), Ok(())])]);
        assert_eq!(both.notify("k", &alert()), Err(again("b: down; a refused it: unknown")));
        assert_eq!(both.notify("k", &alert()), Err(refused("a refused it: unknown")));
        assert_eq!(fakes.map(|fake| fake.asked()), [1, 2]);
    }

    #[test]
    fn nobody_is_asked_before_its_wait_is_over() {
        let (three, _) = broadcast([
            ("a", vec![Err(later(7, "slowly"))]),
            ("b", vec![Err(later(3, "slowly"))]),
            ("c", vec![Err(again("down"))]),
        ]);
        assert_eq!(three.notify("k", &alert()), Err(later(7, "a: slowly; b: slowly; c: down")));
    }

    #[test]
    fn one_that_panics_hinders_nobody() {
        let (both, fakes) = broadcast([("a", vec![]), ("b", vec![Ok(())])]);
        assert_eq!(both.notify("k", &alert()), Err(again("a: it panicked")));
        assert_eq!(fakes[1].asked(), 1);
    }

    #[test]
    fn the_memory_is_bounded_and_errs_towards_telling_twice() {
        let rounds = REMEMBERED + 1;
        let (both, fakes) =
            broadcast([("a", vec![Err(again("down")); rounds + 2]), ("b", vec![Ok(()); rounds + 1])]);
        for round in 0..rounds {
            both.notify(&format!("k{round}"), &alert()).unwrap_err();
        }
        assert_eq!(both.answers.lock().unwrap().len(), REMEMBERED);
        both.notify("k1", &alert()).unwrap_err();
        assert_eq!(fakes[1].asked(), rounds, "remembered");
        both.notify("k0", &alert()).unwrap_err();
        assert_eq!(fakes[1].asked(), rounds + 1, "forgotten");
    }
}
