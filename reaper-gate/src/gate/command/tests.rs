//! Fake gates, as small shell scripts in folders of their own.

use reaper_core::{
    Attempt, Status,
    job::{Attach, Place, Task},
};

use super::*;

/// A job whose task wants to leave a stage.
pub(crate) fn job() -> JobSnapshot {
    JobSnapshot {
        attempt: Attempt { job: 7.into(), fence: 4_611_686_018_427_387_904.into() },
        status: Status::Running,
        agent: "developer".into(),
        repo: "orchestrator".into(),
        task: Some(Task {
            id: 3.into(),
            place: Some(Place { stage: "architecture".into(), version: 99.into() }),
            branch: Some("feature/x".into()),
            work_item: Some("ORCH-1".into()),
        }),
        attempts: 1,
        max_attempts: 2,
        rescues: 0,
        run: None,
        pid: None,
        started_at: None,
        exit: None,
        executor: None,
        monitor: None,
        attach: Attach::NotSaid,
        bond: reaper_core::Bond::Free,
        beat: None,
        terminating_at: None,
    }
}

fn undecided(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Undecided(why) => why,
        Verdict::Green | Verdict::Red(_) => panic!("{verdict:?}"),
    }
}

mod configuration {
    use super::*;

    fn refused(change: impl FnOnce(&mut GateCommand)) -> String {
        let mut command = GateCommand::new(["true"]);
        change(&mut command);
        CommandGate::new([("tests".to_owned(), command)]).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_the_gates_name() {
        assert_eq!(refused(|c| c.argv.clear()), "gate `tests`: has no program: argv is empty");
        assert!(refused(|c| c.argv[0].clear()).contains("first element"));
        assert_eq!(refused(|c| c.argv.push("a\0b".into())), "gate `tests`: argv holds a NUL character");
        assert!(refused(|c| c.dir = Some("/tmp/\0".into())).contains("dir holds a NUL"));
        for name in ["", "A=B", "A\0"] {
            assert!(refused(|c| drop(c.env.insert(name.into(), "1".into()))).contains("no name of a variable"));
        }
        assert!(refused(|c| drop(c.env.insert("KEY".into(), "\0".into()))).contains("the value of KEY"));
        for field in crate::gate::FIELDS {
            let message = refused(|c| drop(c.env.insert(field.into(), "1".into())));
            assert_eq!(message, format!("gate `tests`: env: {field} is set by reaper itself"));
        }
    }

    #[test]
    fn an_unknown_gate_is_undecided_and_names_the_known_ones() {
        let known = ["tests", "review"].map(|name| (name.to_owned(), GateCommand::new(["true"])));
        let gate = CommandGate::new(known).unwrap();
        assert_eq!(gate.names().collect::<Vec<_>>(), ["review", "tests"]);
        let verdict = gate.ask("te\nsts", &job());
        assert_eq!(undecided(&verdict), "there is no gate `te\\nsts`: review, tests");

        let verdict = CommandGate::default().ask("tests", &job());
        assert_eq!(undecided(&verdict), "there is no gate `tests`: none is configured");
    }

    #[test]
    fn values_of_added_variables_are_not_shown() {
        let mut command = GateCommand::new(["true"]);
        command.env.insert("TRACKER_KEY".into(), "hush".into());
        let shown = format!("{:?}", CommandGate::new([("tests".to_owned(), command)]).unwrap());
        assert!(shown.contains("TRACKER_KEY") && !shown.contains("hush"), "{shown}");
    }
}

#[cfg(all(unix, not(target_os = "openbsd")))]
mod running {
    use std::fs;
    #[cfg(target_os = "linux")]
    use std::{os::fd::OwnedFd, path::Path};

    #[cfg(target_os = "linux")]
    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        io::Errno,
        process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
    };
    use tempfile::TempDir;

    use super::*;

    fn asked(command: GateCommand) -> Verdict {
        let gate = CommandGate::new([("tests".to_owned(), command)]).unwrap();
        gate.ask("tests", &job())
    }

