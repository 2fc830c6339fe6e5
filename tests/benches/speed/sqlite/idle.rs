//! A pass with nothing to do.

use std::path::Path;

use diesel::{SqliteConnection, connection::SimpleConnection as _};
use reaper_runner::Reaper;

use super::{
    rows::Rowed,
    sql::{Sql, Value},
};
use crate::{
    parts,
    rounds::{Measured, Role, Runner, each, each_after, measure, once},
};

/// The due rows by one index: what a pass has to read at the least.
const DUE: &str = "SELECT id FROM jobs INDEXED BY reaper_jobs_age
    WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_started_at <= ?
    ORDER BY reaper_started_at, id LIMIT ? + 0";

/// A pass after somebody wrote, so that it has to look: beside the same read of the due rows, and the naive loop.
pub fn after_a_write(rows: &Rowed, rounds: usize, naive: bool) -> Vec<Measured> {
    let store = rows.store();
    let reaper = Reaper::new(parts::parts(&store), parts::settings(1000));
    let mut limit = rows.connection();
    let mut other = writer(&rows.path());
    let mut another = writer(&rows.path());
    let due = Sql(DUE, vec![Value::Int(0), Value::Int(1000)]);
    let mut runners = vec![
        Runner {
            who: "indexed read of the due rows",
            role: Role::Limit,
            goal: None,
            run: Box::new(move || {
                each_after(101, || write(&mut other), || assert!(due.ids(&mut limit).is_empty()))
            }),
        },
        Runner {
            who: "reaper, a whole pass",
            role: Role::Subject,
            goal: Some(5.0),
            run: Box::new(move || {
                each_after(101, || write(&mut another), || assert!(reaper.run_once().settled.is_empty()))
            }),
        },
    ];
    if naive {
        let mut connection = rows.connection();
        connection.batch_execute("PRAGMA synchronous = NORMAL").unwrap();
        let run = Box::new(move || once(|| naive_loop(&mut connection)).0);
        runners.push(Runner { who: "naive loop", role: Role::Peer, goal: None, run });
    }
    measure(rounds, runners)
}

/// A pass when nothing was written since the one before.
pub fn nothing_written(rows: &Rowed, rounds: usize) -> Vec<Measured> {
    let store = rows.store();
    let reaper = Reaper::new(parts::parts(&store), parts::settings(1000));
    // The first leaves a note of itself, the second sees that note.
    for _ in 0..3 {
        assert!(reaper.run_once().settled.is_empty());
    }
    let mut connection = rows.connection();
    let version = Sql("PRAGMA data_version", Vec::new());
    measure(
        rounds,
        vec![
            Runner {
                who: "PRAGMA data_version",
                role: Role::Limit,
                goal: None,
                run: Box::new(move || each(101, || assert_eq!(version.ids(&mut connection).len(), 1))),
            },
            Runner {
                who: "reaper, a whole pass",
                role: Role::Subject,
                goal: Some(2.0),
                run: Box::new(move || each(101, || drop(reaper.run_once()))),
            },
        ],
    )
}

/// A connection of another program.
fn writer(path: &Path) -> SqliteConnection {
    let mut connection = super::rows::connection(path);
    connection.batch_execute("PRAGMA synchronous = OFF").unwrap();
    connection
}

/// Something that concerns no job.
fn write(connection: &mut SqliteConnection) {
    let text = "INSERT INTO reaper_settings (key, value) VALUES ('bench', '1')
        ON CONFLICT (key) DO UPDATE SET value = value + 1";
    Sql(text, Vec::new()).run(connection);
}

/// All running rows, a look at each, and a commit each.
fn naive_loop(connection: &mut SqliteConnection) {
    let ids = Sql("SELECT id FROM jobs WHERE status = 'running'", Vec::new()).ids(connection);
    let own = rustix::process::getpid();
    for id in ids {
        if rustix::process::test_kill_process(own).is_err() {
            Sql("UPDATE jobs SET status = 'queued' WHERE id = ?", vec![Value::Int(id)]).run(connection);
        }
        connection.batch_execute("BEGIN; COMMIT").unwrap();
    }
}
