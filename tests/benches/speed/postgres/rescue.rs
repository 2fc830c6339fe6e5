//! Orphans put back in the queue, each with its event.

use diesel::connection::SimpleConnection as _;
use reaper_runner::Reaper;
use reaper_store::Outcome;

use super::{
    peers::Peer,
    rows::Rowed,
    sql::{Sql, Value},
};
use crate::{
    claims, parts,
    rounds::{Measured, Role, Runner, measure, once},
};

/// What a requeue writes to a job's row, for a set of ids.
const UPDATE: &str =
    "UPDATE jobs SET status = 'queued', pid = NULL, reaper_exit_code = NULL, reaper_exit_at = NULL,
    reaper_attach = NULL, reaper_node_bound = NULL, reaper_executor = NULL, reaper_monitor = NULL, reaper_beat = NULL,
    reaper_beat_at = NULL, reaper_terminating_at = NULL, reaper_available_at = 1800000000000,
    reaper_last_error = 'executor dead', reaper_rescues = 1 WHERE id = ANY(?)";

/// How many rows each raw INSERT has.
const ROWS: usize = 1000;

/// The orphans of `rows` settled once by raw SQL, once by the store's claims, once by a reaper's whole pass; and as many by
/// others, to whose time that of the raw INSERT of the event rows is added, since they keep none like these.
pub fn rescue(
    rows: &Rowed,
    peers: &mut [Peer],
    orphans: usize,
    rounds: usize,
    goal: Option<f64>,
) -> Vec<Measured> {
    let claims = claims::of_orphans(rows.store().as_ref(), orphans);
    let ids: Vec<_> = claims.iter().map(claims::id_of).collect();
    let inserts = claims::inserts(&claims, ROWS);
    let raw = || {
        rows.undo();
        let mut connection = rows.connection();
        let (time, changed) = once(|| {
            connection.batch_execute("BEGIN").unwrap();
            let changed = Sql(UPDATE, vec![Value::Ints(ids.clone())]).run(&mut connection);
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
        rows.undo();
        let store = rows.store();
        // All that a migration makes is looked for once on a connection.
        store.mode().unwrap();
        let (time, outcomes) = once(|| store.settle(&claims).unwrap());
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Won));
        time
    };
    let pass = || {
        rows.undo();
        let store = rows.store();
        store.mode().unwrap();
        let reaper = Reaper::new(parts::parts(&store), parts::settings(orphans));
        let (time, report) = once(|| reaper.run_once());
        assert_eq!(report.won().count(), orphans, "{:?}", report.error);
        time
    };
    let insert = || {
        rows.undo();
        let mut connection = rows.connection();
        let (time, ()) = once(|| {
            connection.batch_execute("BEGIN").unwrap();
            inserts.iter().for_each(|insert| connection.batch_execute(insert).unwrap());
            connection.batch_execute("COMMIT").unwrap();
        });
        time
    };
    let mut runners = vec![
        Runner { who: "raw UPDATE and INSERT", role: Role::Limit, goal: None, run: Box::new(raw) },
        Runner { who: "reaper, the claims", role: Role::Subject, goal, run: Box::new(settle) },
        Runner { who: "reaper, a whole pass", role: Role::Subject, goal: None, run: Box::new(pass) },
    ];
    runners.extend(peers.iter_mut().map(|peer| Runner {
        who: peer.name,
        role: Role::Peer,
        goal: None,
        run: Box::new(|| {
            peer.undo();
            let inserted = insert();
            let (time, rescued) = peer.passes(1);
            assert_eq!(usize::try_from(rescued).unwrap(), orphans, "{}", peer.name);
            time + inserted
        }),
    }));
    measure(rounds, runners)
}