    /// A script in a folder of its own, which is also its working directory.
    fn script(text: &str) -> (TempDir, GateCommand) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gate.sh");
        fs::write(&path, text).unwrap();
        let mut command = GateCommand::new(["/bin/sh", path.to_str().unwrap()]);
        command.dir = Some(dir.path().to_owned());
        (dir, command)
    }

    fn verdict(text: &str) -> Verdict {
        let (_dir, command) = script(text);
        asked(command)
    }

    #[test]
    fn exit_0_is_green() {
        assert_eq!(verdict("echo fine; exit 0"), Verdict::Green);
        assert_eq!(asked(GateCommand::new(["true"])), Verdict::Green, "looked up in PATH");
    }

    #[test]
    fn exit_1_is_red_with_the_last_line_of_either_stream() {
        assert_eq!(verdict("echo one; echo '2 tests failed'; exit 1"), Verdict::Red("2 tests failed".into()));
        assert_eq!(verdict("echo one; echo 'two' >&2; exit 1"), Verdict::Red("two".into()));
        assert_eq!(verdict("printf '\\033[31mbad\\n\\n'; exit 1"), Verdict::Red("\\u{1b}[31mbad".into()));
        assert_eq!(verdict("exit 1"), Verdict::Red("exit 1, and no word about why".into()));
    }

    #[test]
    fn any_other_exit_is_undecided() {
        for code in [2, 126, 127, 255] {
            let verdict = verdict(&format!("echo 'no network'; exit {code}"));
            let expected = format!("exit {code}, which is neither green (0) nor red (1): no network");
            assert_eq!(undecided(&verdict), expected);
        }
    }

    #[test]
    fn f24_a_crash_by_signal_is_undecided() {
        let verdict = verdict("echo working; kill -SEGV $$");
        assert_eq!(undecided(&verdict), "killed by signal 11: working");
    }

    #[test]
    fn a_slow_gate_is_waited_for() {
        assert_eq!(verdict("sleep 0.3; echo no; exit 1"), Verdict::Red("no".into()));
    }

    #[test]
    fn a_missing_program_is_undecided() {
        let verdict = asked(GateCommand::new(["/nowhere/gate"]));
        assert!(undecided(&verdict).starts_with("could not start `/nowhere/gate`: No such file"), "{verdict:?}");

        let mut command = GateCommand::new(["true"]);
        command.dir = Some("/nowhere/at-all".into());
        let verdict = asked(command);
        let expected = "could not start `true`: its working directory /nowhere/at-all is not there";
        assert_eq!(undecided(&verdict), expected);

        let (dir, mut command) = script("");
        command.argv = vec![dir.path().join("gate.sh").to_str().unwrap().to_owned()];
        let verdict = asked(command);
        assert!(undecided(&verdict).contains("ermission denied"), "{verdict:?}");
    }

    #[test]
    fn a_relative_program_counts_from_the_working_directory() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/bin/sh", dir.path().join("gate")).unwrap();
        let mut command = GateCommand::new(["./gate", "-c", "exit 0"]);
        command.dir = Some(dir.path().to_owned());
        assert_eq!(asked(command), Verdict::Green);
    }

    #[test]
    fn standard_input_is_empty() {
        assert_eq!(verdict("read line && exit 2; exit 0"), Verdict::Green);
    }

    #[test]
    fn f24_a_time_limit_is_undecided_whatever_the_exit_code_is_then() {
        let (_dir, mut command) = script("trap 'exit 0' TERM; echo started; while :; do sleep 1; done");
        command.limit = Duration::from_millis(300);
        let verdict = asked(command);
        assert!(undecided(&verdict).starts_with("took longer than 300ms and was stopped"), "{verdict:?}");
    }

    #[test]
    fn f24_much_output_does_not_block() {
        // 200 MB through a pipe of 64 KiB: it ends only if it is read, within the default limit.
        let verdict = verdict("head -c 200000000 /dev/zero; echo; echo 'the last word'; exit 1");
        assert_eq!(verdict, Verdict::Red("the last word".into()));
    }

    /// A process whose id stands in a file, unless it is gone.
    #[cfg(target_os = "linux")]
    fn process(pid_file: &Path) -> Option<OwnedFd> {
        let text = fs::read_to_string(pid_file).unwrap();
        let pid = Pid::from_raw(text.trim().parse().unwrap()).unwrap();
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => Some(process),
            Err(Errno::SRCH) => None,
            Err(errno) => panic!("{errno}"),
        }
    }

    /// Waits, bounded, until a process whose id stands in a file has ended.
    #[cfg(target_os = "linux")]
    fn await_end(pid_file: &Path) {
        if let Some(process) = process(pid_file) {
            let limit = Timespec { tv_sec: 20, tv_nsec: 0 };
            let ready = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit)).unwrap();
            assert_eq!(ready, 1, "{} is still there", pid_file.display());
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn f24_a_hanging_gate_that_ignores_term_is_killed_with_its_children() {
        let (dir, mut command) = script(
            "trap '' TERM\n\
             sleep 1000 & echo $! > child\n\
             echo hanging; echo $$ > leader.new; mv leader.new leader\n\
             while :; do sleep 1000; done",
        );
        command.grace = Duration::from_millis(100);
        // A machine under load may not have come to the end of the script when the time is up: then with more time.
        for seconds in [1, 4, 16, 64] {
            command.limit = Duration::from_secs(seconds);
            let verdict = asked(command.clone());
            let expected = format!("took longer than {seconds}s and was stopped");
            assert!(undecided(&verdict).starts_with(&expected), "{verdict:?}");
            if dir.path().join("leader").exists() {
                assert_eq!(undecided(&verdict), format!("{expected}: hanging"));
                await_end(&dir.path().join("leader"));
                await_end(&dir.path().join("child"));
                return;
            }
        }
        panic!("the script never came to its end");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_that_outlives_the_gate_is_ended_and_holds_nothing_up() {
        let (dir, command) = script("sleep 1000 & echo $! > child; echo red; exit 1");
        assert_eq!(asked(command), Verdict::Red("red".into()));
        await_end(&dir.path().join("child"));
    }

    /// A gate whose child leaves the group, keeps the output's pipe, and does this.
    #[cfg(target_os = "linux")]
    fn with_a_child_that_leaves(does: &str) -> (TempDir, GateCommand) {
        script(&format!(
            "setsid sh -c 'echo $$ > child.new; mv child.new child; exec {does}' &\n\
             while ! [ -e child ]; do sleep 0.05; done\n\
             echo red; exit 1"
        ))
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn f24_a_child_that_left_the_group_and_keeps_writing_holds_nothing_up() {
        let (dir, command) = with_a_child_that_leaves("yes");
        assert!(matches!(asked(command), Verdict::Red(_)));
        // Nobody reads the pipe any more, so that writing to it ends the child.
        await_end(&dir.path().join("child"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_that_left_the_group_in_silence_holds_nothing_up_and_is_let_go() {
        let (dir, command) = with_a_child_that_leaves("sleep 1000");
        assert_eq!(asked(command), Verdict::Red("red".into()));
        let child = process(&dir.path().join("child")).expect("it is not followed");
        pidfd_send_signal(&child, Signal::KILL).unwrap();
    }

    #[test]
    fn gates_can_be_asked_at_once() {
        let (_dir, command) = script("[ \"$REAPER_GATE\" = good ] || { echo \"$REAPER_GATE\"; exit 1; }");
        let gates = ["good", "bad"].map(|name| (name.to_owned(), command.clone()));
        let gate = CommandGate::new(gates).unwrap();
        std::thread::scope(|scope| {
            let asked = ["good", "bad", "good", "bad"].map(|name| (name, scope.spawn(|| gate.ask(name, &job()))));
            for (name, verdict) in asked {
                let expected = if name == "good" { Verdict::Green } else { Verdict::Red("bad".into()) };
                assert_eq!(verdict.join().unwrap(), expected);
            }
        });
    }

    /// The fields as the gate's own environment had them, and the folder that it ran in.
    fn seen(job: &JobSnapshot, env: &[(&str, &str)]) -> (TempDir, BTreeMap<String, String>) {
        let (dir, mut command) = script("env -0 > env; touch ran");
        command.env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let gate = CommandGate::new([("tests".to_owned(), command)]).unwrap();
        assert_eq!(gate.ask("tests", job), Verdict::Green);
        let env = fs::read_to_string(dir.path().join("env")).unwrap();
        let env = env.split_terminator('\0').map(|variable| {
            let (name, value) = variable.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        });
        let env = env.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        (dir, env)
    }

    const PREFIX: &str = "REAPER_";

    fn variables(fields: &[(&str, &str)]) -> BTreeMap<String, String> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_jobs_fields_are_in_the_environment() {
        let expected = variables(&[
            ("REAPER_GATE", "tests"),
            ("REAPER_JOB_ID", "7"),
            ("REAPER_ATTEMPT", "7:4611686018427387904"),
            ("REAPER_AGENT", "developer"),
            ("REAPER_REPO", "orchestrator"),
            ("REAPER_TASK_ID", "3"),
            ("REAPER_STAGE", "architecture"),
            ("REAPER_STAGE_VERSION", "99"),
            ("REAPER_BRANCH", "feature/x"),
            ("REAPER_WORK_ITEM", "ORCH-1"),
        ]);
        assert_eq!(expected.len(), crate::gate::FIELDS.len());
        assert_eq!(seen(&job(), &[]).1, expected);
    }

    #[test]
    fn the_reapers_own_settings_are_not_inherited() {
        // The environment of this process is not to be changed, so the test above runs again in one of its own.
        let test = "gate::command::tests::running::the_jobs_fields_are_in_the_environment";
        let again = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test])
            .envs([("REAPER_TELEGRAM_TOKEN", "hush"), ("REAPER_BRANCH", "stale")])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&again.stdout);
        assert!(again.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    fn a_field_that_is_not_there_is_not_set() {
        let mut job = job();
        job.task = None;
        let names: Vec<_> = seen(&job, &[]).1.into_keys().collect();
        assert_eq!(names, ["REAPER_AGENT", "REAPER_ATTEMPT", "REAPER_GATE", "REAPER_JOB_ID", "REAPER_REPO"]);
    }

    #[test]
    fn variables_can_be_added() {
        let (_dir, env) = seen(&job(), &[("REAPER_EXTRA", "$HOME 'x'")]);
        assert_eq!(env.get("REAPER_EXTRA").unwrap(), "$HOME 'x'");
    }

    #[test]
    fn f28_hostile_values_pass_through_as_data() {
        for value in [
            "$(touch pwned)",
            "`touch pwned`; touch pwned & exit 1",
            "--help",
            "-rf",
            "two\nlines\r\n",
            "quotes ' \" \\ and %s",
            "\u{1b}[2J\u{202e}übel",
            "",
            "=",
        ] {
            let mut job = job();
            job.repo = value.to_owned();
            let task = job.task.as_mut().unwrap();
            task.branch = Some(value.to_owned());
            task.place.as_mut().unwrap().stage = value.to_owned();
            let (dir, env) = seen(&job, &[]);
            for name in ["REAPER_REPO", "REAPER_BRANCH", "REAPER_STAGE"] {
                assert_eq!(env.get(name).map(String::as_str), Some(value));
            }
            assert!(!dir.path().join("pwned").exists());
        }
    }

    #[test]
    fn f28_what_no_environment_can_hold_is_undecided_and_nothing_is_run() {
        let (dir, command) = script("touch ran");
        let gate = CommandGate::new([("tests".to_owned(), command)]).unwrap();
        let mut with_nul = job();
        with_nul.task.as_mut().unwrap().branch = Some("a\0b".into());
        let verdict = gate.ask("tests", &with_nul);
        let expected = "REAPER_BRANCH cannot be passed on in the environment: its value holds a NUL character";
        assert_eq!(undecided(&verdict), expected);

        let mut huge = job();
        huge.repo = "x".repeat(10_000_000);
        let verdict = gate.ask("tests", &huge);
        assert!(undecided(&verdict).starts_with("could not start `/bin/sh`"), "{verdict:?}");
        assert!(!dir.path().join("ran").exists());
    }
}
