//! What the program is told, and what a command is told.

use std::{fs, process::Stdio};

use reaper_tests::database::Kind;

use crate::{ground::Ground, on_both};

on_both! {
    /// A payload comes on standard input as it was enqueued; without one there is nothing to read.
    fn a_payload_is_on_standard_input(ground: &Ground) {
        let long = "0123456789abcde\n".repeat(16_384);
        fs::write(ground.file("long"), &long).unwrap();
        let hostile = "{\"a\": \"'; $(touch pwned) \\u001b`\"}\r\n  ";
        for (args, expected) in [
            (&["--payload", hostile][..], hostile),
            (&["--payload-file", "long"][..], long.as_str()),
            (&["--payload", ""][..], ""),
            (&[][..], ""),
        ] {
            let _job = ground.enqueue(&[&["--agent", "worker"], args].concat());
            let _ended = ground.exec(&[], "cat > got").ok();
            assert!(ground.read("got") == expected, "{args:?}");
        }
        // A command need not read it.
        let _job = ground.enqueue(&["--agent", "worker", "--payload-file", "long"]);
        let _ended = ground.exec(&[], "true").ok();
        assert!(!ground.file("pwned").exists());
    }

    /// The job's fields reach the command as they are, whatever they hold, and nothing of them is run.
    fn f28_hostile_fields_reach_the_command_as_they_are(ground: &Ground) {
        let hostile = "a b\n'\"`$(touch pwned)`;\\ *\u{1b}[31m\u{202e}漢";
        let args = ["--agent", hostile, "--stage", hostile, "--branch", hostile, "--work-item", hostile];
        let (job, task) = ground.enqueue(&args);
        let script = "for field in AGENT STAGE BRANCH WORK_ITEM; do eval \"printf %s \\\"\\$REAPER_$field\\\"\" > got.$field; done; \
            printf '%s %s %s' \"$REAPER_JOB_ID\" \"$REAPER_TASK_ID\" \"$REAPER_ATTEMPT\" > got.ids; env > got.env";
        let mut command = ground.program.command(&["exec", "--agent", hostile, "--", "/bin/sh", "-c", script]);
        let ended = command.env("REAPER_NOTIFY__TELEGRAM__CHAT_ID", "").env_remove("REAPER_NOTIFY__TELEGRAM__CHAT_ID")
            .env("REAPER_BUDGET", "17").stdin(Stdio::null()).output().unwrap();
        // Its agent is in no pipeline: such a job is kept and reported.
        assert_eq!(ended.status.code(), Some(9), "{ended:?}");
        for field in ["AGENT", "STAGE", "BRANCH", "WORK_ITEM"] {
            assert_eq!(ground.read(&format!("got.{field}")), hostile);
        }
        let fence = ground.column(job, "reaper_fence").unwrap();
        assert_eq!(ground.read("got.ids"), format!("{job} {} {job}:{fence}", task.unwrap()));
        assert!(!ground.read("got.env").contains("REAPER_BUDGET"), "reaper's own settings are not passed on");
        assert!(!ground.file("pwned").exists());
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(!said.contains('\u{1b}') && !said.contains('\u{202e}'), "{said:?}");
    }

    /// Each reason for which nothing is taken has its exit code.
    fn nothing_to_take_is_said(ground: &Ground) {
        let empty = ground.exec(&["--agent", "worker"], "true").with_code(8);
        assert!(empty.stderr.contains("no job of agent worker"), "{}", empty.stderr);
        let _empty = ground.exec(&[], "true").with_code(8);
        let _unknown = ground.exec(&["--job", "4711"], "true").with_code(5);
        let job = ground.job();
        let _done = ground.exec(&["--job", &job.to_string()], "true").ok();
        let done = ground.exec(&["--job", &job.to_string()], "true").with_code(3);
        assert!(done.stderr.contains("is done"), "{}", done.stderr);
        ground.configure("backoff = { base = \"1h\", max = \"1h\" }");
        assert_eq!(ground.db.count("agent_runs"), 1);
    }
}

#[test]
fn flags_that_cannot_be_meant_are_refused() {
    let ground = Ground::on(Kind::Sqlite).unwrap();
    for (args, word) in [
        (&["exec"][..], "COMMAND"),
        (&["exec", "--job", "1", "--agent", "a", "--", "true"][..], "--agent"),
        (&["exec", "--job", "1", "--loop", "2", "--", "true"][..], "--loop"),
        (&["exec", "--loop", "0", "--", "true"][..], "--loop"),
        (&["exec", "--limit", "soon", "--", "true"][..], "--limit"),
        (&["exec", "--limit", "0s", "--", "true"][..], "--limit"),
        (&["exec", "--bound", "--", "true"][..], "node.follow"),
        (&["exec", "--set", "beat.interval=0", "--", "true"][..], "beat.interval"),
        (&["exec", "--set", "exec.hooks=[[]]", "--", "true"][..], "exec.hooks"),
        (&["enqueue", "--agent", "a", "--repo", "r", "--payload-file", "absent"][..], "absent"),
        (&["enqueue", "--agent", "a", "--repo", "r", "--payload", "x", "--payload-file", "y"][..], "--payload"),
    ] {
        let ended = ground.program.run(args).with_code(2);
        assert!(ended.stderr.contains(word), "{args:?}: {}", ended.stderr);
    }
    fs::write(ground.file("long"), "x".repeat(300_000)).unwrap();
    let long = ["enqueue", "--agent", "a", "--repo", "r", "--stage", "s", "--payload-file", "long"];
    let _refused = ground.program.run(&long).with_code(2);
    assert_eq!(ground.db.count("tasks"), 0, "no task is made for it");
}

#[test]
fn f28_a_field_that_cannot_stand_in_an_environment_fails_the_attempt_alone() {
    let ground = Ground::on(Kind::Sqlite).unwrap();
    let job = ground
        .db
        .insert("INSERT INTO jobs (agent, repo, status) VALUES ('worker', 'a' || char(0) || 'b', 'queued')");
    // No system takes a variable of this length, and it is short enough to be read.
    let long = ground
        .db
        .insert("INSERT INTO jobs (agent, repo, status) VALUES ('worker', hex(zeroblob(100000)), 'queued')");
    let other = ground.job();
    for (job, why) in [(job, "NUL"), (long, "cannot start")] {
        let ended = ground.exec(&["--job", &job.to_string(), "--output", "json"], "true").with_code(6).json();
        assert_eq!((&ended[0]["attempt"]["job"], &ended[0]["code"]), (&job.into(), &126.into()), "{ended:?}");
        assert!(ended[0]["tail"].as_str().unwrap().contains(why), "{ended:?}");
    }
    let _other = ground.exec(&["--job", &other.to_string()], "true").ok();
}

#[test]
fn a_payload_that_is_no_text_is_left_alone() {
    let ground = Ground::on(Kind::Sqlite).unwrap();
    let bad = ground.job();
    ground.db.sql("UPDATE jobs SET reaper_payload = x'ff00'");
    let good = ground.job();
    let _taken = ground.exec(&[], "true").ok();
    assert_eq!((ground.db.status(bad).as_str(), ground.db.status(good).as_str()), ("queued", "done"));
    let _none = ground.exec(&[], "true").with_code(8);
}
