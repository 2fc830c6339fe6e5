//! What can go wrong with a file: each a clear error, nothing changed, and recovery once the cause is gone.

use std::time::{Duration, Instant};

use diesel::{RunQueryDsl as _, connection::SimpleConnection as _, sql_query};
use reaper_core::Mode;
use reaper_store::{
    Claims as _, Control as _, Facts as _, Outcome, Schema as _, Settlement, StoreError,
    facts::Cursor,
    sqlite::{Options, SqliteStore, connect},
};

use crate::{
    both::{
        claims::claim,
        errors::{self, RUNNING, everything},
    },
    database::{Database, Program},
};

/// A short wait, so that tests of it are short.
const BRIEF: Options = Options { busy_timeout: Duration::from_millis(50), ..DEFAULT };
const DEFAULT: Options = Options {
    busy_timeout: Duration::from_secs(5),
    read_only: false,
    journal: reaper_store::sqlite::Journal::Keep,
};

#[test]
fn the_default_options_are_as_documented() {
    assert_eq!(Options::default(), DEFAULT);
}

#[test]
fn a_file_that_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    std::fs::write(&path, "name,status\n".repeat(500)).unwrap();
    let before = std::fs::read(&path).unwrap();
    let problems = [
        SqliteStore::open(&path, DEFAULT).err(),
        SqliteStore::create_or_open(&path, DEFAULT).err(),
        connect(&path, Duration::ZERO).err(),
    ];
    for problem in problems {
        assert!(
            matches!(&problem, Some(StoreError::NotADatabase(file)) if file.ends_with("jobs.db")),
            "{problem:?}"
        );
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was put beside it");
}

#[test]
fn a_folder_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    for problem in [
        SqliteStore::open(folder.path(), DEFAULT).err(),
        SqliteStore::create_or_open(folder.path(), DEFAULT).err(),
    ] {
        let problem = problem.expect("it fails");
        assert!(matches!(&problem, StoreError::Unreachable { .. }), "{problem:?}");
        assert!(problem.to_string().contains("it is a folder"), "{problem}");
    }
}

#[test]
fn a_database_in_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::create_or_open(&folder.path().join("none/jobs.db"), DEFAULT).unwrap();
    assert!(matches!(store.migrate(), Err(StoreError::Unreachable { .. })));
    std::fs::create_dir(folder.path().join("none")).unwrap();
    store.migrate().unwrap();
}

#[test]
fn a_store_that_only_reads() {
    errors::a_store_that_only_reads(Options { read_only: true, ..DEFAULT });
}

#[cfg(unix)]
#[test]
fn a_file_and_a_folder_that_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt as _;
    let database = Database::adopted(RUNNING);
    let mode = |path: &std::path::Path, bits| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits)).unwrap();
    };
    mode(&database.path(), 0o444);
    mode(database.folder(), 0o555);
    if std::fs::write(database.folder().join("probe"), "").is_ok() {
        eprintln!("SKIPPED: this user writes where the permissions forbid it (root does)");
    } else {
        let store = SqliteStore::open(&database.path(), DEFAULT).unwrap();
        assert!(store.job(&1.into()).unwrap().is_some(), "it can be read");
        let problem = store.set_mode(Mode::Off).unwrap_err();
        assert!(matches!(&problem, StoreError::ReadOnly(_)), "{problem:?}");
        mode(&database.path(), 0o644);
        let problem = store.set_mode(Mode::Off).unwrap_err();
        assert!(matches!(&problem, StoreError::ReadOnly(_)), "{problem:?}");
        mode(database.folder(), 0o755);
        store.set_mode(Mode::Off).unwrap();
    }
    mode(database.folder(), 0o755);
}

#[test]
fn a_locked_database_is_waited_for_and_no_longer() {
    let database = Database::adopted(RUNNING);
    let store = database.open(BRIEF);
    let job = database.job(1);
    database.program.run("BEGIN IMMEDIATE");
    let begun = now();
    let problem = store.settle(&[claim(&job, Settlement::Fail)]).unwrap_err();
    assert!(matches!(problem, StoreError::Busy { waited_ms: 50 }), "{problem:?}");
    assert!(begun.elapsed() >= Duration::from_millis(50));
    assert!(matches!(store.set_mode(Mode::Off), Err(StoreError::Busy { .. })));
    assert!(store.job(&1.into()).unwrap().is_some(), "who reads does not wait for it");
    database.program.run("COMMIT");
    assert_eq!(database.job(1), job);
    assert_eq!(store.settle(&[claim(&job, Settlement::Fail)]).unwrap(), [Outcome::Won]);
}

#[expect(clippy::disallowed_methods, reason = "a test measures that a wait was a wait")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn a_lock_that_is_let_go_in_time_is_no_error() {
    let database = Database::adopted(RUNNING);
    let job = database.job(1);
    let store = database.open(Options { busy_timeout: Duration::from_secs(60), ..DEFAULT });
    database.program.run("BEGIN IMMEDIATE");
    std::thread::scope(|scope| {
        let settled = scope.spawn(|| store.settle(&[claim(&job, Settlement::Fail)]));
        database.program.run("COMMIT");
        assert_eq!(settled.join().unwrap().unwrap(), [Outcome::Won]);
    });
}

#[test]
fn an_exclusive_lock_holds_readers_too() {
    let database = Database::adopted(RUNNING);
    let store = database.open(BRIEF);
    database.program.run("BEGIN EXCLUSIVE");
    assert!(matches!(store.now(), Err(StoreError::Busy { .. })));
    assert!(matches!(SqliteStore::open(&database.path(), BRIEF), Err(StoreError::Busy { .. })));
    assert!(matches!(store.load(&everything(), &Cursor::default(), 10), Err(StoreError::Busy { .. })));
    database.program.run("COMMIT");
    assert_eq!(store.load(&everything(), &Cursor::default(), 10).unwrap().rows.len(), 1);
}

