//! Three hosts on one database, one of which is cut off from it and comes back.

use std::{
    io::{BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, mpsc},
    thread,
    time::Duration,
};

use reaper_tests::{
    database::{Database, Kind},
    program::{Program, eventually, signal, skipped, within},
};
use rustix::process::{Pid, Signal, test_kill_process};

use crate::setting::{port, prepared};

const WORKER: &str = env!("CARGO_BIN_EXE_bound-worker");

/// For how long a node's silence is no loss: longer than any stall of a busy machine.
const TTL: Duration = Duration::from_secs(10);

const LONG: Duration = Duration::from_secs(180);

/// A host's way to the database, which can be cut: nothing is refused or closed, it just does not arrive.
struct Host {
    name: &'static str,
    url: String,
    /// Whether what the way carries is held back, where there is no namespace to cut off.
    held: Arc<(Mutex<bool>, Condvar)>,
    namespace: Option<Namespace>,
}

/// A network of a host's own, with one link to this one. It is gone with the process that holds it.
struct Namespace {
    holder: Child,
    link: String,
}

impl Namespace {
    /// `None` where this user may not make one. Answers with the address that leads out of it.
    fn make(number: u8) -> Option<(Self, Ipv4Addr)> {
        let holder = Command::new("unshare").args(["--net", "sleep", "3600"]).stdin(Stdio::null()).spawn().ok()?;
        let test = std::process::id();
        let mut namespace = Self { holder, link: format!("rp{test}n{number}") };
        let pid = namespace.holder.id();
        let own = std::fs::read_link("/proc/self/ns/net").ok()?;
        let mut apart = false;
        for _ in 0..200 {
            apart = std::fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|other| other != own);
            if apart || namespace.holder.try_wait().ok()?.is_some() {
                break;
            }
            thread::park_timeout(Duration::from_millis(25));
        }
        if !apart {
            return None;
        }
        let [low, high] = [test % 100, (test / 100) % 250].map(|part| u8::try_from(part).unwrap_or(0));
        let address = |last| Ipv4Addr::new(10, 100 + low, high, 4 * number + last);
        let (link, inner) = (&namespace.link, format!("{}i", namespace.link));
        let inside = format!("--net=/proc/{pid}/ns/net");
        let ways = [
            format!("ip link add {link} type veth peer name {inner} netns {pid}"),
            format!("ip addr add {}/30 dev {link}", address(1)),
            format!("ip link set {link} up"),
            format!("nsenter {inside} ip addr add {}/30 dev {inner}", address(2)),
            format!("nsenter {inside} ip link set {inner} up"),
        ];
        ways.iter().all(|way| ran(way)).then(|| (namespace, address(1)))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.holder.kill().ok();
        self.holder.wait().ok();
    }
}

/// Runs a command of words without blanks.
fn ran(words: &str) -> bool {
    let mut words = words.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

impl Host {
    fn start(name: &'static str, database: &Database, namespace: Option<(Namespace, Ipv4Addr)>) -> Self {
        let (namespace, address) = namespace.unzip();
        let address = IpAddr::V4(address.unwrap_or(Ipv4Addr::LOCALHOST));
        let listener = TcpListener::bind((address, 0)).unwrap();
        let server = port(database.url());
        let url = database.url().replacen(
            &format!("@127.0.0.1:{server}/"),
            &format!("@{}/", listener.local_addr().unwrap()),
            1,
        );
        let held = Arc::new((Mutex::new(false), Condvar::new()));
        let gate = Arc::clone(&held);
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let gate = Arc::clone(&gate);
                    thread::spawn(move || carry(from, to, &gate));
                }
            }
        });
        Self { name, url, held, namespace }
    }

    fn set_cut(&self, is_cut: bool) {
        if let Some(namespace) = &self.namespace {
            let state = if is_cut { "down" } else { "up" };
            assert!(ran(&format!("ip link set {} {state}", namespace.link)));
        } else {
            *self.held.0.lock().unwrap() = is_cut;
            self.held.1.notify_all();
        }
    }

    /// The same command, on this host.
    fn here(&self, command: &Command) -> Command {
        let Some(namespace) = &self.namespace else {
            return copy_of(Command::new(command.get_program()), command);
        };
        let mut on_host = Command::new("nsenter");
        on_host.arg(format!("--net=/proc/{}/ns/net", namespace.holder.id())).arg(command.get_program());
        copy_of(on_host, command)
    }
}

fn copy_of(mut to: Command, from: &Command) -> Command {
    to.args(from.get_args());
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
    if let Some(dir) = from.get_current_dir() {
        to.current_dir(dir);
    }
    to
}

/// Copies until an end; holds back what comes while the way is cut.
fn carry(mut from: TcpStream, mut to: TcpStream, gate: &(Mutex<bool>, Condvar)) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = std::io::Read::read(&mut from, &mut buffer) {
        drop(gate.1.wait_while(gate.0.lock().unwrap(), |held| *held).unwrap());
        if std::io::Write::write_all(&mut to, buffer.get(..count).unwrap()).is_err() {
            break;
        }
    }
    to.shutdown(std::net::Shutdown::Both).ok();
}

