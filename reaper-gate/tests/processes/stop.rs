//! Stopping real processes.

use std::{fs::File, io::Write, process::Command, time::Duration};

use crate::support::{
    Held, Started, again, as_nobody, attempt, identity, is_again, probe, python, session, sleeper, wait_until,
};
use reaper_core::{Attempt, ProcessIdentity};
use reaper_gate::{
    Probe, Stop,
    liveness::{LocalStop, Stopped},
};
use rustix::process::{Signal, geteuid, getpgrp, getppid};

/// Longer than what obeys needs, even on a busy machine. Nothing waits for it that obeys.
const PATIENT: Duration = Duration::from_secs(20);
/// What is given to those that will not obey.
const SHORT: Duration = Duration::from_millis(200);

fn stop(executor: &ProcessIdentity, grace: Duration) -> Stopped {
    LocalStop::new(probe()).stop(&attempt(), executor, grace)
}

#[test]
fn what_obeys_is_asked_once() {
    // It says when it is asked, and ends when it is told, or when nobody is there any more to tell it.
    let script = "trap 'echo asked; asked=1' TERM; echo ready; \
                  until read line; do [ $asked ] || exit; asked=; done; echo end";
    let mut leader = session(&attempt(), script);
    assert_eq!(leader.line(), "ready");
    let executor = identity(&leader.held);
    let stopped = std::thread::scope(|scope| {
        let stopping = scope.spawn(|| stop(&executor, PATIENT));
        assert_eq!(leader.line(), "asked");
        leader.tell("end");
        assert_eq!(leader.line(), "end", "it was asked again");
        stopping.join().unwrap()
    });
    assert_eq!(stopped, Stopped::Asked);
    assert!(leader.held.has_ended());
}

#[test]
fn what_ignores_term_is_killed_with_its_children() {
    let mut leader = session(&attempt(), "trap '' TERM; sleep 600 & echo $!; wait");
    let child = leader.prints_pid();
    let executor = identity(&leader.held);
    assert_eq!(stop(&executor, SHORT), Stopped::Killed);
    assert!(leader.held.has_ended() && child.has_ended());
}

#[test]
fn a_suspended_one_gets_to_obey() {
    let mut leader = session(&attempt(), "trap 'echo asked; exit 0' TERM; echo ready; while :; do read x; done");
    assert_eq!(leader.line(), "ready");
    leader.held.signal(Signal::STOP);
    assert_eq!(stop(&identity(&leader.held), PATIENT), Stopped::Asked);
    assert_eq!(leader.line(), "asked");
}

#[test]
fn members_have_the_grace_too() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // Opened both ways, it waits for nobody.
    let mut hint = File::options().read(true).write(true).open(&fifo).unwrap();
    // The leader ends at once, its child not before it gets a hint.
    let script = "(trap '' TERM; echo child; read _ <\"$FIFO\") & wait";
    let mut leader = session(&attempt(), &format!("FIFO='{}'; {script}", fifo.display()));
    assert_eq!(leader.line(), "child");
    let executor = identity(&leader.held);
    let stopped = std::thread::scope(|scope| {
        let stopping = scope.spawn(|| stop(&executor, PATIENT));
        leader.held.wait();
        hint.write_all(b"now\n").unwrap();
        stopping.join().unwrap()
    });
    assert_eq!(stopped, Stopped::Asked);
}

#[test]
fn a_leader_without_a_group_of_its_own_is_stopped_alone() {
    let mut shell =
        Started::new(Command::new("sh").args(["-c", "sleep 600 & echo $!; sleep 600 & echo $!; wait"]));
    let (executor, bystander) = (shell.prints_pid(), shell.prints_pid());
    assert_eq!(stop(&identity(&executor), PATIENT), Stopped::Asked);
    assert!(executor.has_ended());
    assert!(!bystander.has_ended() && !shell.held.has_ended(), "their group is not the executor's");
}

#[test]
fn the_whole_group_is_signalled_where_the_leader_leads_it() {
    // Alone, the member could not be told to be the attempt's.
    for (trap, outcome) in [("", Stopped::Asked), ("trap '' TERM; ", Stopped::Killed)] {
        let script = format!("{trap}env -u REAPER_ATTEMPT sleep 600 & echo $!; wait");
        let mut leader = session(&attempt(), &script);
        let member = leader.prints_pid();
        let name = format!("/proc/{}/comm", member.pid);
        wait_until("it has become sleep", || std::fs::read_to_string(&name).unwrap().trim() == "sleep");
        let grace = if outcome == Stopped::Asked { PATIENT } else { SHORT };
        assert_eq!(stop(&identity(&leader.held), grace), outcome);
        assert!(leader.held.has_ended() && member.has_ended());
    }
}

