//! `cargo xtask pg` with a real cluster: it is there for the command and gone afterwards, however the end came.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may fail loudly")]

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpStream,
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// A temporary folder of the test's own, which is open to the server's account as well.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        let folder = Path::new("/tmp").join(format!("xtask-{}-{name}", process::id()));
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o1777)).unwrap();
        Self(folder)
    }

    /// `cargo xtask pg` with this as its temporary folder.
    fn pg(&self, script: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["pg", "--", "sh", "-c", script]).env("TMPDIR", &self.0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The clusters in it.
    fn clusters(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// A running `cargo xtask pg`, whose command has said that it runs.
#[derive(Debug)]
struct Running {
    child: Child,
    server: Pid,
    port: u16,
}

impl Running {
    fn start(temporary: &Temporary, script: &str) -> Self {
        let mut child = temporary.pg(&format!("echo $DATABASE_URL; {script}")).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let port = url.trim().strip_suffix("/postgres").and_then(|url| url.rsplit_once(':')).unwrap().1;
        let port = port.parse().unwrap();
        let clusters = temporary.clusters();
        assert_eq!(clusters.len(), 1);
        let pid_file = fs::read_to_string(clusters[0].join("data/postmaster.pid")).unwrap();
        let server = Pid::from_raw(pid_file.lines().next().unwrap().parse().unwrap()).unwrap();
        TcpStream::connect(("127.0.0.1", port)).unwrap();
        Self { child, server, port }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

/// Looks until the server and its folder are gone, for half a minute at most.
fn gone(temporary: &Temporary, server: Pid) -> bool {
    (0..600).any(|_| {
        let gone = temporary.clusters().is_empty() && test_kill_process(server).is_err();
        let (_sender, never) = mpsc::channel::<()>();
        gone || never.recv_timeout(Duration::from_millis(50)).is_ok()
    })
}

#[test]
fn a_failing_command_s_code_is_handed_on_and_the_cluster_removed() {
    let temporary = Temporary::new("fails");
    let output = temporary.pg("ls -d $TMPDIR/*/data && exit 7").output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("/reaper-pg-"));
    assert!(temporary.clusters().is_empty(), "{:?}", temporary.clusters());
}

#[test]
fn a_command_that_does_not_exist_is_named_and_the_cluster_removed() {
    let temporary = Temporary::new("missing");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let output = command.args(["pg", "--", "/no/such/program"]).env("TMPDIR", &temporary.0).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: cannot start /no/such/program: "), "{said}");
    assert!(temporary.clusters().is_empty(), "{:?}", temporary.clusters());
}

#[test]
fn interrupted_it_ends_the_command_and_then_the_cluster() {
    let temporary = Temporary::new("interrupted");
    let mut running = Running::start(&temporary, "exec sleep 600");
    running.signal(Signal::INT);
    let status = running.child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "the code of a command that SIGINT ended");
    // It was waited for: nothing is left to look for.
    assert!(temporary.clusters().is_empty(), "{:?}", temporary.clusters());
    assert!(test_kill_process(running.server).is_err());
    assert!(TcpStream::connect(("127.0.0.1", running.port)).is_err());
}

#[test]
fn killed_it_leaves_nothing_behind_either() {
    let temporary = Temporary::new("killed");
    // The command ends with its standard input, which is this test's to close.
    let mut running = Running::start(&temporary, "exec cat > /dev/null");
    running.signal(Signal::KILL);
    let status = running.child.wait().unwrap();
    assert_eq!(status.signal(), Some(9));
    assert!(gone(&temporary, running.server), "{:?}", temporary.clusters());
}

/// As `cargo` does with this program while one of its steps builds the tests.
#[test]
fn built_anew_while_it_runs_it_names_what_is_there_now() {
    let temporary = Temporary::new("replaced");
    let folder = Temporary::new("replaced-program");
    let program = folder.0.join("xtask");
    fs::copy(env!("CARGO_BIN_EXE_xtask"), &program).unwrap();
    let mut command = Command::new(&program);
    command.args(["pg", "--", "sh", "-c", "echo $XTASK_PROGRAM"]).env("TMPDIR", &temporary.0);
    let running = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (_sender, never) = mpsc::channel::<()>();
    let begun = (0..600).any(|_| {
        let begun = !temporary.clusters().is_empty();
        begun || never.recv_timeout(Duration::from_millis(10)).is_ok()
    });
    assert!(begun, "a cluster is made before the command is started");
    fs::remove_file(&program).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_xtask"), &program).unwrap();
    let output = running.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), program.to_str().unwrap());
}
