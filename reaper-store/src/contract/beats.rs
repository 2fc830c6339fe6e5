//! Beats of attempts that cannot be seen: which of them a pass looks at, and among how many.

use chrono::TimeDelta;
use reaper_core::{
    Attempt, JobId, NodeId, ProcessIdentity, Timestamp,
    node::{Lost, LostAttempts},
};

use super::{
    Subject,
    load::{attached, here},
    scene::{HOUR, PID, Scene, nothing, process},
};
use crate::{
    attempts::Written,
    facts::{Here, Wanted},
    foreign::{ForeignJob, When},
};

fn beat(scene: Scene<'_>, attempt: &Attempt) -> Timestamp {
    assert_eq!(scene.store().beat(attempt).expect("a beat works"), Written::Yes);
    scene.job(&attempt.job).beat.expect("it has beaten").at
}

/// A job that a worker of another host has taken, and that has beaten.
fn beaten(scene: Scene<'_>, executor: Option<&ProcessIdentity>) -> JobId {
    let job = attached(scene, &process("there", 11), executor);
    beat(scene, &scene.job(&job).attempt);
    job
}

fn until(at: Timestamp) -> Wanted {
    Wanted { beats_until: Some(at), ..nothing() }
}

/// An attempt whose latest beat is old enough is loaded; not one that beats, never beat, has ended or runs no more.
pub fn what_has_not_beaten_lately_is_loaded(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let there = process("there", 12);
    let job = beaten(scene, Some(&there));
    let without = scene.running().attempt;
    let at = beat(scene, &without);
    let silent = attached(scene, &there, Some(&there));
    let _waits = scene.enqueue("developer");
    let ended = scene.running_with_run();
    beat(scene, &ended.0.attempt);
    scene.write_exit(&ended.1, 0);
    let requeued = scene.running().attempt;
    beat(scene, &requeued);
    scene.set_status(&requeued.job, "queued");

    let later = scene.now() + TimeDelta::seconds(60);
    let mut due = scene.load_ids(&until(later), 1);
    due.sort();
    let mut expected = vec![job.clone(), without.job.clone()];
    expected.sort();
    assert_eq!(due, expected);
    assert!(!due.contains(&silent));
    assert_eq!(scene.load_ids(&nothing(), 10), [], "no beat is judged");
    assert!(scene.load_ids(&until(at), 10).contains(&without.job), "on the limit");
    let first = scene.job(&job).beat.expect("it has beaten").at;
    assert!(!scene.load_ids(&until(first - TimeDelta::milliseconds(1)), 10).contains(&job), "under it");
}

/// Each row comes once, whatever other sets have it, with everything of this host or only what is new.
pub fn what_has_not_beaten_comes_once(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let (own, there) = (process("here", 12), process("there", 12));
    let mut all = vec![
        beaten(scene, Some(&own)),
        beaten(scene, Some(&there)),
        beaten(scene, None),
        attached(scene, &own, Some(&there)),
        scene.insert(&ForeignJob::running(PID, 5000)),
        scene.insert(&ForeignJob { started_at: When::Null, ..ForeignJob::running(PID, 0) }),
        scene.insert(&ForeignJob { pid: None, ..ForeignJob::running(PID, 0) }),
    ];
    for job in &all {
        beat(scene, &scene.job(job).attempt);
    }
    all.sort();
    let later = scene.now() + TimeDelta::seconds(60);
    let lost = |attempts| vec![Lost { host: there.host.clone(), prefix: NodeId::of(&there).prefix(), attempts }];
    let begun = scene.job(&all[0]).started_at.unwrap_or(later);
    for since in [None, Some(begun - TimeDelta::hours(2)), Some(begun), Some(later)] {
        let bare_pids = [true, false];
        for bare_pids in bare_pids {
            for lost in [Vec::new(), lost(LostAttempts::All), lost(LostAttempts::NodeBound)] {
                for limit in [1, 3, 20] {
                    let wanted = Wanted {
                        started_until: scene.now() - TimeDelta::seconds(1000),
                        suspects: vec![all[1].clone()],
                        here: Some(Here { host: "here".into(), bare_pids, since }),
                        lost: lost.clone(),
                        ..until(later)
                    };
                    let mut loaded = scene.load_ids(&wanted, limit);
                    loaded.sort();
                    assert_eq!(loaded, all, "{wanted:?} in pages of {limit}");
                }
            }
        }
    }
}

/// Those that beat are counted, as far as is asked for, without this host's own and those that have ended.
pub fn what_beats_is_counted_so_far(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let probed = |bare_pids| here(bare_pids).here.expect("this host is wanted");
    let count = |bare_pids, after, at_most| {
        scene.store().beating(&probed(bare_pids), after, at_most).expect("a read works")
    };
    let before = scene.now() - TimeDelta::from_std(HOUR).expect("an hour fits");
    assert_eq!(count(true, before, 10), 0);
    let (own, there) = (process("here", 12), process("there", 12));
    beaten(scene, Some(&there));
    beaten(scene, None);
    beaten(scene, Some(&own));
    attached(scene, &there, Some(&there));
    let bare = scene.running().attempt;
    beat(scene, &bare);
    let (ended, run) = scene.running_with_run();
    beat(scene, &ended.attempt);
    scene.write_exit(&run, 0);

    assert_eq!([count(true, before, 0), count(true, before, 1), count(true, before, 9)], [0, 1, 2]);
    assert_eq!(count(false, before, 9), 3, "a bare pid that is not believed is followed by its beat");
    assert_eq!(count(true, scene.now() + TimeDelta::seconds(60), 9), 0, "none has beaten since");
}
