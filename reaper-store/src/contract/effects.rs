//! The outbox: leases that end by themselves, and answers that count only under the latest lease.

use std::time::Duration;

use reaper_core::{AdvanceOrder, Alert, Effect, TaskId, job::Key};

use super::{
    Subject,
    scene::{HOUR, Scene, alert, claim},
};
use crate::{
    Claim, Settlement,
    outbox::{Delivered, Delivery, EffectState, OutboxRow, Posted, Which},
};

fn post(scene: Scene<'_>, key: &str) {
    let posted = scene.store().post(key, &alert(key)).expect("the database works");
    assert_eq!(posted, Posted::New, "{key}");
}

fn lease(scene: Scene<'_>, which: &Which, limit: usize, time: Duration) -> Vec<Delivery> {
    scene.store().lease(which, limit, time).expect("the database works")
}

fn keys(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.key.as_str()).collect()
}

fn record(scene: Scene<'_>, delivery: &Delivery, delivered: &Delivered) -> bool {
    scene.store().record(delivery, delivered).expect("the database works")
}

fn undelivered(scene: Scene<'_>) -> Vec<OutboxRow> {
    scene.store().undelivered(100).expect("a read works")
}

fn done() -> Delivered {
    Delivered::Done { note: "sent".into() }
}

fn again(wait: Duration) -> Delivered {
    Delivered::Again { problem: "no answer".into(), wait }
}

fn dead() -> Delivered {
    Delivered::Dead { problem: "refused".into() }
}

/// What is posted comes back as it was, due at once, never tried.
pub fn what_is_posted_is_due(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let effects = [
        Effect::Alert(Alert {
            kind: "gate_undecided".into(), job: Some(7.into()), text: "a \"b\"\n'c' ж".into()
        }),
        Effect::Advance(AdvanceOrder {
            task: TaskId(Key::Text("t-1".into())),
            repo: "shop".into(),
            from: "review".into(),
            version: i64::MAX.into(),
            to: "done".into(),
            next_agent: None,
        }),
    ];
    for (n, effect) in effects.iter().enumerate() {
        assert_eq!(scene.store().post(&format!("k{n}"), effect).expect("the database works"), Posted::New);
    }
    for (row, effect) in undelivered(scene).iter().zip(&effects) {
        assert_eq!((&row.effect, row.state, row.tries, &row.note), (effect, EffectState::Pending, 0, &None));
        assert!(scene.is_about(row.created_at, Duration::ZERO) && scene.is_about(row.due_at, Duration::ZERO));
    }
    let leased = lease(scene, &Which::Due, 10, HOUR);
    assert_eq!(keys(&leased), ["k0", "k1"], "the oldest first");
    assert_eq!(
        leased.iter().map(|delivery| &delivery.effect).collect::<Vec<_>>(),
        effects.iter().collect::<Vec<_>>()
    );
    assert!(leased.iter().all(|delivery| delivery.tries == 1));
}

/// A key is stored once, whatever becomes of it, and the first effect stands.
pub fn a_key_is_posted_once(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    post(scene, "k");
    let post_again = || scene.store().post("k", &alert("other")).expect("the database works");
    assert_eq!(post_again(), Posted::Known);
    assert_eq!(undelivered(scene)[0].effect, alert("k"));
    let leased = lease(scene, &Which::Due, 10, HOUR);
    assert!(record(scene, &leased[0], &done()));
    assert_eq!(post_again(), Posted::Known, "delivered is not forgotten");
    assert_eq!(undelivered(scene), []);
}

/// What is leased is nobody else's until its time is over; what is delivered is never leased again.
pub fn a_lease_holds_and_a_delivery_ends_it(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    post(scene, "k");
    let leased = lease(scene, &Which::Due, 10, HOUR);
    assert_eq!(keys(&leased), ["k"]);
    assert_eq!(lease(scene, &Which::Due, 10, HOUR), []);
    assert_eq!(lease(scene, &Which::Keys(vec!["k".into()]), 10, HOUR), []);
    assert!(record(scene, &leased[0], &done()));
    assert_eq!(lease(scene, &Which::Due, 10, Duration::ZERO), []);
    assert_eq!(lease(scene, &Which::Keys(vec!["k".into()]), 10, Duration::ZERO), []);
}

/// Advances can be leased alone, whatever else is due.
pub fn advances_are_leased_alone(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    let advance = |task: i64| {
        Effect::Advance(AdvanceOrder {
            task: TaskId(Key::Int(task)),
            repo: "shop".into(),
            from: "review".into(),
            version: 1.into(),
            to: "done".into(),
            next_agent: None,
        })
    };
    post(scene, "{\"advance\":");
    for (key, task) in [("c", 1), ("a", 2), ("b", 3)] {
        post(scene, &format!("alert {key}"));
        assert_eq!(scene.store().post(key, &advance(task)).expect("the database works"), Posted::New);
    }
    assert_eq!(keys(&lease(scene, &Which::Advances, 2, HOUR)), ["c", "a"], "the oldest first");
    let last = lease(scene, &Which::Advances, 2, HOUR);
    assert_eq!(keys(&last), ["b"]);
    assert_eq!(last[0].effect, advance(3));
    assert_eq!(lease(scene, &Which::Advances, 2, HOUR), []);
    let rest = lease(scene, &Which::Due, 10, HOUR);
    assert_eq!(keys(&rest), ["{\"advance\":", "alert c", "alert a", "alert b"]);
    assert!(record(scene, &last[0], &again(HOUR)));
    assert_eq!(lease(scene, &Which::Advances, 2, HOUR), [], "it waits for an hour");
}

