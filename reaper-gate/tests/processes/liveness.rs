//! What the probe says of real processes.

use std::{process::Command, time::Duration};

use crate::support::{
    Held, Started, again, as_nobody, attempt, dead, identity, is_again, leftovers, probe, python, raw_pid,
    running, session, sleeper, wait_until, without_main_thread,
};
use reaper_core::{Certainty, Finding, Liveness, ProcessIdentity, Sighting};
use reaper_gate::{
    Probe, Stop,
    liveness::{IdentifyError, LocalProbe, LocalStop, Stopped},
};
use rustix::process::{Resource, Rlimit, Signal, geteuid, getrlimit, setrlimit, test_kill_process};

fn alive_pid() -> Sighting {
    Sighting::new(Liveness::Alive(Certainty::Unverified), Finding::PidExists)
}

fn dead_pid(finding: Finding) -> Sighting {
    Sighting::new(Liveness::Dead(Certainty::Unverified), finding)
}

#[test]
fn a_running_process_is_alive_and_a_reaped_one_dead() {
    let probe = probe();
    let mut child = sleeper();
    let identity = identity(&child.held);
    assert_eq!(probe.probe(&identity), running());
    assert_eq!(probe.probe_pid(identity.pid), alive_pid());
    child.kill();
    assert_eq!(probe.probe(&identity), dead(Finding::NoSuchProcess));
    assert_eq!(probe.probe_pid(identity.pid), dead_pid(Finding::NoSuchProcess));
    assert_eq!(probe.identify(identity.pid), Err(IdentifyError::Gone));
}

#[test]
fn f10_a_zombie_is_dead() {
    let probe = probe();
    let child = sleeper();
    let identity = identity(&child.held);
    child.held.signal(Signal::KILL);
    child.held.wait();
    assert!(test_kill_process(raw_pid(identity.pid)).is_ok(), "a zombie still answers to kill");
    assert_eq!(probe.probe(&identity), dead(Finding::Ended));
    assert_eq!(probe.probe_pid(identity.pid), dead_pid(Finding::Ended));
    assert_eq!(probe.identify(identity.pid), Err(IdentifyError::Gone));
}

#[test]
fn a_stopped_process_is_alive() {
    let child = sleeper();
    let identity = identity(&child.held);
    child.held.signal(Signal::STOP);
    assert_eq!(probe().probe(&identity), running());
}

#[test]
fn an_identity_outlives_the_exec_of_another_program() {
    let mut child = Started::new(Command::new("sh").args(["-c", "echo ready; read _; exec sleep 600"]));
    assert_eq!(child.line(), "ready");
    let before = identity(&child.held);
    child.close_stdin();
    let command = format!("/proc/{}/comm", before.pid);
    wait_until("the shell has become sleep", || std::fs::read_to_string(&command).unwrap().trim() == "sleep");
    assert_eq!(probe().probe(&before), running());
}

#[test]
fn a_process_named_like_fields_is_read_right() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join(") Z 1 1 (");
    let sleep = ["/bin/sleep", "/usr/bin/sleep"].into_iter().find(|path| std::fs::metadata(path).is_ok()).unwrap();
    std::fs::copy(sleep, &program).unwrap();
    let child = Started::new(Command::new(&program).arg("600"));
    let command = format!("/proc/{}/comm", child.held.pid);
    wait_until("the program runs", || std::fs::read_to_string(&command).unwrap().trim_end() == ") Z 1 1 (");
    let identity = identity(&child.held);
    assert!(identity.start_time.is_some());
    let by_start = ProcessIdentity { inode: None, ..identity };
    assert_eq!(probe().probe(&by_start), running());
}

#[test]
fn another_start_or_inode_is_a_recycled_pid() {
    let child = sleeper();
    let identity = identity(&child.held);
    let started = ProcessIdentity { start_time: identity.start_time.map(|ticks| ticks - 1), ..identity.clone() };
    assert_eq!(probe().probe(&started), dead(Finding::Recycled));
    if identity.inode.is_some() {
        let inode = ProcessIdentity { inode: identity.inode.map(|inode| inode - 1), ..identity };
        assert_eq!(probe().probe(&inode), dead(Finding::Recycled));
    }
}

