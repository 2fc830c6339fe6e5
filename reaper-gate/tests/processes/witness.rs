//! The exit codes of real processes that are nobody's child here.

use std::process::Command;

use crate::{
    support::{Held, Started, as_nobody, python, wait_until},
    watch::{deaths, job, watch, whole},
};
use reaper_core::Finding;
use reaper_gate::{
    Watch,
    liveness::watch::{PidfdWatch, Role, Watching, Witness, WitnessedExit},
};
use rustix::process::{Signal, geteuid};

/// A process with a parent that is not this one, and that waits for it or never does.
struct Grandchild {
    parent: Started,
    child: Held,
}

impl Grandchild {
    /// Its parent never reaps it.
    fn neglected(work: &str) -> Self {
        let grandchild = Self::start(work, "exec sleep 600");
        let parent = format!("/proc/{}/comm", grandchild.parent.held.pid);
        // As long as it is a shell it may reap whatever ends.
        wait_until("the parent is no shell any more", || {
            std::fs::read_to_string(&parent).unwrap().trim_end() == "sleep"
        });
        grandchild
    }

    /// Its parent reaps it, says so, and goes on.
    fn cared_for(work: &str) -> Self {
        Self::start(work, "wait; echo reaped; exec sleep 600")
    }

    fn start(work: &str, then: &str) -> Self {
        let script = format!("exec 3<&0; sh -c \"$WORK\" <&3 & echo $!; exec 3<&- </dev/null; {then}");
        let mut parent = Started::new(Command::new("sh").env("WORK", work).args(["-c", &script]));
        let child = parent.prints_pid();
        Self { parent, child }
    }

    fn is_reaped(&mut self) {
        assert_eq!(self.parent.line(), "reaped");
    }
}

fn held(process: &Held) -> PidfdWatch {
    let watch = watch();
    assert_eq!(watch.watch(&job(1), Role::Executor, &whole(process)), Watching::Held);
    watch
}

fn told(watch: &dyn Watch) -> Option<WitnessedExit> {
    let exit = deaths(watch, 1)[0].exit;
    assert_eq!(watch.exit(&job(1), Role::Executor), exit);
    exit
}

fn release() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// What this kernel is expected to tell.
fn expected(code: i32, witness: Witness) -> Option<WitnessedExit> {
    let since = match witness {
        Witness::ProcessTable => (6, 9),
        Witness::Pidfd => (6, 16),
    };
    if release() < since {
        eprintln!("SKIPPED in part: this kernel does not tell by {witness}, it is unknown then");
        return None;
    }
    Some(WitnessedExit { code, witness })
}

#[test]
fn the_table_tells_of_one_that_waits_to_be_reaped() {
    for (work, code) in [("read _; exit 7", 7), ("read _; exit 0", 0), ("read _; exit 137", 137)] {
        let mut grandchild = Grandchild::neglected(work);
        let watch = held(&grandchild.child);
        grandchild.parent.close_stdin();
        assert_eq!(told(&watch), expected(code, Witness::ProcessTable));
    }
}

#[test]
fn the_pidfd_tells_of_one_that_was_reaped() {
    for (work, code) in [("read _; exit 7", 7), ("read _; exit 0", 0), ("read _; exit 255", 255)] {
        let mut grandchild = Grandchild::cared_for(work);
        let watch = held(&grandchild.child);
        grandchild.parent.close_stdin();
        grandchild.is_reaped();
        assert_eq!(told(&watch), expected(code, Witness::Pidfd));
    }
}

#[test]
fn signals_are_told_as_negative_codes() {
    for signal in [Signal::KILL, Signal::TERM] {
        let neglected = Grandchild::neglected("exec sleep 600");
        let watch = held(&neglected.child);
        neglected.child.signal(signal);
        assert_eq!(told(&watch), expected(-signal.as_raw(), Witness::ProcessTable));

        let mut cared_for = Grandchild::cared_for("exec sleep 600");
        let watch = held(&cared_for.child);
        cared_for.child.signal(signal);
        cared_for.is_reaped();
        assert_eq!(told(&watch), expected(-signal.as_raw(), Witness::Pidfd));
    }
}

