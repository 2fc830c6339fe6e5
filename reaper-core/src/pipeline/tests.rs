//! Pipelines that cannot be meant, and where stages lie.

use std::{format, vec, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::{sample, strategy};

fn stage(name: &str, next: Option<&str>) -> Stage {
    let next = next.map(|next| Next { stage: next.into(), agent: None });
    Stage { name: name.into(), next, gate: None }
}

fn leaves(agent: &str, stages: &[&str]) -> (String, Vec<String>) {
    (agent.into(), stages.iter().map(|stage| String::from(*stage)).collect())
}

fn problem(stages: Vec<Stage>, agents: Vec<(String, Vec<String>)>) -> String {
    format!("{}", Pipeline::new(stages, agents).unwrap_err())
}

#[test]
fn what_cannot_be_meant_is_named() {
    let stages = || vec![stage("a", Some("b")), stage("b", None)];
    assert_eq!(problem(vec![stage("a", None), stage("a", None)], vec![]), "stage `a` is defined twice");
    assert_eq!(problem(vec![stage("a", Some("c"))], vec![]), "stage `a` names stage `c`, which is not defined");
    let itself = vec![stage("a", Some("a"))];
    assert_eq!(problem(itself, vec![]), "stage `a` is followed by `a`, which does not lie behind it");
    let back = vec![stage("a", None), stage("b", Some("a"))];
    assert_eq!(problem(back, vec![]), "stage `b` is followed by `a`, which does not lie behind it");
    assert_eq!(problem(stages(), vec![leaves("x", &[])]), "agent `x` has no candidate stage");
    let unknown = vec![leaves("x", &["a", "c"])];
    assert_eq!(problem(stages(), unknown), "agent `x` names stage `c`, which is not defined");
    let twice = vec![leaves("x", &["a"]), leaves("x", &["b"])];
    assert_eq!(problem(stages(), twice), "agent `x` is defined twice");
}

#[test]
fn a_stage_may_skip_others_and_name_any_agent() {
    let mut first = stage("a", Some("c"));
    first.next.as_mut().unwrap().agent = Some("nobody that leaves a stage".into());
    let stages = vec![first, stage("b", None), stage("c", None)];
    let pipeline = Pipeline::new(stages.clone(), vec![leaves("y", &["b"]), leaves("x", &["a", "a"])]).unwrap();
    assert_eq!(pipeline.stages(), stages);
    assert_eq!(pipeline.agents().collect::<Vec<_>>(), ["x", "y"]);
}

#[test]
fn stages_are_placed_by_their_order() {
    let pipeline = sample::pipeline();
    let place = |agent: &str, stage: &str| match pipeline.place(agent, stage) {
        Placement::Candidate(found) => {
            assert_eq!(found.name, stage);
            "candidate"
        }
        Placement::Behind => "behind",
        Placement::Before => "before",
        Placement::UnknownStage => "no stage",
        Placement::UnknownAgent => "no agent",
    };
    let order = ["analysis", "architecture", "development", "review", "released"];
    let of = |agent| order.map(|stage| place(agent, stage));
    assert_eq!(of("developer"), ["before", "candidate", "behind", "behind", "behind"]);
    assert_eq!(of("fixer"), ["before", "candidate", "before", "candidate", "behind"]);
    assert_eq!(of("reviewer"), ["before", "before", "candidate", "candidate", "behind"]);
    assert_eq!(of("closer"), ["before", "before", "before", "before", "candidate"]);
    assert_eq!(of("stranger"), ["no agent"; 5]);
    assert_eq!([place("developer", "nowhere"), place("stranger", "nowhere")], ["no stage", "no agent"]);
}

proptest! {
    /// A task that is moved on lies behind its old stage, so that moving it twice is not moving it two stages on.
    #[test]
    fn tasks_go_forward(pipeline in strategy::pipelines()) {
        for agent in pipeline.agents() {
            for stage in pipeline.stages() {
                if let (Placement::Candidate(found), Some(next)) = (pipeline.place(agent, &stage.name), &stage.next) {
                    prop_assert_eq!(found, stage);
                    let at = |name: &str| pipeline.stages().iter().position(|stage| stage.name == name);
                    prop_assert!(at(&next.stage) > at(&stage.name));
                }
            }
        }
    }
}
