//! Doing harm: each fault in its turn, at what is there at that moment, and undone after a while where that can be.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, mem,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use reaper_tests::{database::Kind, proxy::Cut};
use rustix::{
    fd::OwnedFd,
    process::{Signal, pidfd_send_signal},
};

use crate::{
    cast::{Cast, Role},
    fault::Fault,
    ground::Ground,
    haste::{Haste, uptime},
    meddling,
    processes::{self, Seen},
    sql::Open,
};

/// What was done so far.
pub struct Harm {
    pub(crate) rng: Rng,
    /// What may happen.
    faults: Vec<Fault>,
    /// What is still to come before everything comes again: so nothing is left out for long.
    deck: Vec<Fault>,
    pub fired: BTreeMap<Fault, usize>,
    /// The attempts whose own executor was killed, `job:fence`: all others end by themselves.
    pub killed: BTreeSet<String>,
    /// Those of which any process was killed.
    pub hurt: BTreeSet<String>,
    pub haste: Haste,
    pub(crate) undo: Vec<(Instant, Undo)>,
    /// How many messages had been refused when that was last looked at.
    pub(crate) refused: usize,
    /// How far the clock is off.
    off: i64,
}

pub(crate) enum Undo {
    Continue(OwnedFd),
    Clear,
    /// Held until then; what was begun is rolled back.
    Release(Open),
    PutBack(String),
    /// The mode is `enforce` again.
    Enforce,
    Remove(PathBuf),
}

