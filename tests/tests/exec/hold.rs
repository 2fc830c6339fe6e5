//! The supervisor by itself.

use std::{io::Write as _, process::Stdio};

use crate::ground::Ground;
use reaper_tests::database::Kind;

/// Runs it with this on standard input, and gives its exit code.
fn hold(ground: &Ground, input: &[u8], script: &str) -> i32 {
    let mut command = ground.program.command(&["hold", "--", "/bin/sh", "-c", script]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait().unwrap().code().unwrap_or(-1)
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
    assert_eq!(hold(&ground, format!("{ticket}\nhalf").as_bytes(), "echo ran > ran"), 3);
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
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()), Some(9));
}
