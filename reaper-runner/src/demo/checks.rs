//! What must hold at the end.

use std::collections::BTreeMap;

use reaper_core::{Attempt, Liveness, Status};
use reaper_gate::Probe;
use reaper_store::{Outcome, history::Query};
use serde::Serialize;

use super::{
    Ground,
    scenes::{Fate, Scene},
};
use crate::cli::Failure;

/// Something that must hold.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) what: &'static str,
    pub(super) holds: bool,
}

/// SIGTERM, as wait statuses give it.
const TERM: i32 = 15;

pub(super) fn all(ground: &Ground, scenes: &mut [Scene], in_time: bool) -> Result<Vec<Check>, Failure> {
    let mut outcomes = true;
    for scene in scenes.iter() {
        outcomes &= scene.is_settled(ground)?;
    }
    let by_attempt = settlements(ground)?;
    let once = scenes.iter().all(|scene| {
        let expected = u32::from(scene.fate != Fate::Healthy);
        by_attempt.get(scene.attempt()).copied().unwrap_or(0) == expected
    });
    let mut checks = vec![
        Check { what: "every orphan was settled in time", holds: in_time },
        Check { what: "each came to the right end", holds: outcomes },
        Check { what: "each was settled exactly once", holds: once },
        Check { what: "the healthy job was not touched", holds: healthy_untouched(ground, scenes)? },
        Check {
            what: "each finished task moved on once, the one with the red gate did not",
            holds: moved(ground, scenes)?,
        },
        Check { what: "the late monitor's finish was lost", holds: late_was_lost(scenes) },
        Check { what: "the overrun was stopped before its job was requeued", holds: overrun_stopped(scenes) },
        Check { what: "nothing is left in the outbox", holds: ground.store.undelivered(1)?.is_empty() },
    ];
    checks.push(Check { what: "no process is left", holds: none_left(ground, scenes)? });
    Ok(checks)
}

/// How often each attempt was brought to an end.
fn settlements(ground: &Ground) -> Result<BTreeMap<Attempt, u32>, Failure> {
    let mut count = BTreeMap::new();
    for event in ground.store.events(&Query { limit: 10_000, ..Query::default() })? {
        if let (Some(job), Some(fence), "done" | "requeue" | "fail") =
            (event.job, event.fence, event.action.as_str())
        {
            let of = count.entry(Attempt { job, fence }).or_insert(0_u32);
            *of = of.saturating_add(1);
        }
    }
    Ok(count)
}

fn healthy_untouched(ground: &Ground, scenes: &mut [Scene]) -> Result<bool, Failure> {
    let mut untouched = true;
    for scene in scenes.iter_mut().filter(|scene| scene.fate == Fate::Healthy) {
        let job = ground.store.job(scene.job())?.and_then(Result::ok);
        let same = job.is_some_and(|job| job.attempt == *scene.attempt() && job.status == Status::Running);
        untouched &= same && !scene.executor.has_ended();
    }
    Ok(untouched)
}

/// Two tasks finished well: they stand one stage further, with one new job each, and no other job was made.
fn moved(ground: &Ground, scenes: &[Scene]) -> Result<bool, Failure> {
    let mut right = true;
    for scene in scenes {
        let job = ground.store.job(scene.job())?.and_then(Result::ok);
        if let Some(place) = job.and_then(|job| job.task).and_then(|task| task.place) {
            let to = if scene.ends == Status::Done { "development" } else { "architecture" };
            right &= place.stage == to;
        }
    }
    let finished = scenes.iter().filter(|scene| scene.ends == Status::Done).count();
    let jobs: u64 = ground.store.census()?.jobs.values().sum();
    Ok(right && usize::try_from(jobs).is_ok_and(|jobs| jobs == scenes.len().saturating_add(finished)))
}

fn late_was_lost(scenes: &[Scene]) -> bool {
    scenes.iter().filter(|scene| scene.fate == Fate::LateMonitor).all(|scene| scene.late == Some(Outcome::Lost))
}

fn overrun_stopped(scenes: &mut [Scene]) -> bool {
    scenes
        .iter_mut()
        .filter(|scene| scene.fate == Fate::Overrun)
        .all(|scene| scene.executor.signal() == Some(TERM))
}

/// Ends what the demo itself still runs, and looks for the rest.
fn none_left(ground: &Ground, scenes: &mut [Scene]) -> Result<bool, Failure> {
    let mut none = true;
    for scene in scenes {
        scene.executor.kill()?;
        let own = std::iter::once(&scene.executor).chain(&scene.monitor);
        for actor in own {
            none &= matches!(ground.probe.probe(&actor.identity).liveness, Liveness::Dead(_));
        }
    }
    Ok(none)
}
