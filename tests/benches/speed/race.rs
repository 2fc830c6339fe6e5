//! One process against sixteen on one database: each attempt is settled once, and not much slower.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reaper_runner::Reaper;

use crate::{
    parts,
    rounds::{self, Measured, Role, Runner},
};

/// How many processes race.
const RACERS: usize = 16;

/// Settles all that there is, once it is told to begin, and answers with how many it won.
pub fn racer(database: &str) -> usize {
    let store = parts::open(database);
    let reaper = Reaper::new(parts::parts(&store), parts::settings(1000));
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let mut won = 0;
    loop {
        let report = reaper.run_once();
        assert_eq!(report.error, None);
        if report.counts.loaded == 0 {
            return won;
        }
        won += report.won().count();
    }
}

/// Measures both. `make` answers with a database in which so many orphans wait, `events` with how many events there are
/// in it and of how many attempts.
pub fn measure(
    rounds: usize,
    orphans: u64,
    make: impl Fn() -> String,
    events: impl Fn(&str) -> (u64, u64),
) -> Vec<Measured> {
    let race = |racers: usize| {
        let database = make();
        let mut children: Vec<_> = (0..racers).map(|_| Racer::start(&database)).collect();
        let start = Instant::now();
        children.iter_mut().for_each(Racer::begin);
        let won: u64 = children.into_iter().map(Racer::end).sum();
        let time = start.elapsed();
        assert_eq!(won, orphans, "each orphan is won by somebody, and by nobody else");
        assert_eq!(events(&database), (orphans, orphans), "an event for each, of an attempt each");
        time
    };
    let race = &race;
    let runner =
        |who, role, goal, racers| Runner { who, role, goal, run: Box::new(move || -> Duration { race(racers) }) };
    rounds::measure(
        rounds,
        vec![
            runner("one process", Role::Limit, None, 1),
            runner("sixteen processes", Role::Subject, Some(2.0), RACERS),
        ],
    )
}

struct Racer(Child);

impl Racer {
    /// Starts one and waits until it has its connection.
    fn start(database: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--racer", database]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        child.stdout = Some(output.into_inner());
        Self(child)
    }

    fn begin(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    /// Waits for its end, and says how many it won.
    fn end(self) -> u64 {
        let output = self.0.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }
}