impl Harm {
    pub fn new(seed: u64, faults: &[Fault]) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            faults: faults.to_vec(),
            deck: Vec::new(),
            fired: BTreeMap::new(),
            killed: BTreeSet::new(),
            hurt: BTreeSet::new(),
            haste: Haste::default(),
            undo: Vec::new(),
            refused: 0,
            off: 0,
        }
    }

    /// Does the next thing, and undoes what has lasted long enough. The answer is how long to wait now.
    pub fn go_on(&mut self, ground: &Ground, cast: &mut Cast) -> Duration {
        self.undo_until(Instant::now(), ground);
        if self.deck.is_empty() {
            self.deck = self.faults.clone();
            self.rng.shuffle(&mut self.deck);
        }
        let fault = self.deck.pop().expect("there are faults");
        for _ in 0..TRIES {
            if self.fire(fault, ground, cast).is_some() {
                *self.fired.entry(fault).or_default() += 1;
                break;
            }
            thread::sleep(Duration::from_millis(100));
            self.undo_until(Instant::now(), ground);
        }
        Duration::from_millis(self.rng.u64(20..400))
    }

    /// Undoes everything.
    pub fn stop(&mut self, ground: &Ground) {
        while !self.undo.is_empty() {
            self.undo_until(Instant::now() + Duration::from_secs(3600), ground);
            thread::sleep(Duration::from_millis(50));
        }
        if let Some(clock) = &ground.clock {
            self.haste.jumps.push(uptime());
            clock.set(0);
            self.haste.jumps.push(uptime());
        }
        if ground.chat.refused() > self.refused {
            *self.fired.entry(Fault::NotifyFails).or_default() += 1;
        }
        ground.chat.calm_down();
        // Nothing that is still to be cut is cut.
        if let Some(server) = &ground.server {
            let _whatever_came_of_it = server.proxy.has_cut();
        }
    }

    fn undo_until(&mut self, now: Instant, ground: &Ground) {
        let (due, later) = mem::take(&mut self.undo).into_iter().partition(|(at, _)| *at <= now);
        self.undo = later;
        let due: Vec<(Instant, Undo)> = due;
        for (at, undo) in due {
            match undo {
                // It may have been killed meanwhile.
                Undo::Continue(process) => drop(pidfd_send_signal(&process, Signal::CONT)),
                Undo::Clear => ground.disk.as_ref().expect("it was filled").clear(),
                Undo::Release(open) => drop(open),
                Undo::PutBack(statement) => {
                    // Until it is done: the server may be down.
                    if ground.sql.run(&statement).is_err() {
                        self.undo.push((at, Undo::PutBack(statement)));
                    }
                }
                Undo::Enforce => {
                    if meddling::enforce(ground).is_err() {
                        self.undo.push((at, Undo::Enforce));
                    }
                }
                Undo::Remove(file) => fs::remove_file(file).unwrap(),
            }
        }
    }

    /// For a while.
    pub(crate) fn later(&mut self, undo: Undo) {
        let while_ = Duration::from_millis(self.rng.u64(300..2500));
        self.undo.push((Instant::now() + while_, undo));
    }

    /// `None` where there was nothing to do it to.
    fn fire(&mut self, fault: Fault, ground: &Ground, cast: &mut Cast) -> Option<()> {
        match fault {
            Fault::MonitorKilled => self.kill_player(ground, cast, |role| matches!(role, Role::Pool(_))),
            Fault::ReaperKilled => self.kill_player(ground, cast, |role| role == Role::Reaper),
            Fault::PythonKilled => self.kill_player(ground, cast, |role| role == Role::Python),
            Fault::ExecutorKilled => self.strike(ground, Signal::KILL, Seen::is_executor),
            Fault::CommandKilled => self.strike(ground, Signal::KILL, Seen::is_work),
            Fault::ExecutorStopped => self.strike(ground, Signal::STOP, Seen::is_executor),
            Fault::CommandStopped => self.strike(ground, Signal::STOP, Seen::is_work),
            Fault::MonitorStopped => {
                self.strike(ground, Signal::STOP, |seen| seen.words.contains(" exec --agent"))
            }
            Fault::ReaperStopped => {
                self.strike(ground, Signal::STOP, |seen| seen.words.trim_end().ends_with(" run"))
            }
            Fault::GroupKilled => self.kill_group(ground),
            Fault::PoolAndWorkKilled => {
                self.kill_player(ground, cast, |role| matches!(role, Role::Pool(_)))?;
                self.kill_all_work(ground)
            }
            Fault::ClockForward => self.move_clock(ground, 1),
            Fault::ClockBack => self.move_clock(ground, -1),
            Fault::DiskFull => {
                let full = |(_, undo): &(_, Undo)| matches!(undo, Undo::Clear);
                let disk = ground.disk.as_ref().filter(|_| !self.undo.iter().any(full))?;
                disk.fill();
                self.later(Undo::Clear);
                Some(())
            }
            Fault::TableLocked => {
                let mut open = ground.sql.open().ok()?;
                open.run(match ground.kind {
                    Kind::Sqlite => "BEGIN IMMEDIATE",
                    Kind::Postgres => "BEGIN; LOCK TABLE jobs IN EXCLUSIVE MODE",
                })
                .ok()?;
                self.later(Undo::Release(open));
                Some(())
            }
            Fault::AnswerLost => self.cut(ground, Some(Cut::AnswerLost)),
            Fault::RequestLost => self.cut(ground, Some(Cut::RequestLost)),
            Fault::CommitLost => self.cut(ground, None),
            Fault::BackendsEnded => {
                let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE pid <> pg_backend_pid() AND datname = current_database()";
                ground.sql.texts(end).ok().filter(|ended| !ended.is_empty()).map(drop)
            }
            Fault::ServerKilled => self.fell_the_server(ground),
            Fault::TaskSentBack => self.send_back(ground),
            Fault::ForeignTake => self.take_as_a_stranger(ground),
            Fault::ForeignTouch => self.touch(ground),
            Fault::RowSpoilt => self.spoil_for_a_while(ground),
            Fault::ModeReport => self.only_report(ground),
            Fault::GateHangs => self.hang_gates(ground),
            Fault::NotifyFails => self.refuse_a_message(ground),
        }
    }

    fn kill_player(&mut self, ground: &Ground, cast: &mut Cast, is_it: impl Fn(Role) -> bool) -> Option<()> {
        let which: Vec<_> = (0..cast.players.len()).filter(|which| is_it(cast.players[*which].role)).collect();
        cast.kill(*self.rng.choice(&which)?, ground, &mut self.haste);
        Some(())
    }

    fn strike(&mut self, ground: &Ground, signal: Signal, is_it: impl Fn(&Seen) -> bool) -> Option<()> {
        let seen: Vec<_> = processes::all(&ground.mark).into_iter().filter(is_it).collect();
        let seen = self.rng.choice(&seen)?;
        if signal == Signal::KILL {
            self.hurt.extend(seen.attempt.clone());
            self.killed.extend(seen.attempt.clone().filter(|_| seen.is_executor()));
        }
        let process = processes::strike(seen, &ground.mark, signal)?;
        if signal == Signal::STOP {
            self.later(Undo::Continue(process));
        }
        Some(())
    }

    fn kill_group(&mut self, ground: &Ground) -> Option<()> {
        let seen = processes::all(&ground.mark);
        let attempts: Vec<_> = seen.iter().filter(|seen| seen.is_executor()).map(|seen| &seen.attempt).collect();
        let attempt = *self.rng.choice(&attempts)?;
        self.killed.extend(attempt.clone());
        self.hurt.extend(attempt.clone());
        let of_it = seen.iter().filter(|seen| seen.attempt == *attempt);
        of_it.filter_map(|seen| processes::strike(seen, &ground.mark, Signal::KILL)).map(drop).reduce(|(), ()| ())
    }

    fn kill_all_work(&mut self, ground: &Ground) -> Option<()> {
        let seen: Vec<_> =
            processes::all(&ground.mark).into_iter().filter(|seen| seen.attempt.is_some()).collect();
        self.killed.extend(seen.iter().filter_map(|seen| seen.attempt.clone()));
        self.hurt.extend(seen.iter().filter_map(|seen| seen.attempt.clone()));
        let struck = seen.iter().filter_map(|seen| processes::strike(seen, &ground.mark, Signal::KILL));
        struck.map(drop).reduce(|(), ()| ())
    }

    /// Not farther than what is waited for at the end.
    fn move_clock(&mut self, ground: &Ground, way: i64) -> Option<()> {
        self.off = (self.off + way * self.rng.i64(1_000..25_000)).clamp(-30_000, 30_000);
        let clock = ground.clock.as_ref()?;
        self.haste.jumps.push(uptime());
        clock.set(self.off);
        self.haste.jumps.push(uptime());
        Some(())
    }

    /// At one of the next requests, whoever sends it; `None` for the answer to a commit.
    fn cut(&mut self, ground: &Ground, cut: Option<Cut>) -> Option<()> {
        let proxy = &ground.server.as_ref()?.proxy;
        match cut {
            Some(cut) => proxy.cut_after(self.rng.usize(0..50), cut),
            None => proxy.lose_the_commit_after(self.rng.usize(0..5)),
        }
        thread::sleep(Duration::from_millis(500));
        proxy.has_cut().then_some(())
    }

    fn fell_the_server(&mut self, ground: &Ground) -> Option<()> {
        // A server that has to recover on a full disk does not come back.
        let is_full = |(_, undo): &(_, Undo)| matches!(undo, Undo::Clear);
        if let Some(full) = self.undo.iter().position(is_full) {
            self.undo.remove(full);
            ground.disk.as_ref()?.clear();
        }
        let cluster = &ground.server.as_ref()?.cluster;
        let mut cluster = cluster.lock().expect("nobody panics with it");
        cluster.kill();
        thread::sleep(Duration::from_millis(self.rng.u64(0..2000)));
        cluster.start_again();
        Some(())
    }
}

/// How often a fault is tried before it is the next one's turn: there may be nothing to do it to at that moment.
const TRIES: usize = 5;