#[test]
fn other_hosts_and_namespaces_are_not_told() {
    let probe = probe();
    let mut child = sleeper();
    let identity = identity(&child.held);
    child.kill();
    let host = ProcessIdentity { host: "other-host".to_owned(), ..identity.clone() };
    let namespace = ProcessIdentity { pid_namespace: identity.pid_namespace.map(|ns| ns + 1), ..identity };
    assert_eq!(probe.probe(&host), Sighting::new(Liveness::Unknown, Finding::OtherHost));
    assert_eq!(probe.probe(&namespace), Sighting::new(Liveness::Unknown, Finding::OtherNamespace));
}

#[test]
fn a_leader_gone_with_its_session_is_dead_and_without_it_is_not() {
    let probe = probe();
    let mut leader = session(&attempt(), "sleep 600 & echo $!; wait");
    let child = leader.prints_pid();
    let identity = identity(&leader.held);
    assert_eq!(probe.probe(&identity), running());

    leader.held.signal(Signal::KILL);
    leader.held.wait();
    assert_eq!(probe.probe(&identity), leftovers(1), "the leader is a zombie");
    leader.reap();
    assert_eq!(probe.probe(&identity), leftovers(1), "the leader is gone");

    child.signal(Signal::KILL);
    child.wait();
    assert_eq!(probe.probe(&identity), dead(Finding::NoSuchProcess));
}

#[test]
fn many_are_told_apart_in_their_order() {
    let probe = probe();
    let (alive, mut gone) = (sleeper(), sleeper());
    let mut leader = session(&attempt(), "sleep 600 & echo $!; wait");
    let child = leader.prints_pid();
    let [alive, first, led] = [&alive.held, &gone.held, &leader.held].map(identity);
    let other = ProcessIdentity { host: "other-host".to_owned(), ..first.clone() };
    let recycled = ProcessIdentity { start_time: alive.start_time.map(|ticks| ticks - 1), ..alive.clone() };
    gone.kill();
    leader.kill();
    let all = [&led, &alive, &first, &other, &recycled, &led];
    let seen = probe.probe_all(&all);
    let one_by_one: Vec<_> = all.iter().map(|identity| probe.probe(identity)).collect();
    assert_eq!(seen, one_by_one);
    assert_eq!(seen[..3], [leftovers(1), running(), dead(Finding::NoSuchProcess)]);
    assert_eq!(probe.probe_all(&[]), []);
    drop(child);
}

#[test]
fn a_group_of_its_own_is_looked_for_too() {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new("sh");
    let mut leader = Started::new(command.args(["-c", "sleep 600 & echo $!; wait"]).process_group(0));
    let child = leader.prints_pid();
    let identity = identity(&leader.held);
    leader.kill();
    assert_eq!(probe().probe(&identity), leftovers(1));
    drop(child);
}

#[test]
fn a_zombie_in_the_session_is_not_a_leftover() {
    let Some(mut leader) = python(
        "import os, sys, time\n\
         os.setsid()\n\
         keeper = os.fork()\n\
         if keeper == 0:\n\
         \x20   os.setpgid(0, 0)\n\
         \x20   child = os.fork()\n\
         \x20   if child == 0: os._exit(0)\n\
         \x20   os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)\n\
         \x20   print(os.getpid(), flush=True)\n\
         \x20   time.sleep(600)\n\
         print('leader', flush=True)\n\
         time.sleep(600)\n",
    ) else {
        return;
    };
    let lines = [leader.line(), leader.line()];
    let keeper = Held::open(lines.iter().find_map(|line| line.parse().ok()).unwrap());
    let identity = identity(&leader.held);
    leader.kill();
    assert_eq!(probe().probe(&identity), leftovers(1), "the keeper lives, its child is a zombie");
    keeper.signal(Signal::KILL);
    keeper.wait();
    assert_eq!(probe().probe(&identity), dead(Finding::NoSuchProcess));
}

