//! Counts, words, and watching by looks at a fake that says what it is told.

use std::{
    collections::BTreeMap,
    sync::{Mutex, atomic::AtomicUsize, atomic::Ordering},
};

use reaper_core::{Certainty, Liveness};

use super::*;
use crate::Probe;

/// Short, so that a test that waits for a look does not wait for long.
const EVERY: Duration = Duration::from_millis(2);
const BOUND: Option<Duration> = Some(Duration::from_secs(30));

/// Says of each pid what it was told; of others that they run.
#[derive(Debug, Default)]
struct Told {
    said: Mutex<BTreeMap<u32, Sighting>>,
    looks: AtomicUsize,
}

impl Told {
    fn say(&self, pid: u32, liveness: Liveness, finding: Finding) {
        self.said.lock().unwrap().insert(pid, Sighting::new(liveness, finding));
    }
}

impl Probe for Told {
    fn host(&self) -> &str {
        "here"
    }

    fn probe(&self, identity: &ProcessIdentity) -> Sighting {
        self.probe_pid(identity.pid)
    }

    fn probe_pid(&self, pid: u32) -> Sighting {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let alive = Sighting::new(Liveness::Alive(Certainty::Verified), Finding::Running);
        self.said.lock().unwrap().get(&pid).cloned().unwrap_or(alive)
    }
}

fn attempt(job: i64) -> Attempt {
    Attempt { job: job.into(), fence: (job + 1000).into() }
}

fn subject(pid: u32) -> Subject {
    let identity = format!("here/boot/1/{pid}/{pid}/-");
    Subject::Identity(identity.parse().unwrap())
}

fn polling() -> (Arc<Told>, PollWatch) {
    let told = Arc::<Told>::default();
    let probe: Arc<dyn Probe> = Arc::<Told>::clone(&told);
    (told, PollWatch::new(probe, EVERY))
}

fn dead() -> (Liveness, Finding) {
    (Liveness::Dead(Certainty::Verified), Finding::NoSuchProcess)
}

#[test]
fn a_death_is_seen_at_a_look_and_reported_once() {
    let (told, watch) = polling();
    assert_eq!(watch.watch(&attempt(1), Role::Executor, &subject(10)), Watching::Polled);
    assert_eq!(watch.watch(&attempt(2), Role::Monitor, &Subject::Pid(11)), Watching::Polled);
    assert_eq!(watch.wait(Some(Duration::ZERO)), Ok(vec![]));
    assert_eq!(watch.counts(), WatchCounts { polled: 2, ..WatchCounts::default() });

    let deaths = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| watch.wait(BOUND));
        told.say(11, dead().0, dead().1);
        waiting.join().unwrap()
    });
    let sighting = Sighting::new(dead().0, dead().1);
    let death = Death { attempt: attempt(2), role: Role::Monitor, sighting: sighting.clone(), exit: None };
    assert_eq!(deaths, Ok(vec![death]));
    assert_eq!(watch.wait(Some(EVERY)), Ok(vec![]));
    assert_eq!(watch.watch(&attempt(2), Role::Monitor, &Subject::Pid(11)), Watching::Gone);
    assert_eq!(watch.wait(Some(EVERY)), Ok(vec![]), "once for its registration");
    assert_eq!(watch.sighting(&attempt(2), Role::Monitor), Some(sighting));
    assert_eq!(watch.exit(&attempt(2), Role::Monitor), None);
    assert_eq!(watch.counts(), WatchCounts { polled: 1, gone: 1, ..WatchCounts::default() });
}

#[test]
fn who_is_gone_at_first_is_reported_at_once() {
    let (told, watch) = polling();
    told.say(10, Liveness::Leftovers, Finding::SessionLives(1));
    assert_eq!(watch.watch(&attempt(1), Role::Executor, &subject(10)), Watching::Gone);
    let deaths = watch.wait(None).unwrap();
    assert_eq!(deaths.len(), 1);
    assert_eq!(deaths[0].sighting.liveness, Liveness::Leftovers);
    told.say(10, dead().0, dead().1);
    let now = watch.sighting(&attempt(1), Role::Executor).unwrap();
    assert_eq!(now.liveness, dead().0, "what was left is looked for again");
}

