//! A worker on a file: its monitor, and its supervisor, at each of their system calls.

use reaper_tests::{program::eventually, proof};

use crate::{
    scene::Journal,
    sqlite::{CHANGES, ENDLESS, WRITES},
    strace::{self, Fault, Replaced, Whom},
    work::{Lost, Work},
};

/// What is recorded of a command that cannot be run.
const CANNOT_START: i32 = 126;

/// In it the one process waits for the other: whoever is killed there is killed while the other one is at work.
const WAITS: &str = "futex";

/// In these a thread is made, and a process.
const STARTS: [&str; 2] = ["clone", "clone3"];

/// Of so many points of a monitor a quick run takes one, beginning at any. A supervisor makes so few calls that all are taken.
const STEP: usize = 16;

/// Which of the two processes of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Process {
    Monitor,
    Supervisor,
}

/// Tries a fault at each call of these kinds that a process of the worker makes.
fn at_each(process: Process, journal: Journal, fault: Fault, kinds: &[&str]) -> usize {
    let work = Work::on_file(journal);
    let replaced = Replaced::new(&work.program);
    let whom = match process {
        Process::Monitor => Whom::First,
        Process::Supervisor => Whom::Supervisor(&replaced),
    };
    let first = work.job(0);
    let calls = strace::calls_of(whom, &work.program, &first.args());
    work.ends_well(&first, Lost::Nothing, "without a fault");
    let step = if process == Process::Supervisor { 1 } else { STEP };
    let mut points = 0;
    for call in calls.iter().filter(|call| kinds.contains(&call.as_str())) {
        // A good end and a bad one, or one of them in turn.
        let codes: &[i32] = match (proof::in_full(), points % 2) {
            (true, _) => &[0, 3],
            (false, 0) => &[0],
            (false, _) => &[3],
        };
        for code in codes {
            for n in proof::some_of(1..ENDLESS, step) {
                let job = work.job(*code);
                let Some(hit) = strace::with_fault(whom, &work.program, &job.args(), call, n, fault) else {
                    work.ends_well(&job, Lost::Nothing, &format!("a worker with fewer than {n} {call}"));
                    break;
                };
                let point = format!("{process:?} {fault:?} at {call} {n}: {hit:?}");
                assert!(!hit.ended.stderr.contains("panicked"), "{point}");
                let is_lost = process == Process::Supervisor && matches!(fault, Fault::Killed) && !hit.renamed;
                work.ends_well(&job, if is_lost { Lost::Exit } else { Lost::Nothing }, &point);
                let others =
                    format!("agent_runs WHERE exit_code >= 0 AND exit_code NOT IN (0, 3, {CANNOT_START})");
                assert_eq!(work.database.count(&others), 0, "{point}: no command has ended so");
                points += 1;
            }
        }
    }
    points
}

fn killed(process: Process, journal: Journal) {
    if !strace::is_here() {
        return;
    }
    let kinds = [&CHANGES[..], &[WAITS]].concat();
    let points = at_each(process, journal, Fault::Killed, &kinds);
    assert!(points > 0, "a worker that runs a command makes calls that change something");
    proof::tried("points at which a worker on SQLite was killed", points);
}

fn refused(process: Process, error: &'static str) {
    if !strace::is_here() {
        return;
    }
    let kinds = [&WRITES[..], &["rename", "unlink"]].concat();
    let points = at_each(process, Journal::Rollback, Fault::Refused(error), &kinds);
    assert!(points > 0, "a worker that runs a command makes calls that write");
    proof::tried("writes of a worker on SQLite that were refused", points);
}

#[test]
fn f01_f02_f03_a_monitor_that_is_killed_at_any_call_loses_no_exit() {
    killed(Process::Monitor, Journal::Rollback);
}

#[test]
fn f01_f02_f03_so_it_is_with_a_monitor_and_a_write_ahead_log() {
    killed(Process::Monitor, Journal::Wal);
}

#[test]
fn f01_f02_f03_a_supervisor_that_is_killed_at_any_call_loses_no_exit_that_it_has_spooled() {
    killed(Process::Supervisor, Journal::Rollback);
}

#[test]
fn f19_a_disk_that_is_full_at_any_write_of_a_monitor_loses_no_exit() {
    refused(Process::Monitor, "ENOSPC");
}

#[test]
fn f19_a_disk_that_is_full_at_any_write_of_a_supervisor_loses_no_exit() {
    refused(Process::Supervisor, "ENOSPC");
}

#[test]
fn f20_an_error_of_the_disk_at_any_write_of_a_monitor_loses_no_exit() {
    refused(Process::Monitor, "EIO");
}

#[test]
fn f20_an_error_of_the_disk_at_any_write_of_a_supervisor_loses_no_exit() {
    refused(Process::Supervisor, "EIO");
}

/// Where no more threads and processes are to be had. What it makes comes first, and the command last.
#[test]
fn a_supervisor_that_can_start_nothing_more_tells_no_exit_of_its_commands() {
    if !strace::is_here() {
        return;
    }
    let points = at_each(Process::Supervisor, Journal::Rollback, Fault::Refused("EAGAIN"), &STARTS);
    assert!(points > 0, "a supervisor starts threads and a command");
    proof::tried("threads and processes of a supervisor on SQLite that were refused", points);
}

/// Each job that is taken would spend an attempt on nothing.
#[test]
fn a_pool_whose_supervisors_can_start_nothing_more_ends() {
    if !strace::is_here() {
        return;
    }
    let work = Work::on_file(Journal::Rollback);
    let replaced = Replaced::new(&work.program);
    let _jobs = [(); 3].map(|()| work.job(0));
    let args = ["--set", "exec.idle=100ms", "exec", "--loop", "1", "--", "true"];
    let whom = Whom::Supervisor(&replaced);
    let mut pool = strace::refusing(whom, &work.program, &args, &STARTS.join(","), "EAGAIN");
    eventually("the pool ends", || pool.try_wait().unwrap().is_some_and(|status| status.code() == Some(1)));
    assert_eq!(work.database.count("agent_runs"), 1, "one attempt, no more");
    assert_eq!(work.database.count("agent_runs WHERE exit_code = 126"), 1);
    assert_eq!(work.database.count("jobs WHERE status = 'queued'"), 3);
}

/// It would wait for its line, and its monitor for its end, for ever.
#[test]
fn f20_a_supervisor_that_cannot_be_let_go_runs_nothing_and_is_not_waited_for() {
    if !strace::is_here() {
        return;
    }
    let work = Work::on_file(Journal::Rollback);
    let job = work.job(0);
    // The first thing that a monitor writes is the line: SQLite has a call of its own.
    let hit = strace::with_fault(Whom::First, &work.program, &job.args(), "write", 1, Fault::Refused("EIO"));
    let point = format!("{hit:?}");
    assert_eq!(hit.map(|hit| hit.ended.code), Some(6), "{point}");
    assert_eq!(work.database.count("agent_runs WHERE exit_code = 126"), 1, "{point}");
    work.ends_well(&job, Lost::Nothing, &point);
}