#[test]
fn f11_a_process_whose_main_thread_has_ended_is_alive_until_the_last_one_ends() {
    let Some(mut child) = without_main_thread() else { return };
    let identity = identity(&child.held);
    assert_eq!(probe().probe(&identity), running());
    assert_eq!(probe().probe_pid(identity.pid), alive_pid());
    child.close_stdin();
    child.held.wait();
    assert_eq!(probe().probe(&identity), dead(Finding::Ended));
}

#[test]
fn f13_another_users_process_is_alive_and_then_dead() {
    if !geteuid().is_root() {
        eprintln!("SKIPPED f13_another_users_process_is_alive_and_then_dead: only root can become somebody else");
        return;
    }
    let mut child = sleeper();
    let pid = child.held.pid;
    let identity = identity(&child.held);
    // On Linux only this thread becomes somebody else.
    let (alive, bare, answer) = as_nobody(|| {
        let probe = probe();
        (probe.probe(&identity), probe.probe_pid(pid), test_kill_process(raw_pid(pid)))
    });
    assert_eq!(answer, Err(rustix::io::Errno::PERM), "kill is not allowed");
    assert_eq!((alive, bare), (running(), alive_pid()));
    child.kill();
    let gone = as_nobody(|| probe().probe(&identity));
    // Without a pidfs the table has to say it, which may hide what is somebody else's.
    let is_hidden = identity.inode.is_none() && gone.liveness == Liveness::Unknown;
    assert!(is_hidden || gone == dead(Finding::NoSuchProcess), "{gone:?}");
}

