//! The pipeline as data: the stages in their order, what follows each, and who leaves which.

use alloc::{borrow::ToOwned, collections::BTreeMap, string::String, vec::Vec};

#[cfg(test)]
mod tests;

/// What follows a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Next {
    /// The next stage's name.
    pub stage: String,
    /// Who does the next job; `None` where nobody has to.
    pub agent: Option<String>,
}

/// A stage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Stage {
    /// Its name, unique in the pipeline.
    pub name: String,
    /// What follows it; `None` for a final stage.
    pub next: Option<Next>,
    /// The gate that guards leaving it; `None` where nothing does.
    pub gate: Option<String>,
}

/// Where a task's stage lies, seen from an agent whose job ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement<'a> {
    /// A stage that this agent's jobs leave.
    Candidate(&'a Stage),
    /// Behind all of the agent's stages: the task was moved on already.
    Behind,
    /// Before the agent's last stage, and none of its own: moving on would skip something.
    Before,
    /// The pipeline has no such stage.
    UnknownStage,
    /// The pipeline has no such agent.
    UnknownAgent,
}

/// Why a pipeline cannot mean anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// Two stages of one name.
    #[error("stage `{0}` is defined twice")]
    DuplicateStage(String),
    /// A stage is named that is not defined.
    #[error("{whose} names stage `{stage}`, which is not defined")]
    UndefinedStage {
        /// Who names it.
        whose: String,
        /// The name.
        stage: String,
    },
    /// A stage is followed by itself or by one before it.
    #[error("stage `{from}` is followed by `{to}`, which does not lie behind it")]
    Backward {
        /// The stage.
        from: String,
        /// What is to follow it.
        to: String,
    },
    /// An agent is given twice.
    #[error("agent `{0}` is defined twice")]
    DuplicateAgent(String),
    /// An agent leaves no stage.
    #[error("agent `{0}` has no candidate stage")]
    NoCandidates(String),
}

/// Stages in their order and the stages that each agent's jobs leave.
///
/// **Invariant:** names are unique, every stage that is named is defined, and every stage is followed by a later
/// one, so that a task can only go forward. The agent of a next job need not leave a stage itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pipeline {
    stages: Vec<Stage>,
    candidates: BTreeMap<String, Vec<usize>>,
}

impl Pipeline {
    /// Builds a pipeline from its stages in order and each agent's candidate stages.
    ///
    /// # Errors
    ///
    /// A [`PipelineError`] names the first thing that cannot be meant.
    pub fn new(
        stages: Vec<Stage>,
        agents: impl IntoIterator<Item = (String, Vec<String>)>,
    ) -> Result<Self, PipelineError> {
        let position = |name: &str| stages.iter().position(|stage| stage.name == name);
        for (at, stage) in stages.iter().enumerate() {
            if position(&stage.name) != Some(at) {
                return Err(PipelineError::DuplicateStage(stage.name.clone()));
            }
            if let Some(next) = &stage.next {
                let to = position(&next.stage).ok_or_else(|| PipelineError::UndefinedStage {
                    whose: alloc::format!("stage `{}`", stage.name),
                    stage: next.stage.clone(),
                })?;
                if to <= at {
                    return Err(PipelineError::Backward { from: stage.name.clone(), to: next.stage.clone() });
                }
            }
        }
        let mut candidates = BTreeMap::new();
        for (agent, names) in agents {
            if names.is_empty() {
                return Err(PipelineError::NoCandidates(agent));
            }
            let positions = names
                .iter()
                .map(|name| {
                    position(name).ok_or_else(|| PipelineError::UndefinedStage {
                        whose: alloc::format!("agent `{agent}`"),
                        stage: name.to_owned(),
                    })
                })
                .collect::<Result<Vec<_>, _>>()?;
            if candidates.contains_key(&agent) {
                return Err(PipelineError::DuplicateAgent(agent));
            }
            candidates.insert(agent, positions);
        }
        Ok(Self { stages, candidates })
    }

    /// The stages in their order.
    #[must_use]
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// The agents, in the order of their names.
    pub fn agents(&self) -> impl Iterator<Item = &str> {
        self.candidates.keys().map(String::as_str)
    }

    /// Where `stage` lies for a job of `agent`.
    #[must_use]
    pub fn place(&self, agent: &str, stage: &str) -> Placement<'_> {
        let Some(own) = self.candidates.get(agent) else {
            return Placement::UnknownAgent;
        };
        let Some((at, found)) = self.stages.iter().enumerate().find(|(_, known)| known.name == stage) else {
            return Placement::UnknownStage;
        };
        if own.contains(&at) {
            Placement::Candidate(found)
        } else if own.iter().all(|own| *own < at) {
            Placement::Behind
        } else {
            Placement::Before
        }
    }
}
