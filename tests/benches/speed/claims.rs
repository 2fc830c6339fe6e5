//! The claims that a pass makes, and the event rows that they write as a raw statement.

use std::fmt::Write as _;

use reaper_core::{Clock, Observation, Timestamp, decide, plan::Planned};
use reaper_runner::claim::claim_of;
use reaper_store::{
    Claim, Store,
    claims::Actor,
    facts::{Cursor, Here, Wanted},
};

use crate::parts;

/// The claims that a pass makes of all orphans.
pub fn of_orphans(store: &dyn Store, orphans: usize) -> Vec<Claim> {
    let now = store.now().unwrap();
    let page = store.load(&wanted(true), &Cursor::default(), orphans).unwrap();
    let policy = parts::settings(orphans).policy;
    let clock = Clock::at(now);
    let claims = page.rows.into_iter().map(|row| {
        let job = row.unwrap();
        let look = |process: &Option<_>| reaper_gate::Probe::probe(&parts::ByPid, process.as_ref().unwrap());
        let (executor, monitor) = (look(&job.executor), look(&job.monitor));
        let seen = Observation { executor, monitor, ..Observation::NONE };
        let decision = decide(&job, &seen, &clock, &policy);
        claim_of(&Planned { job, seen, decision }, &policy, Actor::Reaper, 7).unwrap()
    });
    let claims: Vec<_> = claims.collect();
    assert_eq!(claims.len(), orphans);
    claims
}

/// What a load looks for: the rows that are due before anything is, and those of this host where asked for.
pub fn wanted(is_here: bool) -> Wanted {
    Wanted {
        exits_until: Timestamp::UNIX_EPOCH,
        started_until: Timestamp::UNIX_EPOCH,
        beats_until: None,
        late_finishes: is_here,
        suspects: Vec::new(),
        here: is_here.then(|| Here { host: parts::HERE.into(), bare_pids: false, since: None }),
        lost: Vec::new(),
    }
}

/// The job of a claim.
pub fn id_of(claim: &Claim) -> i64 {
    claim.attempt.job.as_int().unwrap()
}

/// The event rows of some claims as raw INSERTs of so many rows each.
pub fn inserts(claims: &[Claim], rows: usize) -> Vec<String> {
    claims.chunks(rows).map(insert).collect()
}

fn insert(claims: &[Claim]) -> String {
    let mut text =
        "INSERT INTO reaper_events (id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, \
                    evidence, agent, signature, run_id, young) VALUES "
            .to_owned();
    for (at, claim) in claims.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let fence = &claim.attempt.fence;
        let (rule, reason, evidence) =
            (&claim.rule, &claim.reason, claim.evidence.to_string().replace('\'', "''"));
        let death = claim.death.as_ref().unwrap();
        let run = claim.basis.run.as_ref().map_or_else(|| "NULL".to_owned(), ToString::to_string);
        write!(
            text,
            "{comma}({},1790000000000,{},{fence},'reaper','requeue','{rule}','{reason}','running','queued','{evidence}',\
             '{}','{}',{run},{})",
            claim.event.0,
            id_of(claim),
            death.agent,
            death.signature,
            if death.young { "1" } else { "NULL" },
        )
        .unwrap();
    }
    text
}
