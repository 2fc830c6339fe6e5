//! What is stored and reported comes back as it was, under names that do not change by accident.

use core::fmt::Debug;
use std::string::String;

use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    Breaker, Breakers, Clock, Plan, ProcessIdentity, Status,
    breaker::{BreakerPolicy, EvidenceKind, Open, Tally},
    explain,
    plan::{Planned, Planner},
    sample::{Case, DEAD, case, identity, now},
    strategy,
};

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value, "{text}");
}

fn json_of(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

#[test]
fn the_breaker_has_a_stable_form() {
    let open = Open { since: now(), seen_at: now(), tally: Tally { followed: 20, dead: 19 }, released: false };
    let breaker = Breaker { open: [(EvidenceKind::BarePid, open)].into() };
    let breakers = Breakers { age: Some(open), hosts: [("h".into(), breaker)].into() };
    let form = json!({
        "since": "2026-03-01T12:00:00Z", "seen_at": "2026-03-01T12:00:00Z",
        "tally": { "followed": 20, "dead": 19 }, "released": false,
    });
    let form = json!({ "age": form, "hosts": { "h": { "open": { "bare_pid": form } } } });
    assert_eq!(json_of(&breakers), form);
    comes_back(&breakers);
    assert_eq!(serde_json::from_str::<Breaker>("{}").unwrap(), Breaker::default());
    assert_eq!(serde_json::from_str::<Breakers>("{}").unwrap(), Breakers::default());
}

#[test]
fn a_decision_has_a_stable_form() {
    let mut case = case();
    case.exit(0, 600);
    let form = json_of(&case.decide());
    assert_eq!(form["rule"], "exit_zero");
    assert_eq!(form["reason"], "gate_not_asked");
    assert_eq!(form["action"], json!({ "ask_gate": { "gate": "ci" } }));
    assert_eq!(form["basis"]["status"], "running");
    assert_eq!(form["basis"]["exit"], json!({ "code": 0, "at": "2026-03-01T11:50:00Z" }));
    case.exit(1, 600);
    assert_eq!(json_of(&case.decide())["action"], "requeue");
}

#[test]
fn an_identity_is_its_text() {
    assert_eq!(json_of(&identity(9)), "build-1/f00d/4026531836/9/815/-");
    let refused = serde_json::from_str::<ProcessIdentity>("\"h/b\"").unwrap_err();
    assert!(String::from("h/b").parse::<ProcessIdentity>().is_err() && refused.is_data());
}

#[test]
fn a_plan_comes_back() {
    let mut planner = Planner::new(crate::PassKind::Tick, 2);
    let changes: [fn(&mut Case) -> &mut Case; 4] =
        [|c| c.exit(1, 600), |c| c.exit(0, 600), |c| c.dead(DEAD, 2), |c| c.status(Status::Done)];
    for change in changes {
        planner.add(change(&mut case()).planned());
    }
    let plan = planner.finish(&mut Breaker::default(), &Clock::at(now()), &BreakerPolicy::default());
    comes_back::<Plan>(&plan);
    assert_eq!(json_of(&plan)["counts"]["by_rule"]["exit_zero"], 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_decided_comes_back(case in strategy::cases()) {
        let (job, seen, clock, policy) = case;
        comes_back(&clock);
        let explanation = explain(&job, &seen, &clock, &policy);
        comes_back(&explanation);
        comes_back(&Planned { job, seen, decision: explanation.decision });
    }
}
