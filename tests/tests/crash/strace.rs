//! The program under strace, with something done to it at the N-th call of one kind.

use std::{
    collections::BTreeSet,
    fs::{self, File, Permissions},
    os::{fd::AsRawFd as _, unix::fs::PermissionsExt as _},
    path::PathBuf,
    process::{Child, Command, Stdio, id},
};

use reaper_tests::program::{Ended, Program, skipped};
use tempfile::TempDir;

/// What is done at a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The process is killed before the call is made.
    Killed,
    /// The call is not made, and answers with this error.
    Refused(&'static str),
}

/// To which of the processes of a run it is done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whom<'w> {
    /// To any of them.
    All,
    /// To the one that is started, by its main thread alone, and to nothing that it starts.
    First,
    /// To the supervisor that `reaper exec` starts, by its main thread alone.
    Supervisor(&'w Replaced),
}

/// The program as one that was replaced after it was started: what it starts as itself is what stands at its old place
/// now, which is the program under a strace. So the supervisor is traced, and its monitor is not.
#[derive(Debug)]
pub(crate) struct Replaced {
    /// What was started; it has no place any more.
    program: File,
    folder: TempDir,
}

/// The supervisor is the child of its monitor, the strace a stranger: it neither carries the attempt nor is of the session.
const TRACED: &str = "#!/bin/sh
attempt=$REAPER_ATTEMPT
unset REAPER_ATTEMPT
exec strace -DDD $TRACE -E REAPER_ATTEMPT=\"$attempt\" -- \"$BINARY\" \"$@\"
";

impl Replaced {
    pub(crate) fn new(program: &Program) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("reaper");
        fs::copy(program.binary(), &place).unwrap();
        let file = File::open(&place).unwrap();
        fs::remove_file(&place).unwrap();
        // So the kernel names the file of a process that has none any more.
        let old = folder.path().join("reaper (deleted)");
        fs::write(&old, TRACED).unwrap();
        fs::set_permissions(&old, Permissions::from_mode(0o755)).unwrap();
        Self { program: file, folder }
    }
}

/// Whether there is a strace that may trace here; says so loudly where there is none.
pub(crate) fn is_here() -> bool {
    let mut probe = Command::new("strace");
    probe.args(["-f", "-o", "/dev/null", "true"]).stdout(Stdio::null()).stderr(Stdio::null());
    let is_here = probe.status().is_ok_and(|status| status.success());
    if !is_here {
        skipped("no strace here, or it may not trace: faults at system calls are not shown");
    }
    is_here
}

/// The kinds of calls that the program makes in a run without a fault.
pub(crate) fn calls_of(whom: Whom<'_>, program: &Program, args: &[&str]) -> BTreeSet<String> {
    let (_ended, log) = traced(whom, program, &["-e", "trace=all"], args);
    // A line is the call with its arguments, behind the process's number where several are traced.
    let call = |line: &str| {
        let call = line.trim_start_matches(|byte: char| byte.is_ascii_digit() || byte == ' ');
        let (name, _) = call.split_once('(')?;
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_').then(|| name.to_owned())
    };
    log.lines().filter_map(call).collect()
}

/// A run with a fault at the N-th call of a kind; `None` where it came to no such call.
pub(crate) fn with_fault(
    whom: Whom<'_>,
    program: &Program,
    args: &[&str],
    call: &str,
    n: usize,
    fault: Fault,
) -> Option<Faulted> {
    // What became of the renaming is told as well: that makes a file whole.
    let (trace, inject) = (format!("trace={call},rename"), format!("inject={call}:"));
    let (inject, mark) = match fault {
        // The mark is of a gate that was killed: a strace whose own child was ends as that did.
        Fault::Killed => (format!("{inject}signal=SIGKILL:when={n}"), "killed by SIGKILL"),
        Fault::Refused(error) => (format!("{inject}error={error}:when={n}"), "(INJECTED)"),
    };
    // Its way to stop at nothing else (`--seccomp-bpf`) injects errors, and no signals (strace 6.1).
    let (ended, log) = traced(whom, program, &["-e", &trace, "-e", &inject], args);
    let renamed = log.lines().any(|line| line.contains("rename(") && line.ends_with("= 0"));
    (ended.code == -1 || log.contains(mark)).then_some(Faulted { ended, renamed })
}

/// Starts a run in which each call of these kinds is refused.
pub(crate) fn refusing(whom: Whom<'_>, program: &Program, args: &[&str], calls: &str, error: &str) -> Child {
    let inject = format!("inject={calls}:error={error}");
    let (mut command, _log) = command(whom, program, &["-e", &inject], args);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// A run that was hit.
#[derive(Debug)]
pub(crate) struct Faulted {
    pub(crate) ended: Ended,
    /// Whether a file was renamed nevertheless.
    pub(crate) renamed: bool,
}

/// Runs the program under strace, and answers with what strace has written.
fn traced(whom: Whom<'_>, program: &Program, how: &[&str], args: &[&str]) -> (Ended, String) {
    let (mut command, log) = command(whom, program, how, args);
    // What it has started holds its outputs: this ends with the last one that does, strace too.
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let ended = Ended { code: output.status.code().unwrap_or(-1), stdout, stderr };
    (ended, fs::read_to_string(log).unwrap_or_default())
}

/// A run under strace that is not started yet, and where strace will write.
fn command(whom: Whom<'_>, program: &Program, how: &[&str], args: &[&str]) -> (Command, PathBuf) {
    let log = match whom {
        Whom::All | Whom::First => program.dir().join("strace.log"),
        Whom::Supervisor(replaced) => replaced.folder.path().join("strace.log"),
    };
    // It may come to no process that is traced.
    fs::remove_file(&log).ok();
    let plain = program.command(args);
    let mut command = match whom {
        Whom::All | Whom::First => {
            let mut command = Command::new("strace");
            command.args(matches!(whom, Whom::All).then_some("-f")).arg("-o").arg(&log).args(how);
            command.arg("--").arg(plain.get_program());
            command
        }
        Whom::Supervisor(replaced) => {
            let mut command = Command::new(format!("/proc/{}/fd/{}", id(), replaced.program.as_raw_fd()));
            let how = format!("-o {} {}", log.display(), how.join(" "));
            command.env("TRACE", how).env("BINARY", program.binary());
            command
        }
    };
    command.args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(program.dir());
    (command, log)
}