/// At most so many are leased, and the rest by whoever comes next.
pub fn leases_are_bounded(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for key in ["c", "a", "b"] {
        post(scene, key);
    }
    assert_eq!(keys(&lease(scene, &Which::Due, 2, HOUR)), ["c", "a"]);
    assert_eq!(keys(&lease(scene, &Which::Due, 2, HOUR)), ["b"]);
    assert_eq!(lease(scene, &Which::Due, 2, HOUR), []);
}

/// A lease whose time is over is taken over, counted as another try; the late answer then changes nothing.
pub fn a_lease_ends_by_itself(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for (answer, key) in [(done(), "k1"), (again(HOUR), "k2"), (dead(), "k3")] {
        post(scene, key);
        let which = Which::Keys(vec![key.into()]);
        let first = lease(scene, &which, 1, Duration::ZERO).remove(0);
        let second = lease(scene, &which, 1, HOUR).remove(0);
        assert_ne!(first.token, second.token);
        assert_eq!((first.tries, second.tries), (1, 2));
        let before = scene.dump();
        assert!(!record(scene, &first, &answer), "the lease was taken over");
        assert_eq!(scene.dump(), before, "a late answer changes nothing");
        assert!(record(scene, &second, &done()));
        assert!(!record(scene, &first, &answer));
    }
    assert_eq!(undelivered(scene), []);
}

/// An answer that comes after the lease's time counts as long as nobody has taken it over.
pub fn a_late_answer_counts_where_nobody_came(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    post(scene, "k");
    let leased = lease(scene, &Which::Due, 1, Duration::ZERO);
    assert!(record(scene, &leased[0], &done()));
    assert_eq!(undelivered(scene), []);
}

/// A delivery that failed is tried again after its wait, with its problem kept.
pub fn a_failed_delivery_waits(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    post(scene, "k");
    let first = lease(scene, &Which::Due, 1, HOUR).remove(0);
    assert!(record(scene, &first, &again(Duration::ZERO)));
    let second = lease(scene, &Which::Due, 1, HOUR).remove(0);
    assert_eq!(second.tries, 2);
    assert!(record(scene, &second, &again(HOUR)));
    assert_eq!(lease(scene, &Which::Due, 1, HOUR), [], "it waits for an hour");
    assert_eq!(lease(scene, &Which::Keys(vec!["k".into()]), 1, HOUR), [], "for whoever names it, too");
    let row = undelivered(scene).remove(0);
    assert_eq!((row.state, row.tries, row.note.as_deref()), (EffectState::Pending, 2, Some("no answer")));
    let wait = row.due_at.signed_duration_since(scene.now()).num_seconds();
    assert!(wait.abs_diff(3600) <= super::SLACK.as_secs(), "{wait}");
}

/// What is given up is never leased again, and stays to be seen.
pub fn a_dead_delivery_is_kept(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    post(scene, "k");
    let leased = lease(scene, &Which::Due, 1, HOUR).remove(0);
    assert!(record(scene, &leased, &dead()));
    assert_eq!(lease(scene, &Which::Due, 1, HOUR), []);
    let row = undelivered(scene).remove(0);
    assert_eq!((row.state, row.note.as_deref()), (EffectState::Dead, Some("refused")));
    assert_eq!(scene.store().post("k", &alert("k")).expect("the database works"), Posted::Known);
}

/// Whoever won a claim leases its own effects by key, and no other.
pub fn effects_are_leased_by_key(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    post(scene, "other");
    let read = scene.running();
    let effect = alert("given up");
    let key = reaper_core::effect::claim_key(&read.attempt, &effect);
    let _ = scene.win(&Claim { effect: Some(effect.clone()), ..claim(&read, Settlement::Fail) });
    let which = Which::Keys(vec![key.clone(), "unknown".into()]);
    let leased = lease(scene, &which, 10, HOUR);
    assert_eq!(keys(&leased), [&key]);
    assert_eq!(leased[0].effect, effect);
    assert_eq!(lease(scene, &Which::Keys(Vec::new()), 10, HOUR), []);
    assert_eq!(keys(&lease(scene, &Which::Due, 10, HOUR)), ["other"]);
}

/// A list of what is undelivered is bounded, the oldest first.
pub fn the_undelivered_are_listed_oldest_first(subject: &dyn Subject) {
    let scene = Scene::of(subject);
    for key in ["c", "a", "b"] {
        post(scene, key);
    }
    let two = scene.store().undelivered(2).expect("a read works");
    assert_eq!(two.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["c", "a"]);
}
