//! The supervisor by itself.

use std::{
    fs,
    io::Write as _,
    os::unix::process::ExitStatusExt as _,
    process::{ExitStatus, Stdio},
};

use reaper_tests::{database::Kind, program::eventually};
use rustix::process::{Pid, Signal};

use crate::ground::{Ground, signal};

/// Runs it with this on standard input, and gives its exit code.
fn hold(ground: &Ground, input: &[u8], script: &str) -> i32 {
    held(ground, input, script).code().unwrap_or(-1)
}

/// The same, and how it ended.
fn held(ground: &Ground, input: &[u8], script: &str) -> ExitStatus {
    let mut command = ground.program.command(&["hold", "--", "/bin/sh", "-c", script]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait().unwrap()
}

#[test]
fn at_the_end_of_its_input_nothing_is_run() {
    let ground = Ground::on(Kind::Sqlite).unwrap();
    for input in ["", "go", "go on\n", "{}\n", "{\"payload\": 5"] {
        assert_ne!(hold(&ground, input.as_bytes(), "echo ran > ran"), 0, "{input:?}");
        assert_eq!(ground.read("ran"), "", "{input:?}");
    }
}

#[test]
fn a_payload_that_is_cut_off_runs_nothing() {
    let ground = Ground::on(Kind::Sqlite).unwrap();
    let ticket = serde_json::json!({
        "payload": 10, "limit": null, "grace": {"secs": 1, "nanos": 0}, "bound_until": null,
        "file": ground.file("x.exit.json"), "attempt": {"job": 1, "fence": 2}, "run": 3, "executor": "h/b/1/2/3/4",
    });
    let cut_off = held(&ground, format!("{ticket}\nhalf").as_bytes(), "echo ran > ran");
    assert_eq!(cut_off.code(), None, "it is no exit of the work: {cut_off}");
    assert_eq!(ground.read("ran"), "");
    assert_eq!(hold(&ground, format!("{ticket}\n0123456789").as_bytes(), "cat > ran; exit 5"), 5);
    assert_eq!(ground.read("ran"), "0123456789");
    let spooled: serde_json::Value = serde_json::from_str(&ground.read("x.exit.json")).unwrap();
    assert_eq!((&spooled["code"], &spooled["run"]), (&5.into(), &3.into()), "{spooled}");
}

#[test]
fn it_ends_as_its_command_did() {
    let ground = Ground::on(Kind::Sqlite).unwrap();
    assert_eq!(hold(&ground, b"go\n", "echo ran > ran; exit 7"), 7);
    assert_eq!(ground.read("ran"), "ran\n");
    let mut command = ground.program.command(&["hold", "--", "/bin/sh", "-c", "kill -9 $$"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}

/// Whoever asks it to end before the command runs is not overheard, and whoever asks for something else is.
#[test]
fn one_that_is_asked_to_end_before_it_begins_runs_nothing() {
    let ground = Ground::on(Kind::Sqlite).unwrap();
    for (asks, ends) in [(Signal::TERM, true), (Signal::INT, true), (Signal::USR1, false)] {
        fs::remove_file(ground.file("ran")).ok();
        let mut command = ground.program.command(&["hold", "--", "/bin/sh", "-c", "echo ran > ran"]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        eventually("it catches signals", || catches(pid, asks));
        signal(pid, asks);
        eventually("it has caught it", || !has_pending(pid, asks));
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        let ended = child.wait().unwrap();
        if ends {
            assert_eq!((ended.signal(), ground.read("ran").as_str()), (Some(asks.as_raw()), ""), "{asks:?}");
        } else {
            assert_eq!((ended.code(), ground.read("ran").as_str()), (Some(0), "ran\n"), "{asks:?}");
        }
    }
}

/// Whether a process has a handler for a signal.
fn catches(pid: Pid, signal: Signal) -> bool {
    has(pid, "SigCgt:", signal)
}

/// Whether a signal waits to be taken by a process.
fn has_pending(pid: Pid, signal: Signal) -> bool {
    has(pid, "ShdPnd:", signal) || has(pid, "SigPnd:", signal)
}

fn has(pid: Pid, line: &str, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    let mask = status.lines().find_map(|said| said.strip_prefix(line)).unwrap().trim();
    u64::from_str_radix(mask, 16).unwrap() & (1 << (signal.as_raw() - 1)) != 0
}
