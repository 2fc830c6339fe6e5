//! Advances beside alerts whose receiver is slow, or does not answer.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use reaper_core::{AdvanceOrder, Alert, Effect, TaskId};
use reaper_gate::{Notify, notify::NotifyError};
use reaper_runner::{Courier, Deliveries};
use reaper_store::{MemoryStore, Outbox as _, outbox::Which};

use crate::world::World;

const ALERTS: usize = 40;

/// Posts an advance in its first call: as a pass does while a call takes its time.
#[derive(Debug)]
struct SlowChat {
    store: Arc<MemoryStore>,
    answer: Result<(), NotifyError>,
    /// What was done in each call, and how many tasks had moved on before it.
    advanced: Arc<Mutex<Vec<TaskId>>>,
    calls: Mutex<Vec<(String, usize)>>,
}

impl Notify for SlowChat {
    fn notify(&self, key: &str, _: &Alert) -> Result<(), NotifyError> {
        let mut calls = self.calls.lock().unwrap();
        if calls.is_empty() {
            post_advance(&self.store, 2);
        }
        calls.push((key.to_owned(), self.advanced.lock().unwrap().len()));
        self.answer.clone()
    }
}

fn post_advance(store: &MemoryStore, task: i64) {
    let order = AdvanceOrder {
        task: task.into(),
        repo: "shop".into(),
        from: "architecture".into(),
        version: 1.into(),
        to: "development".into(),
        next_agent: None,
    };
    let _posted = store.post(&format!("advance {task}"), &Effect::Advance(order)).unwrap();
}

/// Forty alerts and then an advance are due; another advance is stored while the first alert is on its way.
fn drained(answer: Result<(), NotifyError>, limit: usize) -> (World, Arc<SlowChat>, Deliveries) {
    let world = World::new();
    for n in 0..ALERTS {
        let alert = Alert { kind: "job_failed".into(), job: None, text: "it failed".into() };
        let _posted = world.store.post(&format!("alert {n:02}"), &Effect::Alert(alert)).unwrap();
    }
    post_advance(&world.store, 1);
    let chat = Arc::new(SlowChat {
        store: Arc::clone(&world.store),
        answer,
        advanced: Arc::clone(&world.advanced),
        calls: Mutex::default(),
    });
    let deliveries = courier(&world, &chat).drain(&Which::Due, limit).unwrap();
    (world, chat, deliveries)
}

fn courier(world: &World, chat: &Arc<SlowChat>) -> Courier {
    let parts = world.parts();
    Courier {
        store: parts.store,
        advance: parts.advance,
        notify: Arc::<SlowChat>::clone(chat),
        lease: Duration::from_secs(60),
        tries: 3,
    }
}

#[test]
fn f25_an_advance_waits_for_one_alert_at_most_however_many_there_are() {
    let (world, chat, deliveries) = drained(Ok(()), 1000);
    let calls = chat.calls.lock().unwrap().clone();
    assert_eq!((calls[0].1, calls[1].1), (1, 2), "what is due comes first, and so does what comes meanwhile");
    assert_eq!(calls.len(), ALERTS, "and all are told");
    assert!(calls.iter().map(|call| &call.0).is_sorted(), "the oldest first");
    assert_eq!(*world.advanced.lock().unwrap(), [1.into(), 2.into()]);
    assert_eq!(deliveries.done.len(), ALERTS + 2);
}

#[test]
fn f25_where_an_alert_is_not_accepted_the_others_wait_untried_and_advances_go_on() {
    let down = || NotifyError::Again("timed out".into());
    for answer in [down(), NotifyError::Later { wait: Duration::from_secs(9), problem: "slowly".into() }] {
        let (world, chat, deliveries) = drained(Err(answer), 1000);
        assert_eq!(chat.calls.lock().unwrap().len(), 1, "it is not asked forty times");
        assert_eq!(*world.advanced.lock().unwrap(), [1.into(), 2.into()]);
        assert_eq!((deliveries.done.len(), deliveries.again.len(), deliveries.dead.len()), (2, 1, 0));
        let tries: Vec<_> = world.store.undelivered(100).unwrap().iter().map(|row| row.tries).collect();
        assert_eq!((tries.len(), tries.iter().sum::<u32>()), (ALERTS, 1), "the others have all their tries");
        // The next drain tries the next one.
        let _drained = courier(&world, &chat).drain(&Which::Due, 1000).unwrap();
        assert_eq!(chat.calls.lock().unwrap()[1].0, "alert 01");
    }
}

#[test]
fn one_that_is_refused_hinders_no_other() {
    let (_world, chat, deliveries) = drained(Err(NotifyError::Refused("no such chat".into())), 1000);
    assert_eq!(chat.calls.lock().unwrap().len(), ALERTS);
    assert_eq!((deliveries.done.len(), deliveries.dead.len()), (2, ALERTS));
}

#[test]
fn a_drain_is_bounded() {
    let (_world, chat, deliveries) = drained(Ok(()), 3);
    assert_eq!((deliveries.done.len(), chat.calls.lock().unwrap().len()), (3, 1));
}
