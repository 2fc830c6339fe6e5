//! How a command ends, and what becomes of its job.

use reaper_tests::program::eventually;

use crate::{
    ground::{Ground, gone, lives},
    on_both,
};

on_both! {
    /// Exit 0 is done, and the task moves on once.
    fn a_good_end_is_done_and_advances(ground: &Ground) {
        let (job, task) = ground.staged();
        let ended = ground.exec(&["--agent", "designer"], "echo said").ok();
        assert_eq!(ended.stdout, "said\n", "standard output is the command's");
        assert!(ended.stderr.contains(&format!("job {job} (designer, exit 0) done")), "{}", ended.stderr);
        assert_eq!((ground.db.status(job).as_str(), ground.db.stage(task).as_str()), ("done", "build"));
        assert_eq!(ground.exits(job).as_deref(), Some("0"));
        assert_eq!(ground.column(job, "attempts").as_deref(), Some("1"));
        assert_eq!(ground.db.count("jobs WHERE agent = 'builder' AND status = 'queued'"), 1);
        let by = ground.db.value("SELECT actor FROM reaper_events");
        assert_eq!(by.as_deref(), Some("monitor"));
        ground.is_consistent();
    }

    /// Another exit is tried again, until all attempts are spent.
    fn a_bad_end_is_tried_again_and_fails(ground: &Ground) {
        let job = ground.job();
        let first = ground.exec(&[], "exit 3").with_code(6);
        assert!(first.stderr.contains("queued again"), "{}", first.stderr);
        assert_eq!((ground.db.status(job).as_str(), ground.exits(job).as_deref()), ("queued", Some("3")));
        assert_eq!(ground.column(job, "coalesce(reaper_rescues, 0)").as_deref(), Some("0"), "nobody had to rescue it");
        eventually("its backoff is over", || ground.exec(&[], "exit 4").code == 6);
        assert_eq!((ground.db.status(job).as_str(), ground.exits(job).as_deref()), ("failed", Some("4")));
        assert_eq!(ground.db.count("reaper_outbox WHERE key LIKE '%alert' AND state = 'done'"), 1, "somebody was told");
        assert_eq!(ground.db.count("agent_runs"), 2);
        ground.is_consistent();
    }

    /// What the exit policy calls fatal is not tried again.
    fn a_fatal_end_fails_at_once(ground: &Ground) {
        ground.configure("[exit]\nfail_on = [\"code:78\", \"signal:ABRT\"]");
        for (script, code) in [("exit 78", "78"), ("kill -6 $$", "-6")] {
            let job = ground.job();
            let _ended = ground.exec(&[], script).with_code(6);
            assert_eq!((ground.db.status(job).as_str(), ground.exits(job).as_deref()), ("failed", Some(code)));
        }
    }

    /// A signal is recorded as its number, negated.
    fn an_end_by_a_signal(ground: &Ground) {
        for signal in [9, 15, 11] {
            let job = ground.job();
            let ended = ground.exec(&[], &format!("kill -{signal} $$")).with_code(6);
            assert!(ended.stderr.contains(&format!("exit -{signal}")), "{}", ended.stderr);
            assert_eq!(ground.exits(job), Some(format!("-{signal}")));
            ground.db.sql("UPDATE jobs SET status = 'done'");
        }
    }

    /// A gate that says no sends the job back, one that cannot say leaves it to the reapers.
    fn the_gate_has_its_word(ground: &Ground) {
        let (job, task) = ground.staged();
        ground.verdict(1);
        let red = ground.exec(&[], "true").with_code(6);
        assert!(red.stderr.contains("gate red"), "{}", red.stderr);
        assert_eq!((ground.db.status(job).as_str(), ground.db.stage(task).as_str()), ("queued", "design"));
        ground.verdict(7);
        let mut undecided = 0;
        eventually("its backoff is over", || {
            undecided = ground.exec(&[], "true").code;
            undecided != 8
        });
        assert_eq!(undecided, 9);
        assert_eq!((ground.db.status(job).as_str(), ground.exits(job).as_deref()), ("running", Some("0")));
        ground.verdict(0);
        let _tick = ground.tick();
        assert_eq!((ground.db.status(job).as_str(), ground.db.stage(task).as_str()), ("done", "build"));
        ground.is_consistent();
    }

    /// A task that is moved while its gate is asked is judged by the gate of the stage where it stands now.
    fn a_gate_has_no_word_in_another_stage(ground: &Ground) {
        let mut all_asked = String::new();
        for (review, tests, code, after) in [(0, 1, 6, ("queued", "build")), (1, 0, 0, ("done", "released"))] {
            ground.configure_pipeline(&two_stages_of_one_agent(review, tests));
            let (job, task) = ground.enqueue(&["--agent", "developer", "--stage", "design"]);
            let mut child = ground.spawn(&[], "true");
            let _review = ground.pid_in("reviewing");
            ground.db.sql(&format!("UPDATE tasks SET stage = 'build' WHERE id = {}", task.unwrap()));
            std::fs::write(ground.file("go"), "").unwrap();
            assert_eq!(crate::ground::code_of(&mut child), code, "review {review}, tests {tests}");
            all_asked.push_str("build\n");
            assert_eq!(ground.read("tested"), all_asked, "review {review}, tests {tests}");
            assert_eq!((ground.db.status(job).as_str(), ground.db.stage(task.unwrap()).as_str()), after);
            ground.db.sql("UPDATE jobs SET status = 'done'");
        }
        ground.is_consistent();
    }

    /// What a command leaves behind in its session is ended with it, whoever printed and forked.
    fn nothing_of_its_session_is_left(ground: &Ground) {
        let job = ground.job();
        let script = "sleep 600 & echo $! > child; (trap '' TERM; echo $$ > same; sleep 600) & echo $! > stubborn; exit 0";
        let _ended = ground.exec(&[], script).ok();
        assert_eq!(ground.db.status(job), "done");
        for file in ["child", "stubborn"] {
            gone(ground.pid_in(file));
        }
    }

    /// Hooks run after the exit is recorded, with the job's fields, each with its limit; what becomes of them is said.
    fn hooks_run_before_the_job_is_finished(ground: &Ground) {
        ground.configure("exec.hooks = [[\"/bin/sh\", \"-c\", \"echo first $REAPER_EXIT_CODE >> hooked\"]]\nexec.hook_timeout = \"3s\"");
        let (job, task) = ground.staged();
        let late = "echo $$ > late; sleep 600";
        let mut options = vec!["--output", "json", "--hook", "echo second $REAPER_JOB_ID $REAPER_STAGE >> hooked"];
        options.extend(["--hook", late, "--hook", "exit 4"]);
        let said = ground.exec(&options, "exit 0").ok().json();
        assert_eq!(ground.read("hooked"), format!("first 0\nsecond {job} design\n"));
        let failed = said[0]["hooks_failed"].as_array().unwrap();
        assert_eq!(failed.len(), 2, "{said:?}");
        gone(ground.pid_in("late"));
        assert_eq!((ground.db.status(job).as_str(), ground.db.stage(task).as_str()), ("done", "build"));
        let evidence = ground.db.value("SELECT evidence FROM reaper_events").unwrap();
        assert!(evidence.contains("hooks_failed") && evidence.contains("sleep 600"), "{evidence}");
        ground.is_consistent();
    }
}

