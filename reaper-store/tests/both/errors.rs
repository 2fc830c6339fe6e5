//! What goes wrong on both databases: a clear error, nothing changed, and recovery once the cause is gone.

use reaper_core::{Alert, Effect, Mode};
use reaper_store::{
    Attempts as _, Claim, Claims as _, Control as _, Facts as _, Outbox as _, Outcome, Schema as _, Settlement,
    StoreError,
    attempts::NewTask,
    claims::Actor,
    facts::{Cursor, Wanted},
};

use crate::{
    both::claims::claim,
    database::{Database, Options},
};

pub(crate) const RUNNING: &str =
    "INSERT INTO jobs (id, agent, repo, status, pid) VALUES (1, 'a', 'r', 'running', 7)";

pub(crate) fn everything() -> Wanted {
    let until = chrono::DateTime::<chrono::Utc>::MAX_UTC;
    Wanted {
        exits_until: until,
        started_until: until,
        beats_until: Some(until),
        late_finishes: true,
        suspects: Vec::new(),
        here: None,
        lost: Vec::new(),
    }
}

pub(crate) fn alert() -> Effect {
    Effect::Alert(Alert { kind: "k".into(), job: None, text: "t".into() })
}

/// Every write is refused by a store with these options, by which it only reads.
pub(crate) fn a_store_that_only_reads(options: Options) {
    let database = Database::adopted(RUNNING);
    let store = database.open(options);
    let before = database.program.dump_all();
    assert_eq!(store.load(&everything(), &Cursor::default(), 10).unwrap().rows.len(), 1);
    let job = store.job(&1.into()).unwrap().unwrap().unwrap();
    let task = NewTask { repo: "r".into(), work_item: None, branch: None, stage: "s".into() };
    let problems = [
        store.settle(&[claim(&job, Settlement::Fail)]).err(),
        store.requeue_all_running().err(),
        store.set_mode(Mode::Off).err(),
        store.post("k", &alert()).err(),
        store.add_task(&task).err(),
        store.migrate().err(),
        store.uninstall().err(),
    ];
    for problem in problems {
        assert!(matches!(&problem, Some(StoreError::ReadOnly(_))), "{problem:?}");
    }
    assert_eq!(store.pending().unwrap(), []);
    assert_eq!(database.program.dump_all(), before);
}

/// A person's claim does not ask for the mode; a reaper's does, in the transaction in which it writes.
#[test]
fn a_mode_that_is_stored_by_another_counts_at_once() {
    let database = Database::adopted(RUNNING);
    let job = database.job(1);
    database.program.run("INSERT INTO reaper_settings VALUES ('mode', 'report') ON CONFLICT (key) DO UPDATE SET value = excluded.value");
    let settle = || database.store.settle(&[claim(&job, Settlement::Fail)]);
    assert_eq!(settle().unwrap(), [Outcome::Forbidden(Mode::Report)]);
    database.program.run("UPDATE reaper_settings SET value = 'sometimes'");
    let problem = settle().unwrap_err();
    assert!(matches!(&problem, StoreError::Corrupt { what: "mode", .. }), "{problem:?}");
    assert_eq!(database.job(1), job);
    // A person is not bound by it, and can set it right.
    assert_eq!(database.store.set_mode(Mode::Report).unwrap(), Mode::Off);
    let by_person = Claim { by: Actor::Person, ..claim(&job, Settlement::Fail) };
    assert_eq!(database.store.settle(&[by_person]).unwrap(), [Outcome::Won]);
}
