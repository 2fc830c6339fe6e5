//! What is read from rows that another program has written, through SQLite itself: its triggers, its types, its texts
//! that are none.

use std::{cell::RefCell, fmt::Write as _, sync::Arc, time::Duration};

use diesel::{SqliteConnection, connection::SimpleConnection as _};
use reaper_core::{JobId, JobSnapshot};
use reaper_store::{
    Store, StoreError,
    facts::{Cursor, Row, Wanted},
    history::Query,
    outbox::{EffectState, Which},
};

use crate::database::Database;

/// A database of this thread's.
struct Ground {
    store: Arc<dyn Store>,
    connection: RefCell<SqliteConnection>,
    // Its folder goes with it.
    database: Database,
}

thread_local! {
    static GROUND: Ground = {
        let (database, store) = Database::volatile().adopt();
        Ground { store, connection: RefCell::new(database.connection()), database }
    };
}

impl Ground {
    /// Runs statements as another program, in one transaction.
    fn sql(&self, statements: &str) {
        self.connection.borrow_mut().batch_execute(&format!("BEGIN IMMEDIATE; {statements}; COMMIT")).unwrap();
    }

    fn job(&self, id: i64) -> Row {
        self.store.job(&JobId::from(id)).unwrap().expect("the row is there")
    }
}

/// Bytes as a text of SQLite, whether they are any.
fn text(bytes: &[u8]) -> String {
    format!("CAST({} AS TEXT)", blob(bytes))
}

fn blob(bytes: &[u8]) -> String {
    let mut hex = String::from("x'");
    for byte in bytes {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex + "'"
}

/// When a job began and when its run ended, as another program may write them: an instant that has come, and never one
/// that is older than what was written.
pub(super) fn timestamp(bytes: &[u8]) {
    GROUND.with(|ground| {
        let written = text(bytes);
        let before = ground.store.now().unwrap();
        ground.sql(&format!(
            "DELETE FROM jobs; DELETE FROM agent_runs;
             INSERT INTO agent_runs (id) VALUES (1);
             INSERT INTO jobs (id, agent, repo, status) VALUES (1, 'a', 'r', 'queued');
             UPDATE jobs SET status = 'running', run_id = 1, started_at = {written} WHERE id = 1;
             INSERT INTO jobs (id, agent, repo, status, started_at) VALUES (2, 'a', 'r', 'running', {written});
             UPDATE agent_runs SET finished_at = {written}, exit_code = 0"
        ));
        let after = ground.store.now().unwrap();
        let is_none = format!("{written} NOT LIKE '____-__-__%' OR julianday({written}) IS NULL");
        let is_none = ground.database.value(&is_none).as_deref() != Some("0");
        for id in [1, 2] {
            let JobSnapshot { started_at, exit, .. } = ground.job(id).unwrap();
            assert!(started_at.is_some(), "job {id}");
            assert_eq!(exit.is_some(), id == 1);
            for at in started_at.into_iter().chain(exit.map(|exit| exit.at)) {
                assert!(at <= after, "job {id}: {at} is later than {after}");
                assert!(!is_none || at >= before, "job {id}: {at} was read from what is no instant");
            }
        }
    });
}

/// A row whose every column holds what it should not: it is said or read, and hinders no other.
pub(super) fn row(bytes: &[u8]) {
    const COLUMNS: [&str; 12] = [
        "status",
        "agent",
        "repo",
        "attempts",
        "max_attempts",
        "pid",
        "run_id",
        "task_id",
        "started_at",
        "reaper_executor",
        "reaper_monitor",
        "reaper_attach",
    ];
    GROUND.with(|ground| {
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        let mut written = String::new();
        for (column, piece) in COLUMNS.iter().zip(pieces.by_ref()) {
            // Of each kind that a column can hold, told by how the piece begins.
            let value = match piece.split_first() {
                None => "NULL".to_owned(),
                Some((b'#', number)) => {
                    let number = str::from_utf8(number).ok().and_then(|number| number.parse::<i64>().ok());
                    number.map_or_else(|| text(piece), |number| format!("({number})"))
                }
                Some((b'!', rest)) => blob(rest),
                Some(_) => text(piece),
            };
            let comma = if written.is_empty() { "" } else { ", " };
            write!(written, "{comma}{column} = {value}").unwrap();
        }
        ground.sql(&format!(
            "DELETE FROM jobs;
             INSERT INTO jobs (id, agent, repo, status) VALUES (1, 'a', 'r', 'queued'), (2, 'a', 'r', 'running');
             UPDATE jobs SET status = 'running' WHERE id = 1;
             UPDATE jobs SET {written} WHERE id = 1"
        ));
        if let Err(bad) = ground.job(1) {
            let said = bad.to_string();
            assert!(said.len() < 1000 && !said.chars().any(char::is_control), "{said:?}");
        }
        let far = ground.store.now().unwrap() + Duration::from_secs(60);
        let wanted = Wanted {
            exits_until: far,
            started_until: far,
            beats_until: None,
            late_finishes: true,
            suspects: vec![JobId::from(1)],
            here: None,
            lost: Vec::new(),
        };
        let page = ground.store.load(&wanted, &Cursor::default(), 10).unwrap();
        let good = |row: &Row| row.as_ref().is_ok_and(|row| row.attempt.job == JobId::from(2));
        assert_eq!(page.rows.iter().filter(|row| good(row)).count(), 1, "{page:?}");
    });
}

/// A stored effect: delivered as what it is, or given up.
pub(super) fn outbox(bytes: &[u8]) {
    GROUND.with(|ground| {
        ground.sql(&format!(
            "DELETE FROM reaper_outbox;
             INSERT INTO reaper_outbox (key, effect, created_at, due_at) VALUES ('k', {}, 0, 0)",
            text(bytes)
        ));
        let leased = ground.store.lease(&Which::Due, 10, Duration::from_secs(60)).unwrap();
        let undelivered = ground.store.undelivered(10).unwrap();
        let [row] = &*undelivered else { panic!("{undelivered:?}") };
        match &*leased {
            [] => assert_eq!(row.state, EffectState::Dead),
            [delivery] => assert_eq!((row.state, &row.effect), (EffectState::Pending, &delivery.effect)),
            more => panic!("{more:?}"),
        }
    });
}

/// What is stored as JSON and read again: evidence is shown whatever it is, a breaker is one or is said to be none.
pub(super) fn evidence(bytes: &[u8]) {
    GROUND.with(|ground| {
        let written = text(bytes);
        ground.sql(&format!(
            "DELETE FROM reaper_events; DELETE FROM reaper_settings;
             INSERT INTO reaper_settings (key, value) VALUES ('breaker', {written}), ('mode', {written});
             INSERT INTO reaper_events (id, at, actor, action, rule, reason, evidence, late_code, late_at)
                VALUES (1, 1, {written}, {written}, '', {written}, {written}, 3, 1)"
        ));
        let events = ground.store.events(&Query { limit: 10, ..Query::default() }).unwrap();
        assert_eq!(events.len(), 1, "{events:?}");
        let shown = events.iter().map(|event| (event.is_false_rescue(), serde_json::to_string(event)));
        assert!(shown.into_iter().all(|(_, json)| json.is_ok()));
        let corrupt = |error: Option<StoreError>| match error {
            None | Some(StoreError::Corrupt { .. }) => {}
            Some(error) => panic!("{error}"),
        };
        corrupt(ground.store.breaker().err());
        corrupt(ground.store.mode().err());
        corrupt(ground.store.outset().err());
        ground.sql("DELETE FROM reaper_settings");
    });
}
