//! Whether a reaper was too hasty: an exit that is younger than the grace is its monitor's to settle, while that lives.
//!
//! Asked from the outside, on a clock that only goes on: a command writes down when it ends, which is before its exit is
//! recorded, and the run looks again and again at what reapers have settled, which is after they did. What lies between the
//! two is longer than the exit was old. Where the supervisor was killed that is not so: its own exit is recorded, and the
//! command may still be on its way to its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use crate::ground::{FINALIZE_GRACE, Ground};

/// What was seen of reapers' settlements of exits, and what was done to those who might have been hindered.
#[derive(Debug, Default)]
pub struct Haste {
    /// By the attempt: when its settlement was first seen.
    settled: BTreeMap<String, f64>,
    /// By the pid of a monitor: when the first that had it was killed, or 0 where one ended by itself.
    gone: BTreeMap<i32, f64>,
    /// When clocks were set. A reaper that begins after that cannot know of it, and takes younger exits for old ones.
    pub jumps: Vec<f64>,
}

impl Haste {
    /// Notes that a monitor is killed from now on. Pids come again within minutes: that another one is killed later does
    /// not bring the first back.
    pub fn kill(&mut self, monitor: i32) {
        self.gone.entry(monitor).or_insert_with(uptime);
    }

    /// Notes that a monitor has ended by itself, nobody knows when.
    pub fn end(&mut self, monitor: i32) {
        self.gone.insert(monitor, 0.0);
    }

    /// Looks at what was settled since.
    pub fn look(&mut self, ground: &Ground) -> Result<(), String> {
        let settled = ground.sql.texts(SETTLED)?;
        let now = uptime();
        for attempt in settled {
            self.settled.entry(attempt).or_insert(now);
        }
        Ok(())
    }

    /// The attempts that were not left to their monitors. `ended` says when their commands ended.
    pub fn broken(&self, ground: &Ground, ended: &BTreeMap<String, f64>) -> Result<Vec<String>, String> {
        let monitors = ground.sql.texts(MONITORS)?;
        let monitors: BTreeMap<&str, i32> = monitors.iter().filter_map(|row| monitor_of(row)).collect();
        let hasty = self.hasty(&monitors, ended);
        let mut broken: Vec<_> = hasty.map(|attempt| format!("not left to its monitor: {attempt}")).collect();
        if !self.sees(ended, &monitors) {
            broken.push("this law sees nothing: not left to its monitor".to_owned());
        }
        Ok(broken)
    }

    fn hasty<'h>(
        &'h self,
        monitors: &'h BTreeMap<&str, i32>,
        ended: &'h BTreeMap<String, f64>,
    ) -> impl Iterator<Item = &'h str> {
        let is_hasty = move |(attempt, seen): &(&String, &f64)| {
            let (Some(ended), Some(monitor)) = (ended.get(*attempt), monitors.get(attempt.as_str())) else {
                return false;
            };
            let lived = self.gone.get(monitor).is_none_or(|gone| gone > seen);
            let could_know = !self.jumps.iter().any(|jump| jump >= ended && jump <= seen);
            lived && could_know && *seen - ended < FINALIZE_GRACE - TICK
        };
        self.settled.iter().filter(is_hasty).map(|(attempt, _)| attempt.as_str())
    }

    /// Whether all attempts whose monitors were never killed would be told of, had they been settled as they ended.
    fn sees(&self, ended: &BTreeMap<String, f64>, monitors: &BTreeMap<&str, i32>) -> bool {
        let spared = |attempt: &str| monitors.get(attempt).is_some_and(|monitor| !self.gone.contains_key(monitor));
        let at_once = ended.iter().filter(|(attempt, _)| spared(attempt));
        let at_once: BTreeMap<_, _> = at_once.map(|(attempt, at)| (attempt.clone(), *at)).collect();
        let planted = Self { settled: at_once, gone: BTreeMap::new(), jumps: Vec::new() };
        let told: BTreeSet<_> = planted.hasty(monitors, ended).collect();
        !told.is_empty() && told.len() == planted.settled.len()
    }
}

/// An attempt, and the pid of its monitor.
fn monitor_of(row: &str) -> Option<(&str, i32)> {
    let (attempt, monitor) = row.split_once(' ')?;
    Some((attempt, monitor.split('/').nth(3)?.parse().ok()?))
}

/// Seconds since the machine was started.
pub fn uptime() -> f64 {
    let text = fs::read_to_string("/proc/uptime").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// By how much what is read of that clock may be off.
const TICK: f64 = 0.02;

/// Attempts whose commands told their exits by themselves.
const SETTLED: &str = "SELECT job_id || ':' || fence FROM reaper_events
    WHERE actor = 'reaper' AND rule IN ('exit_zero', 'exit_nonzero') AND from_status = 'running'
        AND evidence NOT LIKE '%\"code\":-%'";

const MONITORS: &str = "SELECT job || ':' || fence || ' ' || monitor FROM chaos_changes
    WHERE came = 'running' AND monitor IS NOT NULL";
