//! A worker loop of another program, in Python and with no word of Reaper, on the file that `reaper run` works on.

use std::process::{Command, Stdio};

use reaper_tests::{
    processes::dead_pid,
    program::{adopted, signal, skipped},
};

const BINARY: &str = env!("CARGO_BIN_EXE_reaper-under-test");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/foreign_loop.py");

#[test]
fn a_plain_loop_and_a_reaper_share_a_file_without_loss_or_error() {
    if !Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success()) {
        skipped("there is no python3");
        return;
    }
    let seconds = std::env::var("SOAK_SECONDS").unwrap_or_else(|_| "6".into());
    let (db, program) = adopted(BINARY);
    let run = program.spawn(&[
        "run",
        "--output",
        "json",
        "--set",
        "interval=50ms",
        "--set",
        "breaker.percent=100",
        "--set",
        "intensity=off",
    ]);
    let pid = dead_pid().to_string();
    let path = db.path();
    let other = Command::new("python3")
        .args([SCRIPT.as_ref(), path.as_os_str(), seconds.as_ref(), pid.as_ref()])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    signal(&run, rustix::process::Signal::TERM);
    let run = run.wait_with_output().unwrap();
    let (stdout, stderr) = (String::from_utf8(run.stdout).unwrap(), String::from_utf8(run.stderr).unwrap());

    assert_eq!(String::from_utf8_lossy(&other.stderr), "", "the other program saw no error");
    assert!(other.status.success());
    assert_eq!((run.status.code(), stderr.as_str()), (Some(0), ""), "the reaper saw no error");
    for line in stdout.lines() {
        let pass: serde_json::Value = serde_json::from_str(line).expect(line);
        assert!(pass["error"].is_null() && pass["failures"] == serde_json::json!([]), "{line}");
    }
    let told: serde_json::Value = serde_json::from_slice(&other.stdout).unwrap();
    assert_eq!(told["lost"], serde_json::json!([]), "{told}");
    assert_eq!(told["changed"], serde_json::json!([]), "{told}");
    assert_eq!((&told["rows"], &told["done"]), (&told["made"], &told["finished"]), "{told}");
    assert!(told["finished"].as_i64().unwrap() > 10, "both were at work: {told}");
    assert!(told["taken_away"].as_i64().unwrap() > 0, "it noticed what was taken away: {told}");
    let requeued = db.count("reaper_events WHERE action = 'requeue'");
    assert!(
        requeued >= told["taken_away"].as_i64().unwrap(),
        "each of them by a recorded event: {requeued} {told}"
    );
}