/// A reader of another program's keeps COMMIT from the file in a rollback journal: the claim was written, and is not.
#[test]
fn a_commit_that_cannot_be_made_changes_nothing() {
    let database = Database::adopted(RUNNING);
    let store = database.open(BRIEF);
    let job = database.job(1);
    database.program.run("BEGIN; SELECT * FROM jobs");
    assert_eq!(database.program.number("SELECT count(*) AS x FROM jobs"), Some(1), "it holds a reader's lock");
    let problem = store.settle(&[claim(&job, Settlement::Fail)]).unwrap_err();
    assert!(matches!(problem, StoreError::Busy { .. }), "{problem:?}");
    assert!(matches!(store.set_mode(Mode::Off), Err(StoreError::Busy { .. })));
    database.program.run("COMMIT");
    assert_eq!((database.job(1), store.mode().unwrap()), (job.clone(), Mode::Enforce));
    assert_eq!(database.program.number("SELECT count(*) AS x FROM reaper_events"), Some(0));
    assert_eq!(store.settle(&[claim(&job, Settlement::Fail)]).unwrap(), [Outcome::Won]);
}

#[test]
fn f29_a_file_that_was_replaced_is_opened_anew() {
    let database = Database::adopted(RUNNING);
    let store = database.open(DEFAULT);
    store.set_mode(Mode::Report).unwrap();
    let other = Database::adopted("INSERT INTO jobs (id, agent, repo, status) VALUES (1, 'b', 'r', 'queued')");
    let (path, ghost) = (database.path(), database.folder().join("ghost.db"));
    std::fs::rename(&path, &ghost).unwrap();
    assert!(matches!(store.now(), Err(StoreError::Unreachable { .. })), "there is none");
    assert!(matches!(store.set_mode(Mode::Off), Err(StoreError::Unreachable { .. })));
    std::fs::copy(other.path(), &path).unwrap();
    let before = std::fs::read(&ghost).unwrap();
    assert_eq!(store.job(&1.into()).unwrap().unwrap().unwrap().agent, "b");
    assert_eq!(store.set_mode(Mode::Off).unwrap(), Mode::Enforce);
    assert_eq!(std::fs::read(&ghost).unwrap(), before, "nothing is written to the one that it was");
    // One that is not prepared is refused, and the one from before is taken again.
    std::fs::remove_file(&path).unwrap();
    Program::on(&path).run("CREATE TABLE t (x)");
    assert!(matches!(store.set_mode(Mode::Off), Err(StoreError::NotMigrated { .. })));
    std::fs::rename(&ghost, &path).unwrap();
    assert_eq!(store.mode().unwrap(), Mode::Report);
}

#[test]
fn f29_a_file_that_is_replaced_while_it_is_written_to_is_let_go() {
    let database = Database::adopted(RUNNING);
    let store = database.open(DEFAULT);
    let job = database.job(1);
    let other = Database::adopted(RUNNING);
    // A trigger of the owner's cannot rename files; another thread does, while this one waits for its lock.
    database.program.run("BEGIN IMMEDIATE");
    let ghost = database.folder().join("ghost.db");
    std::thread::scope(|scope| {
        let settled = scope.spawn(|| store.settle(&[claim(&job, Settlement::Fail)]));
        // Nobody may meet a copy that is not whole: it is made aside and put there at once.
        let whole = database.folder().join("whole.db");
        std::fs::copy(other.path(), &whole).unwrap();
        std::fs::rename(database.path(), &ghost).unwrap();
        std::fs::rename(&whole, database.path()).unwrap();
        database.program.run("COMMIT");
        let settled = settled.join().unwrap();
        // It waited for the old file and was told, or came late and read the new one, where it lost.
        assert!(
            matches!(&settled, Err(StoreError::Unreachable { .. }))
                || matches!(settled.as_deref(), Ok([Outcome::Lost])),
            "{settled:?}"
        );
    });
    let status = |path: &std::path::Path| Program::on(path).text("SELECT status AS x FROM jobs");
    assert_eq!(status(&ghost).as_deref(), Some("running"));
    assert_eq!(status(&database.path()).as_deref(), Some("running"));
}

#[test]
fn a_connection_for_other_code_is_as_the_stores_own() {
    #[derive(diesel::QueryableByName)]
    struct Pragma {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        n: i64,
    }
    let database = Database::adopted("");
    let (mut connection, file) = connect(&database.path(), Duration::from_millis(1234)).unwrap();
    for (column, pragma, expected) in
        [("timeout", "busy_timeout", 1234), ("foreign_keys", "foreign_keys", 1), ("synchronous", "synchronous", 2)]
    {
        let query = format!("SELECT {column} AS n FROM pragma_{pragma}");
        assert_eq!(sql_query(query).get_result::<Pragma>(&mut connection).unwrap().n, expected, "{pragma}");
    }
    connection.batch_execute("INSERT INTO tasks (repo, stage) VALUES ('r', 's')").unwrap();
    file.check().unwrap();
    let ghost = database.folder().join("ghost.db");
    std::fs::rename(database.path(), &ghost).unwrap();
    assert!(matches!(file.check(), Err(StoreError::Unreachable { .. })), "there is none");
    std::fs::copy(&ghost, database.path()).unwrap();
    assert!(matches!(file.check(), Err(StoreError::Unreachable { .. })), "another one is there");
    std::fs::rename(&ghost, database.path()).unwrap();
    file.check().unwrap();
}