on_both! {
    /// An attempt beats while its hooks run, too; once it was taken away none begins any more.
    fn hooks_beat_on_and_end_with_the_attempt(ground: &Ground) {
        for taken_away in [false, true] {
            let (job, task) = ground.staged();
            let waits = "echo $$ > hooking; while [ ! -e go ]; do sleep 0.02; done; rm -f go hooking";
            let mut child = ground.spawn(&["--hook", waits, "--hook", "echo second >> hooked"], "exit 0");
            let _hook = ground.pid_in("hooking");
            let beats = || ground.column(job, "coalesce(reaper_beat, 0)").unwrap().parse::<u64>().unwrap();
            eventually("what is waited for below is there", || has_thread(child.id(), "reaper-exec-bea"));
            let before = beats();
            eventually("it beats on", || beats() > before + 1);
            if taken_away {
                ground.db.sql(&format!("UPDATE jobs SET status = 'failed' WHERE id = {job}"));
                eventually("a beat has found out", || !has_thread(child.id(), "reaper-exec-bea"));
            }
            std::fs::write(ground.file("go"), "").unwrap();
            assert_eq!(crate::ground::code_of(&mut child), if taken_away { 7 } else { 0 });
            let (hooked, stage) = if taken_away { ("", "design") } else { ("second\n", "build") };
            assert_eq!((ground.read("hooked").as_str(), ground.db.stage(task).as_str()), (hooked, stage));
            std::fs::remove_file(ground.file("hooked")).ok();
            ground.db.sql("UPDATE jobs SET status = 'done'");
        }
    }
}

