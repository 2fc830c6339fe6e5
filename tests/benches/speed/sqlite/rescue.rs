//! Orphans put back in the queue, each with its event.

use std::{fmt::Write as _, path::Path};

use diesel::{SqliteConnection, connection::SimpleConnection as _};
use reaper_core::{Clock, Observation, decide, plan::Planned};
use reaper_runner::{Reaper, claim::claim_of};
use reaper_store::{
    Claim, Claims as _, Facts as _, Outcome,
    claims::Actor,
    facts::{Cursor, Here, Wanted},
    sqlite::SqliteStore,
};

use super::{
    rows::{self, Rowed},
    sql::{Sql, Value},
};
use crate::{
    parts,
    rounds::{Measured, Role, Runner, measure, once},
};

/// What a requeue writes to a job's row, for a set of ids.
const UPDATE: &str =
    "UPDATE jobs SET status = 'queued', pid = NULL, reaper_exit_code = NULL, reaper_exit_at = NULL,
    reaper_attach = NULL, reaper_executor = NULL, reaper_monitor = NULL, reaper_beat = NULL, reaper_beat_at = NULL,
    reaper_terminating_at = NULL, reaper_available_at = 1800000000000, reaper_last_error = 'executor dead',
    reaper_rescues = 1 WHERE id IN (SELECT value FROM json_each(?))";

/// How many rows each raw INSERT has.
const ROWS: usize = 500;

/// The orphans of `rows` settled once by raw SQL, once by the store's claims, once by a reaper's whole pass.
pub fn rescue(rows: &Rowed, orphans: usize, rounds: usize, goal: Option<f64>) -> Vec<Measured> {
    let claims = claims(&rows.store(), orphans);
    assert_eq!(claims.len(), orphans);
    let ids = serde_json::to_string(&claims.iter().map(id_of).collect::<Vec<_>>()).unwrap();
    let inserts: Vec<_> = claims.chunks(ROWS).map(insert).collect();
    let raw = |connection: fn(&Path) -> SqliteConnection| {
        let mut connection = connection(&rows.copy());
        let (time, changed) = once(|| {
            connection.batch_execute("BEGIN IMMEDIATE").unwrap();
            let changed = Sql(UPDATE, vec![Value::Text(ids.clone())]).run(&mut connection);
            for insert in &inserts {
                connection.batch_execute(insert).unwrap();
            }
            connection.batch_execute("COMMIT").unwrap();
            changed
        });
        assert_eq!(changed, orphans);
        time
    };
    let settle = || {
        let store = rows::store(&rows.copy());
        let (time, outcomes) = once(|| store.settle(&claims).unwrap());
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Won));
        time
    };
    let pass = || {
        let store = rows::store(&rows.copy());
        let reaper = Reaper::new(parts::parts(&store), parts::settings(orphans));
        let (time, report) = once(|| reaper.run_once());
        assert_eq!(report.won().count(), orphans, "{:?}", report.error);
        time
    };
    let runners = vec![
        Runner {
            who: "raw UPDATE and INSERT",
            role: Role::Limit,
            goal: None,
            run: Box::new(|| raw(rows::connection)),
        },
        Runner { who: "raw, SQLite's defaults", role: Role::Peer, goal: None, run: Box::new(|| raw(rows::plain)) },
        Runner { who: "reaper, the claims", role: Role::Subject, goal, run: Box::new(settle) },
        Runner { who: "reaper, a whole pass", role: Role::Subject, goal: None, run: Box::new(pass) },
    ];
    measure(rounds, runners)
}

/// The claims that a pass makes of all orphans.
fn claims(store: &SqliteStore, orphans: usize) -> Vec<Claim> {
    let now = store.now().unwrap();
    let wanted = Wanted {
        exits_until: never(),
        started_until: never(),
        late_finishes: false,
        suspects: Vec::new(),
        here: Some(Here { host: parts::HERE.into(), bare_pids: false }),
        lost: Vec::new(),
    };
    let page = store.load(&wanted, &Cursor::default(), orphans).unwrap();
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
    claims.collect()
}

/// Before every row.
fn never() -> reaper_core::Timestamp {
    reaper_core::Timestamp::UNIX_EPOCH
}

fn id_of(claim: &Claim) -> i64 {
    claim.attempt.job.as_int().unwrap()
}

/// The event rows of some claims as one raw INSERT.
fn insert(claims: &[Claim]) -> String {
    let mut text =
        "INSERT INTO reaper_events (id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, \
                    evidence) VALUES "
            .to_owned();
    for (at, claim) in claims.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let fence = &claim.attempt.fence;
        let (rule, reason, evidence) =
            (&claim.rule, &claim.reason, claim.evidence.to_string().replace('\'', "''"));
        write!(
            text,
            "{comma}({},1790000000000,{},{fence},'reaper','requeue','{rule}','{reason}','running','queued','{evidence}')",
            claim.event.0,
            id_of(claim),
        )
        .unwrap();
    }
    text
}
