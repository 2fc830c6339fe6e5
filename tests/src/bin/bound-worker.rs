//! A small worker with two jobs: one is bound to its node, the other is not. `bound-worker URL HOST TTL_MS`.
//!
//! It tells what it does, a line each, on standard output. When it cannot confirm that its node beats, it stops the bound
//! executor before the time to live is over; when it can ask again, it tells what has become of its attempts. It ends,
//! and its executors with it, when standard input does.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a worker of a test fails as tests do, and talks to its test"
)]

use std::{
    env,
    io::Read as _,
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use reaper_core::Bond;
use reaper_gate::{Probe as _, liveness::LocalProbe};
use reaper_runner::{SystemTime, Time as _};
use reaper_store::{
    Attempts as _, Nodes as _,
    attempts::{Launcher, Taken, Wants},
    postgres::{Options, PostgresStore},
};

/// The time between two looks at the node's beat.
const LOOK: Duration = Duration::from_millis(100);

/// An attempt with its executor, which ends with it.
struct Work {
    taken: Taken,
    executor: Child,
}

impl Drop for Work {
    fn drop(&mut self) {
        // It may have been stopped before.
        self.executor.kill().ok();
        self.executor.wait().ok();
    }
}

fn begin(store: &PostgresStore, probe: &LocalProbe, agent: &str, bond: Bond) -> Work {
    let launcher = Launcher { monitor: probe.identify_self().unwrap(), bond };
    let taken = store.take(&Wants::Agent(agent.into()), &launcher).unwrap().unwrap();
    // It ends with its monitor, which holds its standard input.
    let executor = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let identity = probe.identify(executor.id()).unwrap();
    let written = store.attach(&taken.job.attempt, &identity).unwrap();
    println!("{agent} {} {} {written:?}", taken.job.attempt.job, executor.id());
    Work { taken, executor }
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let ttl = Duration::from_millis(arguments[3].parse().unwrap());
    let store = Arc::new(PostgresStore::open(&arguments[1], Options::default()).unwrap());
    let probe = LocalProbe::builder().host(&arguments[2]).build().unwrap();
    let own = probe.node().unwrap();
    let time = Arc::new(SystemTime::new());
    let mut bound = begin(&store, &probe, "bound", Bond::NodeBound);
    let free = begin(&store, &probe, "free", Bond::Free);

    // Whoever sees a counter stand still has read it first when it was raised or later. The raise that is seen here came
    // after the beginning of the look before: from then on the time to live is counted.
    let (confirm, confirmed) = mpsc::channel();
    let (asking, clock) = (Arc::clone(&store), Arc::clone(&time));
    thread::spawn(move || {
        let (mut looked, mut seen) = (clock.monotonic(), None);
        loop {
            let began = clock.monotonic();
            if let Ok(rows) = asking.nodes() {
                let beat = rows.iter().find(|row| row.node.id == own).map(|row| row.node.beat);
                if beat != seen && confirm.send(looked).is_err() {
                    return;
                }
                (looked, seen) = (began, beat);
            }
            thread::park_timeout(LOOK);
        }
    });
    let mut until = time.monotonic() + ttl * 3 / 5;
    while let Ok(since) = confirmed.recv_timeout(until.saturating_sub(time.monotonic())) {
        until = since + ttl * 3 / 5;
    }
    bound.executor.kill().unwrap();
    bound.executor.wait().unwrap();
    println!("stopped");
    drop(confirmed);

    // It comes back: whatever it writes is about its own attempts alone.
    let late = loop {
        if let Ok(written) = store.beat(&bound.taken.job.attempt) {
            break written;
        }
    };
    println!("bound {late:?}");
    println!("exit {:?}", store.record_exit(&bound.taken.run, 137).unwrap());
    println!("free {:?}", store.beat(&free.taken.job.attempt).unwrap());
    // Until the test ends.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
