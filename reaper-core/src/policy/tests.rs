//! Defaults, what is refused, and what a load goes by.

use std::format;

use proptest::prelude::*;

use super::*;
use crate::{sample::secs, strategy};

#[test]
fn the_defaults_are_as_documented() {
    let policy = Policy::default();
    let Limits { dead_ticks, finalize_grace, max_running, start_timeout, exit, intensity } = &policy.limits;
    assert_eq!((*dead_ticks, *finalize_grace, *max_running), (2, secs(300), secs(21_600)));
    assert_eq!((*start_timeout, exit), (None, &ExitPolicy::default()));
    assert_eq!(*intensity, Some(Intensity { crashes: 20, period: secs(600) }));
    assert_eq!((policy.on_overrun, policy.terminate_grace), (OnOverrun::Terminate, secs(10)));
    assert_eq!((policy.max_rescues, policy.gate_patience, policy.elsewhere_patience), (5, secs(3600), secs(300)));
    assert_eq!(policy.terminating_expires(), secs(40));
    assert_eq!(policy.validate(), Ok(()));
}

fn own(change: impl FnOnce(&mut Limits)) -> Policy {
    let mut limits = Limits::default();
    change(&mut limits);
    Policy { agents: BTreeMap::from([("developer".into(), limits)]), ..Policy::default() }
}

#[test]
fn an_agents_own_figures_replace_the_general_ones() {
    let policy = own(|limits| limits.dead_ticks = 7);
    assert_eq!(policy.limits_for("developer").dead_ticks, 7);
    assert_eq!(policy.limits_for("reviewer").dead_ticks, 2);
}

#[test]
fn a_load_goes_by_the_shortest_figures() {
    let policy = own(|limits| limits.finalize_grace = secs(5));
    assert_eq!((policy.shortest_grace(), policy.shortest_running()), (secs(5), secs(21_600)));
    let policy = own(|limits| limits.max_running = secs(60));
    assert_eq!((policy.shortest_grace(), policy.shortest_running()), (secs(300), secs(60)));
    let policy = own(|limits| limits.start_timeout = Some(secs(30)));
    assert_eq!(policy.shortest_running(), secs(30));
    let policy = own(|limits| limits.start_timeout = Some(secs(99_999)));
    assert_eq!(policy.shortest_running(), secs(21_600), "a ceiling below the start time-out");
}

#[test]
fn what_cannot_mean_anything_is_refused_with_the_figure() {
    let problem = |policy: &Policy| format!("{}", policy.validate().unwrap_err());
    let mut policy = Policy::default();
    policy.limits.dead_ticks = 0;
    assert_eq!(problem(&policy), "dead_ticks = 0: a death must be seen at least once: use 1 or more");
    let policy = own(|limits| limits.dead_ticks = 0);
    assert_eq!(
        problem(&policy),
        "agents.developer.dead_ticks = 0: a death must be seen at least once: use 1 or more"
    );
    let off = "is no rate: use at least 1, and a period of some length; or off";
    for (crashes, period) in [(0, secs(600)), (20, secs(0)), (20, Duration::from_nanos(19))] {
        let policy = own(|limits| limits.intensity = Some(Intensity { crashes, period }));
        assert_eq!(problem(&policy), format!("agents.developer.intensity = {crashes}/{period:?}: {off}"));
    }
    assert_eq!(own(|limits| limits.intensity = None).validate(), Ok(()));
    let mut policy = Policy::default();
    policy.backoff.max = secs(9);
    assert_eq!(problem(&policy), "backoff_max = 9s: is below backoff_base");
    policy.backoff.max = secs(10);
    policy.breaker.percent = 101;
    assert_eq!(problem(&policy), "breaker_percent = 101: is a share: use 0 to 100");
}

#[test]
fn what_is_merely_strict_or_lax_is_legal() {
    let strict = |limits: &mut Limits| {
        *limits = Limits {
            dead_ticks: 1,
            finalize_grace: secs(0),
            max_running: secs(0),
            start_timeout: Some(secs(0)),
            ..Limits::default()
        };
    };
    assert_eq!(own(strict).validate(), Ok(()));
    assert_eq!(own(|limits| limits.max_running = Duration::MAX).validate(), Ok(()));
    let policy = Policy { terminate_grace: Duration::MAX, ..Policy::default() };
    assert_eq!((policy.validate(), policy.terminating_expires()), (Ok(()), Duration::MAX));
}

#[test]
fn fatal_exits_are_codes_or_signals() {
    let at = crate::sample::now();
    let policy = ExitPolicy { fail_on: [Signature::Code(2), Signature::Signal(9), Signature::Code(138)].into() };
    for (code, fatal) in
        [(2, true), (1, false), (9, false), (137, true), (-9, true), (-2, false), (0, false), (138, true)]
    {
        assert_eq!(
            policy.is_fatal(Reason::ExitNonzero, Some(&Exit { code, at }), &Observation::NONE),
            fatal,
            "{code}"
        );
    }
}

proptest! {
    #[test]
    fn generated_policies_are_valid(policy in strategy::policies()) {
        prop_assert_eq!(policy.validate(), Ok(()));
    }
}
