//! Races: threads that begin at one barrier. One of them wins, whoever it is.

use std::{
    sync::Barrier,
    thread::{self, ScopedJoinHandle},
    time::Duration,
};

use reaper_core::Status;

use super::{
    Subject,
    scene::{HOUR, REQUEUE, RETRY, Scene, alert, claim, claim_by, process},
};
use crate::{
    Claim, Outcome, Settlement,
    attempts::{Recorded, Wants},
    claims::Actor,
    outbox::{Posted, Which},
};

const RACERS: usize = 8;
const ROUNDS: usize = 5;

/// Lets every racer do the same thing at once, and gives what each got.
fn race<T: Send>(racer: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (barrier, racer) = (Barrier::new(RACERS), &racer);
    let barrier = &barrier;
    thread::scope(|scope| {
        let start = |n| {
            scope.spawn(move || {
                let _leader = barrier.wait();
                racer(n)
            })
        };
        let racers: Vec<ScopedJoinHandle<'_, T>> = (0..RACERS).map(start).collect();
        racers.into_iter().map(|racer| racer.join().expect("no racer panics")).collect()
    })
}

/// Of reapers that claim one attempt at once, one wins; one event and one effect are stored.
pub fn one_reaper_wins(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for _ in 0..ROUNDS {
        let read = scene.running();
        let events = scene.events().len();
        let claims: Vec<_> = (0..RACERS)
            .map(|_| Claim { effect: Some(alert("given up")), ..claim(&read, Settlement::Fail) })
            .collect();
        let outcomes = race(|n| scene.settle(&claims[n]));
        let won: Vec<_> = claims.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Outcome::Won).collect();
        assert_eq!(won.len(), 1, "{outcomes:?}");
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Won | Outcome::Lost)), "{outcomes:?}");
        assert_eq!(scene.events().len(), events + 1);
        assert_eq!(scene.events_of(won[0].0.event), 1, "the event is the winner's");
    }
    assert_eq!(scene.store().undelivered(100).expect("a read works").len(), ROUNDS);
}

/// Of a reaper, a monitor, a person, and the start-up requeue, one settles the attempt.
pub fn one_of_all_kinds_wins(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for _ in 0..ROUNDS {
        let read = scene.running();
        let events = scene.events().len();
        let won = race(|n| {
            let claim = match n % 4 {
                0 => claim(&read, REQUEUE),
                1 => claim_by(Actor::Monitor, &read, Settlement::Done),
                2 => claim_by(Actor::Person, &read, RETRY),
                _ => return scene.store().requeue_all_running().expect("the database works") == 1,
            };
            scene.settle(&claim) == Outcome::Won
        });
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
        assert_eq!(scene.events().len(), events + 1);
    }
}

/// Of sets that overlap and are given in different orders, each attempt is won once, and nobody waits for ever.
pub fn overlapping_sets_win_each_attempt_once(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let rows: Vec<_> = (0..12).map(|_| scene.running()).collect();
    let outcomes = race(|n| {
        let mut claims: Vec<_> = rows.iter().map(|row| claim(row, REQUEUE)).collect();
        if n % 2 == 1 {
            claims.reverse();
        }
        scene.settle_all(&claims).into_iter().filter(|outcome| *outcome == Outcome::Won).count()
    });
    assert_eq!(outcomes.iter().sum::<usize>(), rows.len());
    assert_eq!(scene.events().len(), rows.len());
}

/// Of workers that take at once, each job goes to one.
pub fn each_job_is_taken_by_one_worker(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for _ in 0..3 {
        let _ = scene.enqueue("developer");
    }
    let mut taken: Vec<_> =
        race(|_| scene.try_take(&Wants::Any)).into_iter().flatten().map(|taken| taken.job.attempt).collect();
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 3);
    assert_eq!(scene.store().running(100).expect("a read works"), 3);
}

/// Of a reaper that settles and a worker that writes under its fence, one is told that it came second.
pub fn a_beat_and_a_claim_are_not_both_taken(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for _ in 0..ROUNDS {
        let read = scene.taken().job;
        let wrote = race(|n| match n {
            0 => scene.settle(&claim(&read, REQUEUE)) == Outcome::Won,
            1 => scene.store().beat(&read.attempt).expect("the database works") == crate::attempts::Written::Yes,
            _ => false,
        });
        assert_eq!(wrote.iter().filter(|wrote| **wrote).count(), 1, "{wrote:?}");
    }
}

/// Of monitors that record one run's exit at once, one is the first, and its code stands.
pub fn one_exit_is_the_first(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let taken = scene.taken();
    let recorded = race(|n| {
        let code = i32::try_from(n).expect("a small number");
        (code, scene.store().record_exit(&taken.run, code).expect("the database works"))
    });
    let first: Vec<_> = recorded.iter().filter(|(_, recorded)| *recorded == Recorded::New).collect();
    assert_eq!(first.len(), 1, "{recorded:?}");
    assert_eq!(scene.job(&taken.job.attempt.job).exit.map(|exit| exit.code), Some(first[0].0));
}

/// Of programs that enqueue under one source key at once, one makes the job.
pub fn one_source_key_makes_one_job(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let job = crate::attempts::NewJob {
        agent: "developer".into(),
        repo: "shop".into(),
        task: None,
        max_attempts: 2,
        source_key: Some("advance:1:7".into()),
        payload: None,
    };
    let made = race(|_| scene.store().enqueue(&job).expect("the database works"));
    let new = made.iter().filter(|made| matches!(made, crate::attempts::Enqueued::New(_))).count();
    assert_eq!(new, 1, "{made:?}");
    assert_eq!(scene.store().census().expect("a read works").count(Status::Queued), 1);
}

/// Of deliverers that lease at once, each effect goes to one.
pub fn each_effect_is_leased_by_one_deliverer(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for n in 0..3 {
        let posted = scene.store().post(&format!("key:{n}"), &alert("hear")).expect("the database works");
        assert_eq!(posted, Posted::New);
    }
    let leased = race(|_| scene.store().lease(&Which::Due, 2, HOUR).expect("the database works"));
    let mut keys: Vec<_> = leased.into_iter().flatten().map(|delivery| delivery.key).collect();
    keys.sort();
    assert_eq!(keys, ["key:0", "key:1", "key:2"]);
    let again = scene.store().lease(&Which::Due, 2, Duration::ZERO).expect("the database works");
    assert_eq!(again, []);
}

/// Of workers that attach under one fence while it is taken away, none writes onto the next attempt.
pub fn no_late_attach_reaches_the_next_attempt(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for _ in 0..ROUNDS {
        let old = scene.taken().job;
        let retaken = race(|n| match n {
            0 => match scene.settle(&claim_by(Actor::Person, &old, RETRY)) {
                Outcome::Won => scene.try_take(&Wants::Job(old.attempt.job.clone())),
                Outcome::Lost | Outcome::Forbidden(_) | Outcome::Refused(_) => None,
            },
            _ => {
                let executor = process("late", 13);
                scene.store().attach(&old.attempt, &executor).map(|_written| None).expect("the database works")
            }
        });
        if let Some(taken) = retaken.into_iter().flatten().next() {
            assert_eq!(scene.job(&old.attempt.job), taken.job);
        }
    }
}
