//! On a file: at each system call of a pass.

use reaper_tests::proof;

use crate::{
    scene::{Journal, Scene, TICKS},
    strace::{self, Fault, Whom},
};

/// The calls that change something outside of the program: between two of them all points are the same point.
pub(crate) const CHANGES: [&str; 10] =
    ["write", "pwrite64", "fsync", "fdatasync", "ftruncate", "fallocate", "unlink", "rename", "clone3", "execve"];

/// The calls by which a file is written.
pub(crate) const WRITES: [&str; 5] = ["write", "pwrite64", "fsync", "fdatasync", "ftruncate"];

/// More calls of one kind than any run makes.
pub(crate) const ENDLESS: usize = 20_000;

/// Of so many points at which it is killed a quick run takes one, beginning at any.
const STEP: usize = 4;

/// The same of the writes that are refused, where the program waits before it tries again.
const REFUSED_STEP: usize = 8;

/// Tries a fault at every call of these kinds that the program makes, in a quick run at one of so many, and answers with
/// the number of points.
fn at_each(scene: &Scene, fault: Fault, step: usize, is_meant: impl Fn(&str) -> bool) -> usize {
    let first = scene.round();
    let calls = strace::calls_of(Whom::All, &scene.program, &TICKS);
    scene.ends_well(&first, "without a fault");
    let mut points = 0;
    for call in calls.iter().filter(|call| is_meant(call)) {
        for n in proof::some_of(1..ENDLESS, step) {
            let round = scene.round();
            let Some(hit) = strace::with_fault(Whom::All, &scene.program, &TICKS, call, n, fault) else {
                scene.ends_well(&round, &format!("a run with fewer than {n} {call}"));
                break;
            };
            let point = format!("{fault:?} at {call} {n}: {hit:?}");
            assert!(!hit.ended.stderr.contains("panicked"), "{point}");
            scene.ends_well(&round, &point);
            points += 1;
        }
    }
    points
}

fn killed(journal: Journal) {
    if !strace::is_here() {
        return;
    }
    let scene = Scene::on_file(journal);
    let points = at_each(&scene, Fault::Killed, STEP, |call| proof::in_full() || CHANGES.contains(&call));
    assert!(points > 10, "a pass that settles three jobs makes more than {points} calls that change something");
    proof::tried("points at which a reaper on SQLite was killed", points);
}

fn refused(journal: Journal, error: &'static str) {
    if !strace::is_here() {
        return;
    }
    let scene = Scene::on_file(journal);
    let points = at_each(&scene, Fault::Refused(error), REFUSED_STEP, |call| WRITES.contains(&call));
    assert!(points > 10, "a pass that settles three jobs makes more than {points} calls that write");
    proof::tried("writes of a reaper on SQLite that were refused", points);
}

#[test]
fn f01_f02_f03_a_reaper_that_is_killed_at_any_call_leaves_the_rest_to_the_next() {
    killed(Journal::Rollback);
}

#[test]
fn f01_f02_f03_so_it_is_in_a_database_with_a_write_ahead_log() {
    killed(Journal::Wal);
}

#[test]
fn f19_a_disk_that_is_full_at_any_write_loses_nothing() {
    refused(Journal::Rollback, "ENOSPC");
}

#[test]
fn f19_so_it_is_with_a_write_ahead_log() {
    refused(Journal::Wal, "ENOSPC");
}

#[test]
fn f20_an_error_of_the_disk_at_any_write_loses_nothing() {
    refused(Journal::Rollback, "EIO");
}

#[test]
fn f20_so_it_is_with_a_write_ahead_log() {
    refused(Journal::Wal, "EIO");
}
