//! Crash loops: jobs of an agent whose attempts die young too often are requeued later and later.
//!
//! All that is known is the events in the database, so that every reaper and every monitor goes by the same figures, and a
//! restart forgets none. Nothing is read unless an attempt that died young is to be requeued.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use reaper_core::{
    Alert, Effect, Intensity, Policy, Timestamp,
    decide::Figures,
    effect::Plain,
    intensity::{Crash, CrashLoop},
};
use reaper_store::{Claim, Settlement, Store, StoreError};

/// Whether an attempt with these figures, of an agent with this intensity, died young. Of one that has recorded its exit
/// the time that has passed since is not its life.
pub(crate) fn is_young(figures: &Figures, intensity: Option<Intensity>) -> bool {
    let lived = figures.running_age.map(|age| age.saturating_sub(figures.exit_age.unwrap_or_default()));
    intensity.is_some_and(|intensity| lived.is_some_and(|lived| lived < intensity.share()))
}

/// Puts off the requeues that are over their agent's intensity, and tells somebody where that begins. Whatever goes wrong
/// with it, no settlement waits for it: the jobs are then requeued as they would have been. Answers with the keys of the alerts
/// that are to be delivered.
pub(crate) fn put_off(store: &dyn Store, policy: &Policy, at: Timestamp, claims: &mut [Claim]) -> Vec<String> {
    let (mut loops, mut told) = (BTreeMap::new(), Vec::new());
    for (agent, intensity) in over_which(policy, claims) {
        match crashes(store, &agent, intensity, at) {
            Ok(crashes) => drop(loops.insert(agent, crashes)),
            Err(error) => tracing::warn!(%error, agent, "its crashes could not be counted"),
        }
    }
    for claim in claims {
        let young = claim.death.as_ref().filter(|death| death.young);
        let Some((agent, crashes)) = young.and_then(|death| loops.get_key_value(&death.agent)) else {
            continue;
        };
        let (agent, mut crashes) = (agent.clone(), crashes.clone());
        let Crash { wait, begins } = crashes.crash(at, fastrand::u64(..));
        if let Some(since) = begins {
            told.extend(tell(store, policy, &agent, since));
        }
        if let Settlement::Requeue { wait: ordinary, .. } = &mut claim.settlement
            && wait > *ordinary
        {
            *ordinary = wait;
            if let Some(evidence) = claim.evidence.as_object_mut() {
                evidence.insert("put_off_ms".into(), serde_json::json!(wait.as_millis()));
            }
        }
        loops.insert(agent, crashes);
    }
    told
}

/// The agents of which attempts that died young are to be requeued, with their intensities.
fn over_which(policy: &Policy, claims: &[Claim]) -> BTreeMap<String, Intensity> {
    let requeues = claims.iter().filter(|claim| matches!(claim.settlement, Settlement::Requeue { .. }));
    let young = requeues.filter_map(|claim| claim.death.as_ref().filter(|death| death.young));
    young.filter_map(|death| Some((death.agent.clone(), policy.limits_for(&death.agent).intensity?))).collect()
}

/// An agent's crashes as they are recorded.
fn crashes(store: &dyn Store, agent: &str, intensity: Intensity, at: Timestamp) -> Result<CrashLoop, StoreError> {
    let memory = TimeDelta::from_std(intensity.memory()).unwrap_or(TimeDelta::MAX);
    let since = at.checked_sub_signed(memory).unwrap_or(Timestamp::MIN_UTC);
    Ok(CrashLoop::after(intensity, store.crashes(agent, since, intensity.remembered())?))
}

/// Tells somebody of an episode. Whoever sees it begin tells of it under one key.
fn tell(store: &dyn Store, policy: &Policy, agent: &str, since: Timestamp) -> Option<String> {
    let intensity = policy.limits_for(agent).intensity?;
    let plain = Plain { text: agent, max: 60 };
    let text = format!(
        "attempts of {plain} die young, more than {intensity}: its jobs are requeued later and later, and come back one \
         by one until it is over (reaper signatures says how they die)"
    );
    let alert = Effect::Alert(Alert { kind: "crash_loop".into(), job: None, text });
    let key = format!("crash_loop:{agent}:{}", since.timestamp_millis());
    let posted = store.post(&key, &alert);
    posted
        .inspect_err(|error| tracing::warn!(%error, agent, "nobody could be told of its crashes"))
        .is_ok()
        .then_some(key)
}