#[test]
fn what_cannot_be_told_is_counted_and_tried_anew() {
    let (told, watch) = polling();
    told.say(10, Liveness::Unknown, Finding::OtherHost);
    let why = Unwatched::NotTold(Finding::OtherHost);
    assert_eq!(watch.watch(&attempt(1), Role::Executor, &subject(10)), Watching::NotWatched(why));
    assert_eq!(watch.sighting(&attempt(1), Role::Executor), None);
    assert_eq!(watch.counts().not_watched(), 1);
    told.said.lock().unwrap().clear();
    assert_eq!(watch.watch(&attempt(1), Role::Executor, &subject(10)), Watching::Polled);
    assert_eq!(watch.counts().not_watched(), 0);
}

#[test]
fn what_is_unknown_for_a_while_is_no_death() {
    let (told, watch) = polling();
    assert_eq!(watch.watch(&attempt(1), Role::Executor, &subject(10)), Watching::Polled);
    told.say(10, Liveness::Unknown, Finding::Unreadable("EMFILE".to_owned()));
    assert_eq!(watch.wait(Some(EVERY)), Ok(vec![]));
    told.say(10, dead().0, dead().1);
    assert_eq!(watch.wait(BOUND).unwrap().len(), 1);
}

#[test]
fn another_subject_and_a_settlement_end_a_registration() {
    let (told, watch) = polling();
    assert_eq!(watch.watch(&attempt(1), Role::Executor, &Subject::Pid(10)), Watching::Polled);
    assert_eq!(watch.watch(&attempt(1), Role::Executor, &subject(11)), Watching::Polled);
    assert_eq!(watch.watch(&attempt(2), Role::Executor, &subject(12)), Watching::Polled);
    assert_eq!(watch.watch(&attempt(2), Role::Monitor, &subject(12)), Watching::Polled);
    watch.unwatch(&attempt(2));
    watch.unwatch(&attempt(3));
    for pid in [10, 12] {
        told.say(pid, dead().0, dead().1);
    }
    assert_eq!(watch.wait(Some(EVERY)), Ok(vec![]));
    assert_eq!(watch.counts(), WatchCounts { polled: 1, ..WatchCounts::default() });
}

#[test]
fn a_wake_ends_one_wait() {
    let (told, watch) = polling();
    assert_eq!(watch.watch(&attempt(1), Role::Executor, &subject(10)), Watching::Polled);
    watch.wake();
    assert_eq!(watch.wait(None), Ok(vec![]));
    let woken = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| watch.wait(None));
        watch.wake();
        waiting.join().unwrap()
    });
    assert_eq!(woken, Ok(vec![]));
    let looks = told.looks.load(Ordering::Relaxed);
    assert!(looks >= 2, "it looks while it waits: {looks}");
}

#[test]
fn reasons_and_witnesses_have_words() {
    let reasons = [Unwatched::NoRoom, Unwatched::NoPidfds, Unwatched::NotTold(Finding::OtherHost)];
    assert_eq!(
        reasons.map(|why| why.to_string()),
        [
            "no file descriptor is left for it",
            "the kernel offers no pidfds here",
            "it cannot be told from here: it belongs to another host",
        ]
    );
    let witnesses = [Witness::ProcessTable, Witness::Pidfd];
    assert_eq!(witnesses.map(|witness| format!("{witness:>14}")), [" process table", "         pidfd"]);
}

#[test]
fn a_local_watch_is_one_that_works_here() {
    let probe = LocalProbe::builder().host("here").build().unwrap();
    let watch = local_watch(&probe, EVERY).unwrap();
    assert_eq!(watch.counts(), WatchCounts::default());
    watch.wake();
    assert_eq!(watch.wait(None), Ok(vec![]));
}

#[cfg(feature = "mock")]
#[test]
fn the_mock_watches_what_it_is_told_to() {
    let mut mock = MockWatch::new();
    mock.expect_watch().returning(|_, _, _| Watching::Held);
    mock.expect_wait().returning(|_| Ok(vec![]));
    let watch: &dyn Watch = &mock;
    assert_eq!(watch.watch(&attempt(1), Role::Executor, &subject(10)), Watching::Held);
    assert_eq!(watch.wait(None), Ok(vec![]));
}
