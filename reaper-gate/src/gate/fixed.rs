//! Gates whose verdict is fixed beforehand, for tests and demonstrations.

use std::collections::BTreeMap;

use reaper_core::{JobSnapshot, Verdict};

use super::Gate;

/// Answers each gate with a verdict that was fixed beforehand.
///
/// ```
/// use reaper_core::Verdict;
/// use reaper_gate::gate::FixedGate;
///
/// let gate = FixedGate::always(Verdict::Green).with("review", Verdict::Red("two findings".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedGate {
    /// The verdicts of single gates, by name.
    pub by_name: BTreeMap<String, Verdict>,
    /// The verdict of every other gate.
    pub otherwise: Verdict,
}

impl FixedGate {
    /// One verdict for every gate.
    #[must_use]
    pub const fn always(verdict: Verdict) -> Self {
        Self { by_name: BTreeMap::new(), otherwise: verdict }
    }

    /// Another verdict for one gate.
    #[must_use]
    pub fn with(mut self, gate: &str, verdict: Verdict) -> Self {
        self.by_name.insert(gate.to_owned(), verdict);
        self
    }
}

impl Gate for FixedGate {
    fn ask(&self, gate: &str, _: &JobSnapshot) -> Verdict {
        self.by_name.get(gate).unwrap_or(&self.otherwise).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::command::tests::job;

    #[test]
    fn a_gate_without_a_verdict_of_its_own_has_the_general_one() {
        let gate = FixedGate::always(Verdict::Green).with("review", Verdict::Red("two findings".into()));
        assert_eq!(gate.ask("review", &job()), Verdict::Red("two findings".into()));
        assert_eq!(gate.ask("tests", &job()), Verdict::Green);
    }
}