#[test]
fn one_whose_parent_is_gone_is_told_whoever_reaps_it() {
    let mut parent = Started::new(Command::new("sh").args(["-c", "sleep 600 & echo $!"]));
    let orphan = parent.prints_pid();
    parent.reap();
    let watch = held(&orphan);
    orphan.signal(Signal::KILL);
    let code = told(&watch).map(|exit| exit.code);
    assert_eq!(code, expected(-9, Witness::Pidfd).map(|exit| exit.code));
}

#[test]
fn a_zombie_at_first_sight_is_told_and_a_reaped_one_is_not() {
    let mut grandchild = Grandchild::neglected("read _; exit 7");
    let subject = whole(&grandchild.child);
    grandchild.parent.close_stdin();
    grandchild.child.wait();
    let zombie = watch();
    assert_eq!(zombie.watch(&job(1), Role::Executor, &subject), Watching::Gone);
    assert_eq!(told(&zombie), expected(7, Witness::ProcessTable));

    // Its parent ends, and whoever inherits it reaps it, or not: then it stays a zombie.
    let mut cared_for = Grandchild::cared_for("read _; exit 7");
    let subject = whole(&cared_for.child);
    cared_for.parent.close_stdin();
    cared_for.is_reaped();
    let late = watch();
    assert_eq!(late.watch(&job(1), Role::Executor, &subject), Watching::Gone);
    let death = &deaths(&late, 1)[0];
    assert_eq!((&death.sighting.finding, death.exit), (&Finding::NoSuchProcess, None), "never a made-up code");
    assert_eq!(late.exit(&job(1), Role::Executor), None);
}

#[test]
fn of_monitors_no_exit_is_told() {
    let mut grandchild = Grandchild::neglected("read _; exit 7");
    let watch = watch();
    assert_eq!(watch.watch(&job(1), Role::Monitor, &whole(&grandchild.child)), Watching::Held);
    grandchild.parent.close_stdin();
    assert_eq!(deaths(&watch, 1)[0].exit, None);
    assert_eq!(watch.exit(&job(1), Role::Monitor), None);
}

#[test]
fn the_code_is_that_of_the_process_and_not_of_its_main_thread() {
    let program = "import ctypes, os, sys, threading\n\
                   def work():\n\
                   \x20   print('working', flush=True)\n\
                   \x20   sys.stdin.read()\n\
                   \x20   os._exit(3)\n\
                   threading.Thread(target=work).start()\n\
                   ctypes.CDLL(None).pthread_exit(None)\n";
    for reaped in [false, true] {
        let Some(mut child) = python(program) else { return };
        assert_eq!(child.line(), "working");
        let stat = format!("/proc/{}/stat", child.held.pid);
        wait_until("the main thread has ended", || std::fs::read_to_string(&stat).unwrap().contains(") Z "));
        let watch = held(&child.held);
        child.close_stdin();
        let witness = if reaped {
            child.reap();
            Witness::Pidfd
        } else {
            Witness::ProcessTable
        };
        assert_eq!(told(&watch), expected(3, witness));
    }
}

#[test]
fn to_another_user_a_zombie_is_unknown_until_it_is_reaped() {
    if !geteuid().is_root() {
        eprintln!(
            "SKIPPED to_another_user_a_zombie_is_unknown_until_it_is_reaped: only root can become somebody else"
        );
        return;
    }
    let Some(mut child) = python("import sys; print('ready', flush=True); sys.stdin.read(); sys.exit(7)") else {
        return;
    };
    assert_eq!(child.line(), "ready");
    let subject = whole(&child.held);
    // On Linux only this thread becomes somebody else. A zombie's file would say 0 to it.
    let (watch, zombie) = as_nobody(|| {
        let watch = watch();
        assert_eq!(watch.watch(&job(1), Role::Executor, &subject), Watching::Held);
        child.close_stdin();
        child.held.wait();
        let zombie = deaths(&watch, 1)[0].exit;
        (watch, zombie)
    });
    assert_eq!(zombie, None);
    child.reap();
    let later = as_nobody(|| watch.exit(&job(1), Role::Executor));
    assert_eq!(later, expected(7, Witness::Pidfd));
}
