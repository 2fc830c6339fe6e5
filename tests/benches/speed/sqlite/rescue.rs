//! Orphans put back in the queue, each with its event.

use std::path::Path;

use diesel::{SqliteConnection, connection::SimpleConnection as _};
use reaper_runner::Reaper;
use reaper_store::Outcome;

use super::{
    rows::{self, Rowed},
    sql::{Sql, Value},
};
use crate::{
    claims, parts,
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
    let claims = claims::of_orphans(rows.store().as_ref(), orphans);
    let ids = serde_json::to_string(&claims.iter().map(claims::id_of).collect::<Vec<_>>()).unwrap();
    let inserts = claims::inserts(&claims, ROWS);
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