#[test]
fn f09_a_pid_that_was_given_away_is_recycled_even_within_one_tick() {
    let name = "liveness::f09_a_pid_that_was_given_away_is_recycled_even_within_one_tick";
    if !is_again() {
        // In a namespace of its own, so that nobody else draws numbers.
        again(name, &["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]);
        return;
    }
    let probe = probe();
    let mut first = sleeper();
    let identity = identity(&first.held);
    first.kill();
    std::fs::write("/proc/sys/kernel/ns_last_pid", (identity.pid - 1).to_string()).unwrap();
    let second = sleeper();
    assert_eq!(second.held.pid, identity.pid, "the number was given again");
    if identity.inode.is_none() && self::identity(&second.held).start_time == identity.start_time {
        eprintln!("SKIPPED {name}: this kernel has no pidfs, and both started within one tick");
        return;
    }
    assert_eq!(probe.probe(&identity), dead(Finding::Recycled));
    assert_eq!(probe.probe_pid(identity.pid), alive_pid(), "a bare pid cannot tell");
}

#[test]
fn f12_another_pid_namespace_is_not_told_from_inside_and_its_own_is() {
    let name = "liveness::f12_another_pid_namespace_is_not_told_from_inside_and_its_own_is";
    if !is_again() {
        let child = sleeper();
        let outside = identity(&child.held).to_string();
        let behind = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "env"];
        again(name, &[&behind[..], &[&format!("OUTSIDE={outside}")]].concat());
        return;
    }
    let outside: ProcessIdentity = std::env::var("OUTSIDE").unwrap().parse().unwrap();
    assert_eq!(probe().probe(&outside), Sighting::new(Liveness::Unknown, Finding::OtherNamespace));
    let child = sleeper();
    assert_eq!(probe().probe(&identity(&child.held)), running());
}

#[test]
fn f12_a_process_table_of_an_outer_namespace_is_not_believed() {
    let name = "liveness::f12_a_process_table_of_an_outer_namespace_is_not_believed";
    if !is_again() {
        again(name, &["unshare", "--pid", "--fork", "--kill-child"]);
        return;
    }
    let mut child = sleeper();
    let Ok(identity) = probe().identify(child.held.pid) else {
        eprintln!("SKIPPED {name}: this kernel has no pidfs, and then nothing is captured at all");
        return;
    };
    assert_eq!(identity.start_time, None, "it would be another process's");
    assert_eq!(probe().probe(&identity), running(), "the inode tells");
    child.kill();
    let seen = probe().probe(&identity);
    assert_eq!(seen, dead(Finding::NoSuchProcess), "no table is asked where the number is nobody's any more");

    let mut leader = session(&attempt(), "sleep 600 & echo $!; wait");
    let child = leader.prints_pid();
    let identity = probe().identify(leader.held.pid).unwrap();
    leader.kill();
    let seen = probe().probe(&identity);
    assert_eq!(seen.liveness, Liveness::Unknown, "nobody sees who is left of its session: {seen:?}");
    drop(child);
}

#[test]
fn f13_a_table_with_hidepid_never_says_dead_to_somebody_who_cannot_see_it_all() {
    let name = "liveness::f13_a_table_with_hidepid_never_says_dead_to_somebody_who_cannot_see_it_all";
    if !is_again() {
        let mount = "mount -t proc -o hidepid=invisible proc /proc && exec \"$0\" \"$@\"";
        again(name, &["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", mount]);
        return;
    }
    let mut child = sleeper();
    let whole = identity(&child.held);
    let by_start = ProcessIdentity { inode: None, ..whole.clone() };
    let seen = as_nobody(|| (probe().probe(&whole), probe().probe(&by_start)));
    assert!(whole.inode.is_none() || seen.0 == running(), "the inode tells: {:?}", seen.0);
    assert_eq!(seen.1.liveness, Liveness::Unknown, "{:?}", seen.1);
    child.kill();
    let gone = as_nobody(|| probe().probe(&whole));
    // With a pidfs the kernel itself says that nothing goes by the number; without one only the table would.
    let expected = if whole.inode.is_some() { Liveness::Dead(Certainty::Verified) } else { Liveness::Unknown };
    assert_eq!(gone.liveness, expected, "{gone:?}");
    assert_eq!(probe().probe(&whole), dead(Finding::NoSuchProcess), "who may trace all sees all");

    let mut leader = session(&attempt(), "sleep 600 & echo $!; wait");
    let child = leader.prints_pid();
    let led = identity(&leader.held);
    leader.kill();
    let left = as_nobody(|| probe().probe(&led));
    assert_eq!(left.liveness, Liveness::Unknown, "nobody sees who is left of its session: {left:?}");
    assert_eq!(probe().probe(&led), leftovers(1), "who may trace all sees all");
    drop(child);
}

#[test]
fn f13_without_descriptors_nothing_is_said_of_an_identity() {
    let name = "liveness::f13_without_descriptors_nothing_is_said_of_an_identity";
    if !is_again() {
        // In a process of its own: the limit is everybody's in it.
        again(name, &["env"]);
        return;
    }
    let probe = probe();
    let mut child = sleeper();
    let identity = identity(&child.held);
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(0), ..before }).unwrap();
    let seen = (probe.probe(&identity), probe.probe_pid(identity.pid), probe.identify(identity.pid));
    let stopped = LocalStop::new(probe.clone()).stop(&attempt(), &identity, Duration::ZERO);
    setrlimit(Resource::Nofile, before).unwrap();
    assert!(matches!(&seen.0.finding, Finding::Unreadable(why) if why.contains("pidfd_open")), "{seen:?}");
    assert_eq!((seen.0.liveness, seen.1), (Liveness::Unknown, alive_pid()), "kill needs none");
    assert!(matches!(seen.2, Err(IdentifyError::Unreadable(_))), "{:?}", seen.2);
    assert_eq!(stopped, Stopped::NotVerified);
    assert!(!child.held.has_ended());
    child.kill();
    setrlimit(Resource::Nofile, Rlimit { current: Some(0), ..before }).unwrap();
    let gone = probe.probe(&identity);
    setrlimit(Resource::Nofile, before).unwrap();
    assert_eq!(gone.liveness, Liveness::Unknown, "nobody sees its session: {gone:?}");
}

#[test]
fn the_default_name_is_the_same_every_time() {
    let [one, other] = [(); 2].map(|()| LocalProbe::builder().build().unwrap());
    assert_eq!(one.host(), other.host());
    assert_eq!(one.identify_self(), other.identify_self());
    assert_eq!(one.probe(&other.identify_self().unwrap()), running());
}
