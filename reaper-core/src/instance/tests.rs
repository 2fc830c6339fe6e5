//! Who is superseded, and who is not.

use alloc::borrow::ToOwned as _;

use proptest::prelude::*;

use super::*;

fn place(pid_namespace: u64) -> Place {
    Place { host: "a".to_owned(), boot: "1".to_owned(), pid_namespace }
}

fn process(pid_namespace: impl Into<Option<u64>>) -> ProcessIdentity {
    ProcessIdentity {
        host: "a".to_owned(),
        boot: "1".to_owned(),
        pid_namespace: pid_namespace.into(),
        pid: 7,
        start_time: Some(30),
        inode: Some(2),
    }
}

fn started(start_time: impl Into<Option<u64>>) -> ProcessIdentity {
    ProcessIdentity { start_time: start_time.into(), ..process(5) }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_timestamp(second, 0).unwrap()
}

fn incarnation(superseded_at: Option<i64>) -> Incarnation {
    let superseded_at = superseded_at.map(at);
    Incarnation { instance: "web".to_owned(), place: place(5), at: at(10), superseded_at, seen_start: Some(30) }
}

fn seen() -> Sighting {
    Sighting::new(Liveness::Unknown, Finding::OtherNamespace)
}

fn dead() -> Sighting {
    Sighting::new(Liveness::Dead(Certainty::Verified), Finding::Superseded)
}

#[test]
fn what_ran_in_a_superseded_incarnation_is_dead() {
    let before = incarnation(Some(20));
    assert_eq!(before.judge(None, &started(29), seen()), dead());
    assert_eq!(before.judge(Some(&place(6)), &started(30), seen()), dead());
}

#[test]
fn the_latest_one_says_nothing() {
    assert_eq!(incarnation(None).judge(Some(&place(6)), &process(5), seen()), seen());
}

#[test]
fn what_started_later_or_nobody_knows_when_may_be_another_containers() {
    let before = incarnation(Some(20));
    assert_eq!(before.judge(Some(&place(6)), &started(31), seen()), seen());
    assert_eq!(before.judge(Some(&place(6)), &started(None), seen()), seen());
    let blind = Incarnation { seen_start: None, ..before };
    assert_eq!(blind.judge(Some(&place(6)), &started(0), seen()), seen());
}

#[test]
fn what_lives_at_the_place_itself_is_noted_once_the_latest_of_them() {
    let alive = Sighting::new(Liveness::Alive(Certainty::Verified), Finding::Running);
    let mut known = Incarnations::new(Some(place(5)), [incarnation(None)].to_vec());
    assert_eq!(known.to_note(&started(30), &alive), None, "it is noted");
    assert_eq!(known.to_note(&started(31), &alive), Some(31));
    assert_eq!(known.to_note(&started(None), &alive), None);
    assert_eq!(known.to_note(&started(31), &seen()), None, "nobody has seen it");
    assert_eq!(known.to_note(&started(31), &dead()), None);
    assert_eq!(known.to_note(&ProcessIdentity { start_time: Some(31), ..process(6) }, &alive), None);
    known.noted(31);
    known.noted(12);
    assert_eq!(known.to_note(&started(31), &alive), None);
    let nowhere = Incarnations::new(None, [incarnation(None)].to_vec());
    assert_eq!(nowhere.to_note(&started(31), &alive), None);
}

#[test]
fn at_the_place_itself_the_kernels_word_counts() {
    assert_eq!(incarnation(Some(20)).judge(Some(&place(5)), &process(5), seen()), seen());
}

#[test]
fn who_was_superseded_himself_knows_it_and_looks_for_nothing_there() {
    let all = [incarnation(Some(20)), Incarnation { place: place(6), ..incarnation(Some(30)) }, incarnation(None)];
    let known = Incarnations::new(Some(place(6)), all.to_vec());
    assert_eq!(known.own().map(|own| &own.place), Some(&place(6)));
    let prefixes: Vec<_> = known.lost().into_iter().map(|lost| lost.prefix).collect();
    assert_eq!(prefixes, ["a/1/5/"]);
    assert_eq!(known.judge(&process(5), seen()), dead());
    assert_eq!(known.judge(&process(6), seen()), seen());
    assert_eq!(Incarnations::new(Some(place(7)), all.to_vec()).own(), None);
}

#[test]
fn its_identities_begin_with_the_place() {
    let text = alloc::string::ToString::to_string(&process(5));
    assert!(text.starts_with(&place(5).prefix()), "{text}");
    assert!(!text.starts_with(&Place { boot: "11".to_owned(), ..place(5) }.prefix()));
}

proptest! {
    /// Another host, boot or namespace is another container, whatever is recorded of this one.
    #[test]
    fn another_place_is_never_judged(host in "[ab]", boot in "[12]", namespace in proptest::option::of(4..7_u64)) {
        let other = ProcessIdentity { host, boot, ..process(namespace) };
        prop_assume!(!place(5).is_of(&other));
        prop_assert_eq!(incarnation(Some(20)).judge(Some(&place(6)), &other, seen()), seen());
    }
}