/// A process that ends with its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The worker and what it says.
struct Worker {
    _process: Process,
    said: mpsc::Receiver<String>,
}

impl Worker {
    fn start(host: &Host) -> Self {
        let mut command = Command::new(WORKER);
        command.args([&host.url, host.name, &TTL.as_millis().to_string()]);
        let mut child = host.here(&command).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (say, said) = mpsc::channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| say.send(line)));
        Self { _process: Process(child), said }
    }

    fn says(&self) -> String {
        self.said.recv_timeout(LONG).unwrap()
    }

    /// The job and the executor of an attempt that it has begun.
    fn begun(&self, agent: &str) -> (i64, Pid) {
        let said = self.says();
        let words: Vec<_> = said.split(' ').collect();
        let [begun, job, pid, "Yes"] = words.as_slice() else { unreachable!("{said}") };
        assert_eq!(*begun, agent);
        (job.parse().unwrap(), Pid::from_raw(pid.parse().unwrap()).unwrap())
    }
}

fn run_on(host: &Host, program: &Program) -> Process {
    let program = Program::new(program.binary(), program.dir()).at(&host.url);
    let name = format!("host={}", host.name);
    let command = program.command(&["run", "--set", &name]);
    Process(host.here(&command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

fn hosts(database: &Database) -> Vec<Host> {
    let names = ["alpha", "beta", "gamma"];
    let namespaces: Option<Vec<_>> = (0..3).map(Namespace::make).collect();
    if namespaces.is_none() {
        skipped("no network namespaces here: the hosts have names of their own and no networks of their own");
    }
    let mut namespaces = namespaces.unwrap_or_default().into_iter();
    names.into_iter().map(|name| Host::start(name, database, namespaces.next())).collect()
}

#[test]
fn a_host_that_is_cut_off_loses_what_is_bound_to_it_and_harms_nothing_when_it_comes_back() {
    let Some(database) = Database::foreign_on(Kind::Postgres) else { return };
    let ttl = TTL.as_secs();
    let program = prepared(
        &database,
        &format!(
            "interval = \"200ms\"\nnode = {{ beat = \"500ms\", ttl = \"{ttl}s\" }}\nbackoff = {{ base = \"1h\", max = \"1h\" }}"
        ),
    );
    database.sql("INSERT INTO jobs (agent, repo) VALUES ('bound', 'r'), ('free', 'r')");
    let hosts = hosts(&database);
    let mut reapers: Vec<_> = hosts.iter().map(|host| run_on(host, &program)).collect();
    let beats = |host: &Host| -> i64 {
        let of = format!("SELECT coalesce(max(beat), 0) FROM reaper_nodes WHERE host = '{}'", host.name);
        database.value(&of).unwrap().parse().unwrap()
    };
    let beats_on = |host: &Host| {
        let before = beats(host);
        within(LONG, "a host beats", || beats(host) > before + 5);
    };
    hosts.iter().for_each(beats_on);
    let [alpha, beta, _gamma] = hosts.as_slice() else { unreachable!("three hosts") };
    let worker = Worker::start(alpha);
    let (bound, bound_executor) = worker.begun("bound");
    let (free, free_executor) = worker.begun("free");
    let lives = |pid: Pid| test_kill_process(pid).is_ok();
    beats_on(alpha);
    assert_eq!((database.status(bound).as_str(), database.status(free).as_str()), ("running", "running"));
    assert!(lives(bound_executor) && lives(free_executor));

    alpha.set_cut(true);
    within(LONG, "what is bound to the host is settled by the others", || {
        let is_settled = database.status(bound) == "queued";
        assert!(!is_settled || !lives(bound_executor), "it was settled before its executor was stopped");
        is_settled
    });
    assert_eq!(worker.says(), "stopped");
    beats_on(beta);
    let jobs = "reaper_events WHERE job_id IS NOT NULL";
    assert_eq!(database.count(jobs), 1, "once, of two that could");
    assert_eq!(database.status(free), "running", "what is not bound to it stays");
    assert!(lives(free_executor));

    alpha.set_cut(false);
    assert_eq!(worker.says(), "bound NotMine");
    assert_eq!(worker.says(), "exit New");
    assert_eq!(worker.says(), "free Yes");
    beats_on(alpha);
    beats_on(beta);
    assert_eq!((database.status(bound).as_str(), database.status(free).as_str()), ("queued", "running"));
    assert_eq!(database.count(jobs), 1, "it harms nothing");
    assert!(lives(free_executor));
    assert_eq!(database.count("reaper_nodes WHERE state = 'up'"), 3);
    for reaper in &mut reapers {
        signal(&reaper.0, Signal::TERM);
        eventually("a reaper ends well", || reaper.0.try_wait().unwrap().is_some_and(|status| status.success()));
    }
    assert_eq!(database.count("reaper_nodes WHERE state = 'retired'"), 3);
}