#[test]
fn we_ourselves_are_never_signalled() {
    let bystander = sleeper();
    let me = probe().identify_self().unwrap();
    assert_eq!(stop(&me, SHORT), Stopped::StillThere);
    assert!(!bystander.held.has_ended());
}

#[test]
fn our_own_group_is_never_signalled() {
    let name = "stop::our_own_group_is_never_signalled";
    if !is_again() {
        // A shell that leads the group which the inner run is in, and is stopped by it; `cat` outlives both.
        let lead = "setsid sh -c '\"$0\" \"$@\"; exit' \"$0\" \"$@\" 2>&1 | cat";
        again(name, &["sh", "-c", lead]);
        return;
    }
    let leader = Held::open(getppid().unwrap().as_raw_pid().cast_unsigned());
    assert_eq!(getpgrp().as_raw_pid().cast_unsigned(), leader.pid, "our parent leads our group");
    let bystander = sleeper();
    // We are of its session and do not end.
    assert_eq!(stop(&identity(&leader), SHORT), Stopped::StillThere);
    assert!(leader.has_ended() && !bystander.held.has_ended());
}

#[test]
fn an_altered_identity_is_not_signalled() {
    let child = sleeper();
    let executor = identity(&child.held);
    let altered = [
        ProcessIdentity { host: "other-host".to_owned(), ..executor.clone() },
        ProcessIdentity { boot: "00000000-1111-2222-3333-444444444444".to_owned(), ..executor.clone() },
        ProcessIdentity { pid_namespace: Some(1), ..executor.clone() },
        ProcessIdentity { pid_namespace: None, ..executor.clone() },
        ProcessIdentity { start_time: executor.start_time.map(|ticks| ticks - 1), ..executor.clone() },
        ProcessIdentity {
            inode: Some(1),
            start_time: executor.start_time.map(|ticks| ticks + 1),
            ..executor.clone()
        },
        ProcessIdentity { start_time: None, inode: None, ..executor.clone() },
        ProcessIdentity { pid: 0, ..executor.clone() },
        ProcessIdentity { pid: u32::MAX, ..executor.clone() },
    ];
    for identity in altered {
        let stopped = stop(&identity, SHORT);
        // What was booted before is not there to be stopped; all else cannot be told.
        let rebooted = identity.boot != executor.boot && probe().probe(&identity).liveness.as_str() == "dead";
        let expected = if rebooted { Stopped::WasGone } else { Stopped::NotVerified };
        assert_eq!(stopped, expected, "{identity}");
        assert!(!child.held.has_ended(), "{identity}");
    }
    assert_eq!(stop(&executor, PATIENT), Stopped::Asked);
}

#[test]
fn what_is_gone_with_all_of_it_was_gone() {
    let mut child = sleeper();
    let executor = identity(&child.held);
    child.held.signal(Signal::KILL);
    child.held.wait();
    assert_eq!(stop(&executor, SHORT), Stopped::WasGone, "a zombie");
    child.reap();
    assert_eq!(stop(&executor, SHORT), Stopped::WasGone);
}

/// A session whose leader is gone and whose child lives.
///
/// The child is known once it has become `sleep`: in the middle of an exec a process shows no environment.
fn left(attempt: &Attempt, script: &str) -> (ProcessIdentity, Held) {
    let mut leader = session(attempt, script);
    let child = leader.prints_pid();
    let name = format!("/proc/{}/comm", child.pid);
    wait_until("it has become sleep", || std::fs::read_to_string(&name).unwrap().trim() == "sleep");
    let executor = identity(&leader.held);
    leader.kill();
    (executor, child)
}

#[test]
fn f14_leftovers_are_stopped_one_by_one() {
    let (executor, child) = left(&attempt(), "sleep 600 & echo $!; wait");
    assert_eq!(stop(&executor, PATIENT), Stopped::Asked);
    assert!(child.has_ended());
}