/// One agent works in two stages, each with a gate of its own that ends so: the first waits until it may, the second says
/// that it was asked.
fn two_stages_of_one_agent(review: i32, tests: i32) -> String {
    format!(
        r#"
[pipeline]
stages = [
  {{ name = "design", next = "build", next_agent = "developer", gate = "review" }},
  {{ name = "build", next = "released", gate = "tests" }},
  {{ name = "released" }},
]
[pipeline.agents]
developer = ["design", "build"]
[gates.review]
command = ["/bin/sh", "-c", "echo $$ > reviewing; while [ ! -e go ]; do sleep 0.02; done; rm go reviewing; exit {review}"]
[gates.tests]
command = ["/bin/sh", "-c", "echo $REAPER_STAGE >> tested; exit {tests}"]
"#
    )
}

/// Whether a process has a thread whose name, as far as the kernel keeps it, is this.
fn has_thread(pid: u32, name: &str) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let named = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    tasks.flatten().any(|task| named(task).trim_end() == name)
}

#[test]
fn a_command_that_cannot_be_started_says_so() {
    let ground = Ground::on(reaper_tests::database::Kind::Sqlite).unwrap();
    for (command, code) in [("./nowhere", 127), ("./verdict", 126)] {
        let job = ground.job();
        let said = ground.program.run(&["exec", "--output", "json", "--", command]).with_code(6).json();
        assert_eq!(said[0]["code"], code);
        assert!(said[0]["tail"].as_str().unwrap().contains(command), "{said:?}");
        assert_eq!(ground.exits(job), Some(code.to_string()));
        ground.db.sql("UPDATE jobs SET status = 'done'");
    }
}

#[test]
fn the_tail_is_bounded_and_all_is_passed_on() {
    let ground = Ground::on(reaper_tests::database::Kind::Sqlite).unwrap();
    let _job = ground.job();
    let script = "i=0; while [ $i -lt 20000 ]; do echo \"line $i of the output\"; i=$((i+1)); done; echo last >&2";
    let ended = ground.exec(&["--output", "json"], script).ok();
    let passed = ended.stderr.lines().filter(|line| line.starts_with("line ")).count();
    assert_eq!(passed, 20_000, "in json, all of it goes to standard error");
    let tail = ended.json()[0]["tail"].as_str().unwrap().to_owned();
    assert!(tail.len() <= 8192 && tail.contains("line 19999 of the output\n"), "{}", tail.len());
}

#[test]
fn a_reader_that_is_gone_does_not_hinder_the_command() {
    let ground = Ground::on(reaper_tests::database::Kind::Sqlite).unwrap();
    let job = ground.job();
    let script = "echo $$ > pid; while [ ! -e go ]; do sleep 0.02; done; \
        i=0; while [ $i -lt 5000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done; echo end > end";
    let mut child = ground.program.spawn(&["exec", "--", "/bin/sh", "-c", script]);
    let pid = ground.pid_in("pid");
    drop(child.stdout.take());
    assert!(lives(pid));
    std::fs::write(ground.file("go"), "").unwrap();
    assert_eq!(crate::ground::code_of(&mut child), 0);
    assert_eq!((ground.read("end").as_str(), ground.db.status(job).as_str()), ("end\n", "done"));
}
