//! The session that the README shows, run as it stands there: what it prints must have the shape that it shows.

#![expect(clippy::expect_used, clippy::panic, reason = "a README that does not parse fails its test")]

use std::{os::unix::fs::symlink, process::Command};

/// A command with the lines that it prints.
struct Shown {
    command: String,
    output: Vec<String>,
}

/// The block of the README that holds the session.
fn session() -> Vec<Shown> {
    let readme = include_str!("../../README.md");
    let block = readme
        .split("```console\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .find(|block| block.contains("sqlite3 jobs.db"))
        .expect("the README shows a session");
    let mut session: Vec<Shown> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), session.last_mut()) {
            (Some(command), _) => session.push(Shown { command: command.to_owned(), output: Vec::new() }),
            // A quote that is open makes the line a part of the command.
            (None, Some(shown)) if shown.command.matches('"').count() % 2 == 1 => {
                shown.command.push('\n');
                shown.command.push_str(line);
            }
            (None, Some(shown)) => shown.output.push(line.to_owned()),
            (None, None) => panic!("the session begins with a command, not with {line:?}"),
        }
    }
    session
}

/// A line with its figures and its spaces made equal, and a length of time the same whether its second part is
/// there or not: `7 min` and `6 min 59 s` are one shape.
fn shape(line: &str) -> String {
    const UNITS: [&str; 4] = ["d", "h", "min", "s"];
    let mut shape = String::new();
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        let (unit, end) = match word.strip_suffix([',', ':', ';']) {
            Some(unit) => (unit, &word[unit.len()..]),
            None => (*word, ""),
        };
        if UNITS.contains(&unit) && shape.ends_with("0 ") {
            shape.push_str("time");
            let (mut end, mut last) = (end, at);
            while end.is_empty()
                && let Some([figure, unit, ..]) = words.get(last..)
                && figure.bytes().all(|c| c.is_ascii_digit())
                && UNITS.contains(&unit.trim_end_matches([',', ':', ';']))
            {
                end = &unit[unit.trim_end_matches([',', ':', ';']).len()..];
                last += 2;
            }
            at = last;
            shape.push_str(end);
            shape.push(' ');
            continue;
        }
        let mut last = ' ';
        for c in word.chars() {
            let c = if c.is_ascii_digit() { '0' } else { c };
            if c != '0' || last != '0' {
                shape.push(c);
            }
            last = c;
        }
        shape.push(' ');
    }
    shape
}

#[test]
fn the_session_in_the_readme_is_true() {
    if Command::new("sqlite3").arg("--version").output().is_err() {
        eprintln!("SKIPPED: the sqlite3 program is not here, so the README's session was not run");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    symlink(env!("CARGO_BIN_EXE_reaper-under-test"), dir.path().join("reaper")).unwrap();
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap_or_default());
    let session = session();
    assert!(session.iter().filter(|shown| shown.command.starts_with("reaper ")).count() >= 5);
    for Shown { command, output } in session {
        let ran = Command::new("bash")
            .args(["-c", &command])
            .current_dir(dir.path())
            .env("PATH", &path)
            .env("DATABASE_URL", "jobs.db")
            .env("REAPER_INTERVAL", "50ms")
            .output()
            .unwrap();
        let printed = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        let [printed, shown]: [Vec<String>; 2] =
            [printed.lines().map(shape).collect(), output.iter().map(|line| shape(line)).collect()];
        assert_eq!(printed, shown, "$ {command}");
        assert!(ran.status.success(), "$ {command}");
    }
}

#[test]
fn a_length_of_time_has_one_shape() {
    assert_eq!(shape("began 7 min ago"), shape("began 6 min 59 s ago"));
    assert_eq!(shape("age 7 min is under max_running 6 h"), shape("age 6 min 1 s is under max_running 6 h"));
    assert_eq!(shape("in 5 h 53 min, by rule 4"), shape("in 5 h, by rule 4"));
    assert_ne!(shape("began 7 min ago"), shape("began 7 jobs ago"));
}
