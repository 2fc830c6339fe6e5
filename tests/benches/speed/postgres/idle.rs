//! A pass with nothing to do.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use reaper_core::NodeId;
use reaper_runner::Reaper;
use reaper_store::{
    facts::{Cursor, Wanted},
    nodes::{Beaten, NodeBeat},
};

use super::{
    peers::Peer,
    rows::Rowed,
    sql::{Sql, Value},
};
use crate::{
    claims, parts,
    rounds::{Measured, Role, Runner, each, measure},
};

/// The due rows by one index, which finds none: what a pass has to read at the least.
const DUE: &str = "SELECT id FROM jobs
    WHERE status = 'running' AND reaper_exit_code IS NULL AND coalesce(reaper_started_at, '-9223372036854775808') <= ?
    ORDER BY coalesce(reaper_started_at, '-9223372036854775808'), id LIMIT ?";

/// A pass beside that read: its load of what time brings up, its load of all sets, and the whole of it; and what others do
/// to find what is dead.
pub fn passes(rows: &Rowed, peers: &mut [Peer], rounds: usize) -> Vec<Measured> {
    let store = rows.store();
    let reaper = Reaper::new(parts::parts(&store), parts::settings(1000));
    // The first leaves a note of itself.
    assert!(reaper.run_once().settled.is_empty());
    let mut limit = rows.connection();
    let due = Sql(DUE, vec![Value::Int(0), Value::Int(1000)]);
    let load = |wanted: Wanted| {
        let store = &store;
        let run = move || {
            each(51, || {
                assert!(store.load(&wanted, &Cursor::default(), 1000).unwrap().rows.is_empty());
            })
        };
        Box::new(run) as Box<dyn FnMut() -> Duration>
    };
    let mut runners = vec![
        Runner {
            who: "indexed read of the due rows",
            role: Role::Limit,
            goal: None,
            run: Box::new(move || each(51, || assert!(due.ids(&mut limit).is_empty()))),
        },
        Runner {
            who: "reaper, the load of the due rows",
            role: Role::Subject,
            goal: Some(1.5),
            run: load(claims::wanted(false)),
        },
        Runner {
            who: "reaper, the load of all sets",
            role: Role::Subject,
            goal: None,
            run: load(claims::wanted(true)),
        },
        Runner {
            who: "reaper, a whole pass",
            role: Role::Subject,
            goal: Some(2.5),
            run: Box::new(|| each(51, || assert!(reaper.run_once().settled.is_empty()))),
        },
    ];
    runners.extend(peers.iter_mut().map(|peer| Runner {
        who: peer.name,
        role: Role::Peer,
        goal: None,
        run: Box::new(|| {
            let (time, found) = peer.passes(PASSES);
            assert_eq!(found, 0, "{}", peer.name);
            time
        }),
    }));
    measure(rounds, runners)
}

/// How many passes of a peer make one measurement.
const PASSES: u32 = 5;

/// The beat of a node, which is a write: beside a raw one of the same row.
pub fn beats(rows: &Rowed, rounds: usize) -> Vec<Measured> {
    let store = rows.store();
    let id = NodeId { host: parts::HERE.into(), boot: "b".into() };
    let beat = NodeBeat { id, ttl: Duration::from_secs(60), reaper: "bench".into() };
    assert_eq!(store.beat_node(&beat).unwrap(), Beaten::Up);
    let mut limit = rows.connection();
    let raw = Sql("UPDATE reaper_nodes SET beat = beat + 1, beat_at = ?", vec![Value::Int(0)]);
    let measured = measure(
        rounds,
        vec![
            Runner {
                who: "raw UPDATE of the row",
                role: Role::Limit,
                goal: None,
                run: Box::new(move || each(5, || assert_eq!(raw.run(&mut limit), 1))),
            },
            Runner {
                who: "reaper, the beat of a node",
                role: Role::Subject,
                goal: None,
                run: Box::new(|| each(5, || assert_eq!(store.beat_node(&beat).unwrap(), Beaten::Up))),
            },
        ],
    );
    rows.connection().batch_execute("DELETE FROM reaper_nodes").unwrap();
    measured
}
