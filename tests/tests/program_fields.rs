//! Fields that somebody means ill with, and rows that do not parse: what reaches a terminal, and who is hindered.

use reaper_tests::{
    database::Database,
    jobs::{RunningJob, task},
    processes::dead_pid,
    program::{Ended, Program, adopted, skipped},
};

const BINARY: &str = env!("CARGO_BIN_EXE_reaper-under-test");

/// Texts as no agent or stage should be called.
fn hostile() -> Vec<String> {
    let mut texts: Vec<String> = [
        "\u{1b}[31mred\u{1b}[0m\u{1b}]0;title\u{7}",
        "two\nlines\r\nand\ttabs",
        "quotes \" ' `` \\",
        "$(touch pwned) `touch pwned` ; touch pwned",
        "right\u{202e}to\u{200f}left\u{2066}",
        "c1 \u{9b}31m and \u{85} and \u{7f}",
        "wide 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字",
    ]
    .map(str::to_owned)
    .into();
    texts.push("long".repeat(2500));
    texts.push("\u{1b}".repeat(10_000));
    texts
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Every table line of text fits, and nothing of a field moves the cursor, colours or turns what follows.
fn is_plain(what: &str, ended: &Ended) {
    for (name, text) in [("stdout", &ended.stdout), ("stderr", &ended.stderr)] {
        for c in text.chars() {
            let moves = c.is_control() && c != '\n';
            let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            assert!(!moves && !turns, "{what}: {c:?} in {name}: {text:?}");
        }
    }
}

/// Columns, with wide characters counted as two.
fn width(line: &str) -> usize {
    line.chars().map(|c| if ('\u{2e80}'..='\u{ffdc}').contains(&c) { 2 } else { 1 }).sum()
}

/// A pass's headline and sentences about single jobs and effects are left to the terminal to wrap; all else is laid out.
fn fits(what: &str, ended: &Ended) {
    let sentence = |line: &&str| {
        ["tick ", "job ", "delivered ", "not delivered ", "given up "]
            .iter()
            .any(|word| line.trim_start().starts_with(word))
    };
    for line in ended.stdout.lines().filter(|line| !sentence(line)) {
        assert!(width(line) <= 80, "{what}: {} columns: {line}", width(line));
    }
}

fn populate(db: &Database) -> i64 {
    let mut last = 0;
    for text in hostile() {
        let text = quoted(&text);
        let task = db.insert(&format!(
            "INSERT INTO tasks (work_item_id, repo, branch, stage) VALUES ({text}, {text}, {text}, {text})"
        ));
        for code in ["NULL", "1"] {
            let run = db.insert(&format!(
                "INSERT INTO agent_runs (agent, finished_at, exit_code)
                 VALUES ({text}, datetime('now', '-600 seconds'), {code})"
            ));
            last = db.insert(&format!(
                "INSERT INTO jobs (agent, repo, task_id, status, attempts, run_id, pid, started_at)
                 VALUES ({text}, {text}, {task}, 'running', 2, {run}, {}, datetime('now'))",
                dead_pid()
            ));
        }
        // Neither its status nor its figures parse.
        let _odd = db.insert(&format!("INSERT INTO jobs (agent, repo, status) VALUES ({text}, 'r', {text})"));
        let _bad = db.insert(&format!(
            "INSERT INTO jobs (agent, repo, status, attempts, pid) VALUES ({text}, 'r', 'running', {text}, {text})"
        ));
        let exit0 = db.insert("INSERT INTO agent_runs (finished_at, exit_code) VALUES ('2020-01-01 00:00:00', 0)");
        let _asks = db.insert(&format!(
            "INSERT INTO jobs (agent, repo, task_id, status, run_id) VALUES ({text}, 'r', {task}, 'running', {exit0})"
        ));
    }
    last
}

#[test]
fn f28_nothing_of_a_field_reaches_the_terminal_raw() {
    let (db, program) = adopted(BINARY);
    program.configure("[pipeline]\nstages = [{ name = \"a\", next = \"b\" }, { name = \"b\" }]\n");
    let job = populate(&db).to_string();
    let reason = "why\u{1b}[31m\nnot\u{202e}";
    let off = ["--set", "breaker.percent=100", "--interval", "1ms", "--times", "2"];
    let commands: Vec<(Vec<&str>, bool)> = vec![
        (vec!["plan"], true),
        (vec!["explain", &job], true),
        ([&["tick"][..], &off].concat(), true),
        (vec!["fail", &job, "--reason", reason], false),
        (vec!["retry", &job, "--reason", reason], false),
        (vec!["fail", &job, "--reason", reason], false),
        (vec!["history"], true),
        (vec!["status"], true),
        (vec!["outbox"], true),
        (vec!["explain", "\u{1b}[31m\n"], false),
        (vec!["outbox", "drop", "\u{1b}[31m\n"], false),
        (vec!["enqueue", "--agent", "x", "--repo", "r", "--task", "\u{1b}[31m\n"], false),
    ];
    for (args, table) in commands {
        for output in ["text", "json"] {
            let ended = program.run(&[&args[..], &["--output", output]].concat());
            is_plain(&format!("{args:?} {output}"), &ended);
            if table && output == "text" {
                fits(&format!("{args:?}"), &ended);
            }
            assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        }
    }
    assert!(!db.dir().join("pwned").exists());
}

#[test]
fn f28_a_hostile_effect_and_event_are_shown_plainly() {
    let (db, program) = adopted(BINARY);
    for text in hostile() {
        let text = quoted(&text);
        db.sql(&format!(
            "INSERT INTO reaper_outbox (key, effect, state, created_at, due_at, note)
             VALUES ({text}, '{{}}', 'dead', 0, 0, {text});
             INSERT INTO reaper_events (id, at, job_id, actor, action, rule, reason, from_status, to_status, evidence,
                agent, signature, late_code, late_at)
             VALUES (abs(random()), 0, 1, {text}, {text}, {text}, {text}, {text}, {text}, '{{}}', {text}, {text}, {text}, 0);
             INSERT INTO reaper_outbox (key, effect, state, created_at, due_at)
             VALUES ('alert' || {text}, '{{\"alert\":{{\"kind\":\"k\",\"job\":null,\"text\":\"t\"}}}}', 'pending', 0, 0);"
        ));
    }
    // It delivers the alerts, and says their keys.
    let ended = program.run(&["tick"]).ok();
    assert!(ended.stdout.contains("delivered alert"), "{}", ended.stdout);
    is_plain("tick", &ended);
    for command in ["outbox", "history", "signatures"] {
        for output in ["text", "json"] {
            let since: &[&str] = if command == "signatures" { &["--since", "1970-01-01"] } else { &[] };
            let ended = program.run(&[&[command, "--output", output], since].concat());
            assert!(ended.stdout.len() > 100, "{command}: {}", ended.stdout);
            is_plain(command, &ended);
            if output == "text" {
                fits(command, &ended);
            }
        }
    }
}

#[test]
fn f39_a_row_that_is_no_utf8_is_reported_and_hinders_no_other() {
    let (db, program) = adopted(BINARY);
    let bad = db.insert(&format!(
        "INSERT INTO jobs (agent, repo, status, pid, started_at)
         VALUES (CAST(x'ff1b5b33316dfe' AS TEXT), 'r', 'running', {}, datetime('now', '-1 day'))",
        dead_pid()
    ));
    let good = RunningJob { pid: Some(dead_pid()), ..RunningJob::default() }.insert(&db);
    let tick = program.run(&["tick", "--set", "dead_ticks=1", "--output", "json"]).ok();
    let pass = &tick.json()[0];
    assert_eq!(pass["bad"].as_array().unwrap().len(), 1, "{pass}");
    assert_eq!((db.status(bad).as_str(), db.status(good).as_str()), ("running", "queued"));
    let text = program.run(&["tick"]).ok();
    assert!(text.stdout.contains(&format!("job {bad}")) && text.stdout.contains("agent"), "{}", text.stdout);
    is_plain("tick", &text);
    let explain = program.run(&["explain", &bad.to_string()]).with_code(5);
    assert!(explain.stderr.contains("UTF-8"), "{}", explain.stderr);
}

#[test]
fn without_a_terminal_nothing_is_coloured() {
    let (db, program) = adopted(BINARY);
    let task = task(&db, "a");
    let job = RunningJob { task_id: Some(task), pid: Some(dead_pid()), ..RunningJob::default() }.insert(&db);
    for args in [
        &["plan"][..],
        &["explain", &job.to_string()],
        &["status"],
        &["tick", "--times", "2", "--interval", "1ms"],
        &["frob"],
    ] {
        for no_color in [false, true] {
            let mut command = program.command(args);
            if no_color {
                command.env("NO_COLOR", "1")
            } else {
                command.env_remove("NO_COLOR")
            };
            let output = command.output().unwrap();
            let all = [output.stdout, output.stderr].concat();
            assert!(!all.contains(&0x1b), "{args:?}: {}", String::from_utf8_lossy(&all));
        }
    }
}

/// A terminal is made by the `script` program, where there is one.
#[test]
fn no_color_is_obeyed_on_a_terminal() {
    let (_db, program) = adopted(BINARY);
    let terminal = Program::new("script", program.dir());
    let status = format!("'{BINARY}' status");
    let args = ["-qec", &status, "/dev/null"];
    let Ok(plain) = terminal.command(&args).output() else {
        skipped("there is no `script` program to make a terminal");
        return;
    };
    assert!(!plain.stdout.contains(&0x1b), "{}", String::from_utf8_lossy(&plain.stdout));
    let coloured = terminal.command(&args).env_remove("NO_COLOR").output().unwrap();
    assert!(coloured.stdout.contains(&0x1b), "{}", String::from_utf8_lossy(&coloured.stdout));
}
