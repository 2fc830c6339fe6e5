//! Answers from altered facts: another boot, a clone, another namespace, a table that cannot be read.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use reaper_core::{Certainty, Liveness, Sighting};

use super::{super::table::Table, *};

const OTHER_BOOT: &str = "00000000-1111-2222-3333-444444444444";
const CONTAINER: u64 = INITIAL_PID_NAMESPACE + 1;

/// A process of ours, ended when the test is over.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        let mut sleep = Command::new("sleep");
        Self(sleep.arg("600").stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }

    fn end(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// This host, said to be in the initial namespaces whatever is around the test.
fn here() -> Here {
    let mut here = Here::new("here".to_owned());
    here.pid_namespace = Ok(INITIAL_PID_NAMESPACE);
    here.start_times = StartTimes::SinceBoot;
    here
}

fn without_table() -> Table {
    Table::at(Path::new("/nonexistent"))
}

fn dead(finding: Finding) -> Sighting {
    Sighting::new(Liveness::Dead(Certainty::Verified), finding)
}

fn unknown(finding: Finding) -> Sighting {
    Sighting::new(Liveness::Unknown, finding)
}

fn running() -> Sighting {
    Sighting::new(Liveness::Alive(Certainty::Verified), Finding::Running)
}

fn assert_unreadable(seen: &Sighting, why: &str) {
    assert_eq!(seen.liveness, Liveness::Unknown, "{seen:?}");
    assert!(matches!(&seen.finding, Finding::Unreadable(text) if text.contains(why)), "{seen:?}, not {why:?}");
}

/// Without a pidfs (before Linux 6.9) there is nothing to test an inode by.
fn has_inode(identity: &ProcessIdentity) -> bool {
    if identity.inode.is_none() {
        eprintln!("SKIPPED in part: this kernel has no pidfs");
    }
    identity.inode.is_some()
}

#[test]
fn what_is_captured_is_recognised() {
    let here = here();
    let child = Sleeper::start();
    let identity = here.identify(child.0.id()).unwrap();
    assert!(identity.start_time.is_some());
    assert_eq!(here.probe(&identity), running());
    assert_eq!(here.probe(&identity.to_string().parse().unwrap()), running());
    child.end();
    assert_eq!(here.probe(&identity), dead(Finding::NoSuchProcess));
}

#[test]
fn either_mark_alone_recognises_it_and_either_alone_rejects_it() {
    let here = here();
    let child = Sleeper::start();
    let identity = here.identify(child.0.id()).unwrap();
    assert_eq!(here.probe(&ProcessIdentity { inode: None, ..identity.clone() }), running());
    let start_time = identity.start_time.map(|ticks| ticks + 1);
    assert_eq!(here.probe(&ProcessIdentity { start_time, ..identity.clone() }), dead(Finding::Recycled));
    if has_inode(&identity) {
        assert_eq!(here.probe(&ProcessIdentity { start_time: None, ..identity.clone() }), running());
        let inode = identity.inode.map(|inode| inode + 1);
        assert_eq!(here.probe(&ProcessIdentity { inode, ..identity }), dead(Finding::Recycled));
    }
}

#[test]
fn a_pid_with_its_place_but_without_marks_is_never_verified() {
    let here = here();
    let child = Sleeper::start();
    let bare = ProcessIdentity { start_time: None, inode: None, ..here.identify(child.0.id()).unwrap() };
    assert_eq!(here.probe(&bare), Sighting::new(Liveness::Alive(Certainty::Unverified), Finding::PidExists));
    child.end();
    assert_eq!(here.probe(&bare), Sighting::new(Liveness::Dead(Certainty::Unverified), Finding::NoSuchProcess));
}

#[test]
fn another_boot_of_this_host_is_dead_in_the_initial_namespace_only() {
    let mut here = here();
    let mine = here.identify(std::process::id()).unwrap();
    let before = ProcessIdentity { boot: OTHER_BOOT.to_owned(), ..mine };
    assert_eq!(here.probe(&before), dead(Finding::Rebooted));
    let bare = ProcessIdentity { start_time: None, inode: None, ..before.clone() };
    assert_eq!(here.probe(&bare), Sighting::new(Liveness::Dead(Certainty::Unverified), Finding::Rebooted));

    let contained = ProcessIdentity { pid_namespace: Some(CONTAINER), ..before.clone() };
    assert_eq!(here.probe(&contained), unknown(Finding::OtherNamespace));
    here.pid_namespace = Ok(CONTAINER);
    assert_eq!(here.probe(&contained), unknown(Finding::OtherNamespace));
    assert_eq!(here.probe(&before), unknown(Finding::OtherNamespace));
}

#[test]
fn a_boot_that_is_none_says_nothing() {
    let here = here();
    let identity = ProcessIdentity { boot: "-".to_owned(), ..here.identify(std::process::id()).unwrap() };
    assert_unreadable(&here.probe(&identity), "boot");
}

#[test]
fn another_host_says_nothing_even_of_another_boot() {
    let here = here();
    let identity = ProcessIdentity { host: "there".to_owned(), ..here.identify(std::process::id()).unwrap() };
    assert_eq!(here.probe(&identity), unknown(Finding::OtherHost));
    let rebooted = ProcessIdentity { boot: OTHER_BOOT.to_owned(), ..identity };
    assert_eq!(here.probe(&rebooted), unknown(Finding::OtherHost));
}

#[test]
fn another_namespace_or_none_says_nothing() {
    let here = here();
    let identity = here.identify(std::process::id()).unwrap();
    let other = ProcessIdentity { pid_namespace: Some(CONTAINER), ..identity.clone() };
    assert_eq!(here.probe(&other), unknown(Finding::OtherNamespace));
    assert_unreadable(&here.probe(&ProcessIdentity { pid_namespace: None, ..identity }), "not recorded");
}

#[test]
fn without_facts_of_our_own_nothing_is_said_or_captured() {
    let here = here();
    let identity = here.identify(std::process::id()).unwrap();
    let mut bootless = here.clone();
    bootless.boot = Err("no boot".to_owned());
    assert_unreadable(&bootless.probe(&identity), "no boot");
    assert_eq!(bootless.identify(1), Err(IdentifyError::Unreadable("no boot".to_owned())));
    let mut lost = here;
    lost.pid_namespace = Err("no namespace".to_owned());
    assert_unreadable(&lost.probe(&identity), "no namespace");
    assert_eq!(lost.identify(1), Err(IdentifyError::Unreadable("no namespace".to_owned())));
}

#[test]
fn an_unreadable_table_leaves_the_inode_or_nothing() {
    let mut here = here();
    let child = Sleeper::start();
    let identity = here.identify(child.0.id()).unwrap();
    here.table = without_table();
    assert_unreadable(&here.probe(&ProcessIdentity { inode: None, ..identity.clone() }), "nonexistent");
    if has_inode(&identity) {
        assert_eq!(here.probe(&identity), running());
        let captured = here.identify(child.0.id()).unwrap();
        assert_eq!(captured, ProcessIdentity { start_time: None, ..identity.clone() });
    }
    child.end();
    // The process is gone, but only the kernel can say whether its session is.
    assert!(!here.numbers_tell || here.probe(&identity) == dead(Finding::NoSuchProcess));
    here.numbers_tell = false;
    assert_unreadable(&here.probe(&identity), "its session not seen");
}

#[test]
fn a_table_that_hides_processes_shows_no_death() {
    let mut here = here();
    let child = Sleeper::start();
    let identity = here.identify(child.0.id()).unwrap();
    child.end();
    here.table.whole = Err("hides some".to_owned());
    assert!(!here.numbers_tell || here.probe(&identity) == dead(Finding::NoSuchProcess));
    here.numbers_tell = false;
    assert_unreadable(&here.probe(&identity), "hides some");
}

/// A table that shows these processes only.
fn table_of(entries: &[(u32, String)]) -> (tempfile::TempDir, Table) {
    let folder = tempfile::tempdir().unwrap();
    for (pid, stat) in entries {
        let entry = folder.path().join(pid.to_string());
        std::fs::create_dir(&entry).unwrap();
        std::fs::write(entry.join("stat"), stat).unwrap();
    }
    let table = Table { root: folder.path().to_owned(), ours: Ok(()), whole: Ok(()) };
    (folder, table)
}

#[test]
fn a_group_that_the_kernel_knows_and_the_table_does_not_show_is_no_death() {
    use std::{
        io::{BufRead, BufReader},
        os::unix::process::CommandExt,
    };
    let mut here = here();
    let mut shell = Command::new("sh");
    shell.args(["-c", "sleep 600 & echo $!; wait"]).process_group(0).stdout(Stdio::piped());
    let mut leader = Sleeper(shell.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(leader.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let child = Pidfd::open(table::pid(line.trim().parse().unwrap()).unwrap()).unwrap();
    let identity = here.identify(leader.0.id()).unwrap();
    leader.end();

    let real = here.table.clone();
    let (_folder, empty) = table_of(&[]);
    here.table = empty;
    let hidden = here.probe(&identity);
    here.table = real;
    let seen = here.probe(&identity);
    child.signal(rustix::process::Signal::KILL).unwrap();
    assert_unreadable(&hidden, "does not show");
    assert_eq!(seen, Sighting::new(Liveness::Leftovers, Finding::SessionLives(1)));
}

#[test]
fn a_leader_that_waits_to_be_reaped_is_all_of_its_group() {
    use std::os::unix::process::CommandExt;
    let here = here();
    let mut leader = Sleeper(Command::new("sleep").arg("600").process_group(0).spawn().unwrap());
    let identity = here.identify(leader.0.id()).unwrap();
    let pidfd = Pidfd::open(table::pid(leader.0.id()).unwrap()).unwrap();
    leader.0.kill().unwrap();
    let bound = rustix::event::Timespec { tv_sec: 30, tv_nsec: 0 };
    assert_eq!(super::super::pidfd::wait_any(&[&pidfd], bound), Ok(true));
    assert_eq!(here.probe(&identity), dead(Finding::Ended));
}

#[test]
fn a_member_that_ends_while_it_is_looked_at_is_no_leftover() {
    let mut here = here();
    let child = Sleeper::start();
    let identity = here.identify(child.0.id()).unwrap();
    child.end();
    let line = format!("9 (gone) S 1 9 {} 0 -1 0 1 0 0 0 3 4 0 0 20 0 1 0 77 9", identity.pid);
    // Above every limit for pids.
    let (_folder, table) = table_of(&[(2_000_000_000, line)]);
    here.table = table;
    assert_eq!(here.probe(&identity), dead(Finding::NoSuchProcess));
}

#[test]
fn a_stat_file_of_another_form_is_unreadable() {
    let mut here = here();
    let child = Sleeper::start();
    let identity = ProcessIdentity { inode: None, ..here.identify(child.0.id()).unwrap() };
    let (folder, table) = table_of(&[(child.0.id(), String::new())]);
    here.table = table;
    let entry = folder.path().join(child.0.id().to_string());
    for text in ["", "1 (sleep) S", "\u{0}\u{0}", &"(".repeat(5000)] {
        std::fs::write(entry.join("stat"), text).unwrap();
        assert_eq!(here.probe(&identity).liveness, Liveness::Unknown, "{text:?}");
    }
    let start_time = identity.start_time.unwrap();
    let line = format!("1 () Z 9 9 9 () S 1 2 3 0 -1 0 1 0 0 0 3 4 0 0 20 0 1 0 {start_time} 9");
    std::fs::write(entry.join("stat"), line).unwrap();
    assert_eq!(here.probe(&identity), running());
}

#[test]
fn shifted_start_times_are_neither_captured_nor_compared() {
    let mut here = here();
    let identity = here.identify(std::process::id()).unwrap();
    here.start_times = StartTimes::Shifted;
    let far = identity.start_time.map(|ticks| ticks + 1_000_000);
    let shifted = ProcessIdentity { start_time: far, ..identity.clone() };
    assert_unreadable(
        &here.probe(&ProcessIdentity { inode: None, ..shifted.clone() }),
        "nothing that is recorded",
    );
    if has_inode(&identity) {
        assert_eq!(here.probe(&shifted), running());
    }
    assert_eq!(here.identify(std::process::id()).unwrap().start_time, None);
}

#[test]
fn numbers_that_no_process_has_say_nothing() {
    let here = here();
    let identity = here.identify(std::process::id()).unwrap();
    for pid in [0, i32::MAX.cast_unsigned() + 1, u32::MAX] {
        assert_unreadable(&here.probe(&ProcessIdentity { pid, ..identity.clone() }), "no process id");
        assert_eq!(here.identify(pid), Err(IdentifyError::Gone));
    }
}