#[test]
fn leftovers_that_ignore_term_are_killed() {
    let (executor, child) = left(&attempt(), "(trap '' TERM; exec sleep 600) & echo $!; wait");
    assert_eq!(stop(&executor, SHORT), Stopped::Killed);
    assert!(child.has_ended());
}

#[test]
fn f14_leftovers_of_another_attempt_or_none_are_left_alone() {
    let other = Attempt { fence: 1.into(), ..attempt() };
    let (executor, child) = left(&other, "sleep 600 & echo $!; wait");
    assert_eq!(stop(&executor, SHORT), Stopped::NotVerified);
    assert!(!child.has_ended());

    let (executor, child) = left(&attempt(), "env -u REAPER_ATTEMPT sleep 600 & echo $!; wait");
    assert_eq!(stop(&executor, SHORT), Stopped::NotVerified);
    assert!(!child.has_ended());
}

#[test]
fn what_may_not_be_signalled_is_still_there_when_the_rest_is_stopped() {
    let script = "sleep 600 & echo $!; env -u REAPER_ATTEMPT sleep 600 & echo $!; wait";
    let mut leader = session(&attempt(), script);
    let (ours, other) = (leader.prints_pid(), leader.prints_pid());
    let executor = identity(&leader.held);
    let name = format!("/proc/{}/comm", other.pid);
    wait_until("it has become sleep", || std::fs::read_to_string(&name).unwrap().trim() == "sleep");
    leader.kill();
    assert_eq!(stop(&executor, SHORT), Stopped::StillThere);
    assert!(ours.has_ended() && !other.has_ended());
}

#[test]
fn a_member_with_a_group_of_its_own_is_asked_too() {
    let Some(mut leader) = python(
        "import os, time\n\
         os.setsid()\n\
         if os.fork() == 0:\n\
         \x20   os.setpgid(0, 0)\n\
         \x20   print(os.getpid(), flush=True)\n\
         time.sleep(600)\n",
    ) else {
        return;
    };
    let member = leader.prints_pid();
    assert_eq!(stop(&identity(&leader.held), PATIENT), Stopped::Asked);
    assert!(leader.held.has_ended() && member.has_ended());
}

#[test]
fn what_we_may_not_signal_is_still_there() {
    if !geteuid().is_root() {
        eprintln!("SKIPPED what_we_may_not_signal_is_still_there: only root can become somebody else");
        return;
    }
    let child = sleeper();
    let executor = identity(&child.held);
    assert_eq!(as_nobody(|| stop(&executor, PATIENT)), Stopped::StillThere, "and at once");
    assert!(!child.held.has_ended());
}

#[test]
fn without_a_grace_it_is_killed_at_once() {
    let mut leader = session(&attempt(), "trap '' TERM; echo ready; while :; do read _; done");
    assert_eq!(leader.line(), "ready");
    assert_eq!(stop(&identity(&leader.held), Duration::ZERO), Stopped::Killed);
    assert!(leader.held.has_ended());
}

#[test]
fn f09_a_recycled_pid_is_never_signalled() {
    let name = "stop::f09_a_recycled_pid_is_never_signalled";
    if !is_again() {
        again(name, &["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]);
        return;
    }
    let mut first = sleeper();
    let executor = identity(&first.held);
    first.kill();
    std::fs::write("/proc/sys/kernel/ns_last_pid", (executor.pid - 1).to_string()).unwrap();
    // It even carries the attempt, and leads a session.
    let stranger = session(&attempt(), "sleep 600");
    assert_eq!(stranger.held.pid, executor.pid, "the number was given again");
    if executor.inode.is_none() && identity(&stranger.held).start_time == executor.start_time {
        eprintln!("SKIPPED {name}: this kernel has no pidfs, and both started within one tick");
        return;
    }
    assert_eq!(stop(&executor, SHORT), Stopped::NotVerified);
    assert!(!stranger.held.has_ended());
}

#[test]
fn a_session_that_its_member_left_is_not_its_own_any_more() {
    let script = "setsid sleep 600 & echo $!; wait";
    let mut leader = session(&attempt(), script);
    let child = leader.prints_pid();
    let name = format!("/proc/{}/comm", child.pid);
    wait_until("it has become sleep", || std::fs::read_to_string(&name).unwrap().trim() == "sleep");
    assert_eq!(stop(&identity(&leader.held), PATIENT), Stopped::Asked);
    assert!(!child.has_ended(), "who leaves the session is not found by it");
}
