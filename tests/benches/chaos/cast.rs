//! Who plays: pools of workers, reapers, workers in Python. Who falls is put up again.

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    process::{Child, Command, Stdio},
    time::Duration,
};

use reaper_tests::program::within;
use rustix::process::{Pid, Signal, kill_process};

use crate::{fault::Scope, ground::Ground, haste::Haste};

/// What a program of the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `reaper exec --loop`, for this agent.
    Pool(&'static str),
    /// `reaper run`.
    Reaper,
    /// The worker that was written from the page about workers.
    Python,
}

/// A program of the run. It ends with its value.
#[derive(Debug)]
pub struct Player {
    pub role: Role,
    pub child: Child,
}

/// All of them.
#[derive(Debug)]
pub struct Cast {
    pub players: Vec<Player>,
    /// What ended without having been told to, and how often.
    pub ended: BTreeMap<String, usize>,
}

impl Role {
    fn start(self, ground: &Ground) -> Player {
        let mut command = match self {
            Self::Pool(agent) => {
                let work = ["--", "/bin/sh", WORK];
                let args = [&["exec", "--agent", agent, "--loop", WORKERS_A_POOL], &work[..]].concat();
                ground.program.command(&args)
            }
            Self::Reaper => ground.program.command(&["run"]),
            Self::Python => {
                let mut command = Command::new("python3");
                let url = ground.program.command(&[]);
                let url =
                    url.get_envs().find(|(name, _)| *name == "DATABASE_URL").and_then(|(_, url)| url).unwrap();
                command.arg(PYTHON).arg(url).args(["porter", "100000", "/bin/sh", WORK]);
                command.current_dir(ground.dir()).env_remove("REAPER_ATTEMPT");
                command
            }
        };
        ground.give(&mut command);
        let log = OpenOptions::new().create(true).append(true).open(ground.file(self.log())).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Player { role: self, child: command.spawn().unwrap() }
    }

    /// The file that it prints to.
    pub fn log(self) -> &'static str {
        match self {
            Self::Pool(_) => "pools.log",
            Self::Reaper => "reapers.log",
            Self::Python => "python.log",
        }
    }
}

impl Player {
    fn pid(&self) -> i32 {
        Pid::from_child(&self.child).as_raw_nonzero().get()
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // It may have ended, as it should.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Cast {
    pub fn start(ground: &Ground, scope: Scope) -> Self {
        let pools = ["designer", "designer", "builder", "builder", "checker"].map(Role::Pool);
        let others: &[Role] = match scope {
            Scope::Processes => &[Role::Reaper, Role::Reaper],
            Scope::All => &[Role::Reaper, Role::Reaper, Role::Python, Role::Python],
        };
        let players = pools.iter().chain(others).map(|role| role.start(ground)).collect();
        Self { players, ended: BTreeMap::new() }
    }

    /// Kills one and puts up another in its place.
    pub fn kill(&mut self, which: usize, ground: &Ground, haste: &mut Haste) {
        let player = &mut self.players[which];
        haste.kill(player.pid());
        player.child.kill().unwrap();
        player.child.wait().unwrap();
        *player = player.role.start(ground);
    }

    /// Puts up again who has ended by himself, which is written down.
    pub fn tend(&mut self, ground: &Ground, haste: &mut Haste) {
        for player in &mut self.players {
            if let Some(status) = player.child.try_wait().unwrap() {
                haste.end(player.pid());
                *self.ended.entry(format!("{:?} {status}", player.role)).or_default() += 1;
                *player = player.role.start(ground);
            }
        }
    }

    /// Asks all to end, and tells who does not end as he should.
    pub fn dismiss(self) -> Vec<String> {
        let mut wrong = Vec::new();
        let players = self.players;
        for player in &players {
            // A worker in Python has no way of ending but this one, and nothing to do any more.
            let signal = if player.role == Role::Python { Signal::KILL } else { Signal::TERM };
            kill_process(Pid::from_child(&player.child), signal).ok();
        }
        for mut player in players {
            let mut status = None;
            within(Duration::from_secs(60), "a program ends when it is told to", || {
                status = player.child.try_wait().unwrap();
                status.is_some()
            });
            if player.role != Role::Python && !status.unwrap().success() {
                wrong.push(format!("{:?} was asked to end, and ended with {}", player.role, status.unwrap()));
            }
        }
        wrong
    }
}

const WORK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/work.sh");
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/worker.py");
/// With five pools, twenty workers.
const WORKERS_A_POOL: &str = "4";
