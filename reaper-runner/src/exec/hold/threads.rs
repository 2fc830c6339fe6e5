//! The threads of a supervisor.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ExitStatus},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::Duration,
};

use super::drain::Drains;
use crate::exec::ticket::Renewal;

/// What happens while a command runs.
#[derive(Debug)]
pub(super) enum Event {
    /// It has ended.
    Ended(io::Result<ExitStatus>),
    /// The node's beat is confirmed until this instant.
    Until(Duration),
    /// The monitor is gone.
    MonitorGone,
}

/// All that a command needs, made before it is started: what cannot be watched to its end is not begun.
#[derive(Debug)]
pub(super) struct Threads {
    pub(super) drains: Drains,
    pub(super) events: Receiver<Event>,
    /// Takes the command to be waited for.
    wait: Sender<Child>,
    /// Takes where the payload goes, if there is one.
    feed: Option<Sender<ChildStdin>>,
}

impl Threads {
    /// Makes those for a command with this payload. What the monitor says is heard from now on.
    pub(super) fn new(orders: BufReader<io::Stdin>, payload: Option<Vec<u8>>) -> io::Result<Self> {
        let (tell, events) = mpsc::channel();
        let drains = Drains::new()?;
        let wait = wait(tell.clone())?;
        let feed = payload.map(feed).transpose()?;
        listen(orders, tell)?;
        Ok(Self { drains, events, wait, feed })
    }

    /// Whether the command has a payload to read.
    pub(super) const fn feeds(&self) -> bool {
        self.feed.is_some()
    }

    /// Watches a command that was started.
    pub(super) fn watch(&self, mut child: Child) {
        // Each thread is there until it was given what it waits for.
        if let (Some(feed), Some(stdin)) = (&self.feed, child.stdin.take()) {
            feed.send(stdin).ok();
        }
        self.wait.send(child).ok();
    }
}

/// Hears what the monitor says while the command runs.
fn listen(mut orders: BufReader<io::Stdin>, tell: Sender<Event>) -> io::Result<()> {
    let listen = move || {
        let mut line = String::new();
        while matches!(orders.read_line(&mut line), Ok(1..)) {
            if let Ok(Renewal { until }) = serde_json::from_str(&line) {
                // Nobody listens once the command has ended.
                tell.send(Event::Until(until)).ok();
            }
            line.clear();
        }
        tell.send(Event::MonitorGone).ok();
    };
    thread::Builder::new().name("hold-listen".into()).spawn(listen).map(drop)
}

/// Tells when the command has ended.
fn wait(tell: Sender<Event>) -> io::Result<Sender<Child>> {
    let (give, given) = mpsc::channel::<Child>();
    let wait = move || given.recv().map(|mut child| tell.send(Event::Ended(child.wait())));
    thread::Builder::new().name("hold-wait".into()).spawn(wait)?;
    Ok(give)
}

/// Gives the payload. A command may end, or go on for ever, without having read it.
fn feed(payload: Vec<u8>) -> io::Result<Sender<ChildStdin>> {
    let (give, given) = mpsc::channel::<ChildStdin>();
    let feed = move || given.recv().map(|mut stdin| stdin.write_all(&payload));
    thread::Builder::new().name("hold-payload".into()).spawn(feed)?;
    Ok(give)
}
