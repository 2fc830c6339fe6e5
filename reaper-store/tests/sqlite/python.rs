//! Another program with another SQLite: Python's `sqlite3`, as old as the machine's.

use std::{path::Path, process::Command};

use reaper_core::Status;
use reaper_store::{
    Facts as _, Schema as _,
    facts::{Cursor, Wanted},
    sqlite::{Options, SqliteStore},
};

use crate::database::Program;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sqlite/program.py");

/// Runs Python, or says that there is none.
fn python(arguments: &[&str]) -> Option<String> {
    let output = match Command::new("python3").args(arguments).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("SKIPPED: python3 cannot be run: {error}");
            return None;
        }
    };
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if err.contains("No module named '_sqlite3'") || err.contains("No module named 'sqlite3'") {
        eprintln!("SKIPPED: this python3 has no sqlite3");
        return None;
    }
    assert!(output.status.success(), "{arguments:?}: {out}{err}");
    Some(out.into_owned())
}

fn created(path: &Path) -> Option<SqliteStore> {
    python(&[SCRIPT, "create", path.to_str().unwrap()])?;
    Some(SqliteStore::open(path, Options::default()).unwrap())
}

#[test]
fn its_program_goes_on_working_in_an_adopted_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let Some(store) = created(&path) else { return };
    store.migrate().unwrap();
    python(&[SCRIPT, "work", path.to_str().unwrap(), "60"]).unwrap();

    let census = store.census().unwrap();
    assert_eq!((census.count(Status::Done), census.count(Status::Failed)), (30, 30));
    let program = Program::on(&path);
    let fences =
        program.number("SELECT count(DISTINCT reaper_fence) AS x FROM jobs WHERE reaper_fence IS NOT NULL");
    let with_fence = program.number("SELECT count(*) AS x FROM jobs WHERE reaper_fence IS NOT NULL");
    assert_eq!(fences, with_fence, "no fence is drawn twice");
    assert_eq!(
        program.number("SELECT count(*) AS x FROM jobs WHERE id % 5 <> 1 AND reaper_fence IS NULL"),
        Some(0)
    );
    // What was mirrored is what was recorded, except where a row was replaced.
    let mirrored = "SELECT count(*) AS x FROM jobs j JOIN agent_runs r ON r.id = j.run_id
        WHERE j.reaper_exit_code IS r.exit_code AND coalesce(j.reaper_inherited, 0) = 0";
    assert_eq!(
        program.number(mirrored),
        program.number("SELECT count(*) AS x FROM jobs WHERE run_id IS NOT NULL")
    );
}

/// Both at once: neither sees an error, and a job that was finished stays so.
#[test]
fn its_program_and_a_store_write_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let Some(store) = created(&path) else { return };
    store.migrate().unwrap();
    let program = std::thread::scope(|scope| {
        let program = scope.spawn(|| python(&[SCRIPT, "work", path.to_str().unwrap(), "40"]));
        let everything = chrono::DateTime::<chrono::Utc>::MAX_UTC;
        let wanted = Wanted {
            exits_until: everything,
            started_until: everything,
            beats_until: Some(everything),
            late_finishes: true,
            suspects: Vec::new(),
            here: None,
            lost: Vec::new(),
        };
        while !program.is_finished() {
            for row in store.load(&wanted, &Cursor::default(), 100).unwrap().rows {
                assert!(row.is_ok(), "{row:?}");
            }
            reaper_store::Control::note_pass(&store, &note(store.now().unwrap())).unwrap();
        }
        program.join().unwrap()
    });
    program.unwrap();
    let census = store.census().unwrap();
    assert_eq!((census.count(Status::Done), census.count(Status::Failed)), (20, 20));
}

fn note(at: reaper_core::Timestamp) -> reaper_store::control::PassNote {
    reaper_store::control::PassNote { at, reaper: "here/1".into(), won: 0, lost: 0, error: None, watch: None }
}

/// An uninstalled database is as it was to it.
#[test]
fn its_program_goes_on_working_in_a_database_that_was_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let Some(store) = created(&path) else { return };
    store.migrate().unwrap();
    python(&[SCRIPT, "work", path.to_str().unwrap(), "6"]).unwrap();
    store.uninstall().unwrap();
    python(&[SCRIPT, "work", path.to_str().unwrap(), "6"]).unwrap();
}
