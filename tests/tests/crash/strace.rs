//! The program under strace, with something done to it at the N-th call of one kind.

use std::{collections::BTreeSet, fs, process::Stdio};

use reaper_tests::program::{Ended, Program, skipped};

/// What is done at a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The process is killed before the call is made.
    Killed,
    /// The call is not made, and answers with this error.
    Refused(&'static str),
}

/// Whether there is a strace that may trace here; says so loudly where there is none.
pub(crate) fn is_here() -> bool {
    let mut probe = std::process::Command::new("strace");
    probe.args(["-f", "-o", "/dev/null", "true"]).stdout(Stdio::null()).stderr(Stdio::null());
    let is_here = probe.status().is_ok_and(|status| status.success());
    if !is_here {
        skipped("no strace here, or it may not trace: faults at system calls are not shown");
    }
    is_here
}

/// The kinds of calls that the program makes in a run without a fault.
pub(crate) fn calls_of(program: &Program, args: &[&str]) -> BTreeSet<String> {
    let (_ended, log) = traced(program, &["-e", "trace=all"], args);
    // A line is the process's number, and the call with its arguments.
    let call = |line: &str| {
        let (_, call) = line.trim_start().split_once(' ')?;
        let (name, _) = call.trim_start().split_once('(')?;
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_').then(|| name.to_owned())
    };
    log.lines().filter_map(call).collect()
}

/// A run with a fault at the N-th call of a kind; `None` where it came to no such call.
pub(crate) fn with_fault(program: &Program, args: &[&str], call: &str, n: usize, fault: Fault) -> Option<Ended> {
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:"));
    let (inject, mark) = match fault {
        // The mark is of a gate that was killed: a strace whose own child was ends as that did.
        Fault::Killed => (format!("{inject}signal=SIGKILL:when={n}"), "killed by SIGKILL"),
        Fault::Refused(error) => (format!("{inject}error={error}:when={n}"), "(INJECTED)"),
    };
    // Its way to stop at nothing else (`--seccomp-bpf`) injects errors, and no signals (strace 6.1).
    let (ended, log) = traced(program, &["-e", &trace, "-e", &inject], args);
    (ended.code == -1 || log.contains(mark)).then_some(ended)
}

/// Runs the program under strace, and answers with what strace has written.
fn traced(program: &Program, how: &[&str], args: &[&str]) -> (Ended, String) {
    let log = program.dir().join("strace.log");
    let plain = program.command(args);
    let mut command = std::process::Command::new("strace");
    command.arg("-f").arg("-o").arg(&log).args(how).arg("--").arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.current_dir(program.dir()).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let ended = Ended { code: output.status.code().unwrap_or(-1), stdout, stderr };
    (ended, fs::read_to_string(log).unwrap_or_default())
}
