//! What a node's silence says, and when.

use std::vec;

use super::*;

fn id(host: &str, boot: &str) -> NodeId {
    NodeId { host: host.into(), boot: boot.into() }
}

fn node(host: &str, boot: &str, beat: i64) -> Node {
    Node { id: id(host, boot), state: NodeState::Up, beat, ttl: Duration::from_secs(60) }
}

fn process(host: &str, boot: &str) -> ProcessIdentity {
    ProcessIdentity {
        host: host.into(),
        boot: boot.into(),
        pid_namespace: Some(1),
        pid: 7,
        start_time: Some(9),
        inode: None,
    }
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What is known after these reads of one node's counter, ten seconds apart.
fn after(beats: &[i64]) -> NodeObservations {
    let mut nodes = NodeObservations::default();
    for (at, beat) in (0..).step_by(10).zip(beats) {
        nodes.read(vec![node("a", "1", *beat)], secs(at));
    }
    nodes
}

fn seen() -> Sighting {
    Sighting::new(Liveness::Unknown, Finding::OtherHost)
}

#[test]
fn a_process_is_of_the_boot_that_it_runs_in() {
    let process = process("a", "1");
    assert_eq!(NodeId::of(&process), id("a", "1"));
    assert!(id("a", "1").is_of(&process));
    assert!(!id("a", "2").is_of(&process) && !id("b", "1").is_of(&process));
    let shown = alloc::format!("{process}");
    assert!(shown.starts_with(&id("a", "1").prefix()), "{shown}");
}

/// They are stored, and shown.
#[test]
fn each_state_has_its_word() {
    let words = NodeState::ALL.map(|state| alloc::format!("{state}"));
    assert_eq!(words, ["up", "retired", "declared_dead"]);
    assert_eq!(NodeState::ALL.map(NodeState::as_str).as_slice(), words);
}

#[test]
fn silence_takes_three_reads_and_the_whole_time_to_live() {
    assert_eq!(after(&[5]).standing(&id("a", "1")), Standing::Beating(Moved::NotYet));
    assert_eq!(after(&[5, 6]).standing(&id("a", "1")), Standing::Beating(Moved::Seen));
    assert_eq!(after(&[5; 6]).standing(&id("a", "1")), Standing::Beating(Moved::NotYet), "50 s of 60");
    assert_eq!(after(&[5; 7]).standing(&id("a", "1")), Standing::Silent, "60 s");
    let mut nodes = NodeObservations::default();
    nodes.read(vec![node("a", "1", 5)], secs(0));
    nodes.read(vec![node("a", "1", 5)], secs(500));
    assert_eq!(nodes.standing(&id("a", "1")), Standing::Beating(Moved::NotYet), "two reads are not enough");
    nodes.read(vec![node("a", "1", 5)], secs(501));
    assert_eq!(nodes.standing(&id("a", "1")), Standing::Silent);
}

#[test]
fn any_change_of_the_counter_is_a_beat_a_smaller_count_too() {
    let nodes = after(&[5, 5, 5, 5, 5, 5, 5, 2]);
    assert_eq!(nodes.standing(&id("a", "1")), Standing::Beating(Moved::Seen));
}

#[test]
fn silence_begins_anew_after_a_beat_and_after_a_failure() {
    let mut nodes = after(&[5, 5, 5, 5, 6, 6, 6]);
    assert_eq!(nodes.standing(&id("a", "1")), Standing::Beating(Moved::Seen));
    nodes = after(&[5; 7]);
    nodes.clear();
    nodes.read(vec![node("a", "1", 5)], secs(80));
    assert_eq!(nodes.standing(&id("a", "1")), Standing::Beating(Moved::NotYet));
}

#[test]
fn what_is_recorded_outranks_silence() {
    let mut nodes = after(&[5; 7]);
    for (state, standing) in
        [(NodeState::Retired, Standing::Retired), (NodeState::DeclaredDead, Standing::DeclaredDead)]
    {
        nodes.read(vec![Node { state, ..node("a", "1", 5) }], secs(70));
        assert_eq!(nodes.standing(&id("a", "1")), standing);
    }
    nodes.read(vec![], secs(80));
    assert_eq!(nodes.standing(&id("a", "1")), Standing::NotKnown, "it is recorded no more");
}

#[test]
fn only_what_is_bound_dies_with_its_nodes_silence() {
    let (here, silent) = (id("b", "1"), after(&[5; 7]));
    let process = process("a", "1");
    let lost = Sighting::new(Liveness::Dead(Certainty::Unverified), Finding::HostLost);
    assert_eq!(silent.judge(&here, &process, Bond::NodeBound, seen()), lost);
    assert_eq!(silent.judge(&here, &process, Bond::Free, seen()), seen());
    let elsewhere = Sighting::new(Liveness::Elsewhere, Finding::OtherHost);
    for bond in [Bond::NodeBound, Bond::Free] {
        assert_eq!(after(&[5]).judge(&here, &process, bond, seen()), elsewhere);
    }
    assert_eq!(NodeObservations::default().judge(&here, &process, Bond::NodeBound, seen()), seen());
    let lost = Lost { host: "a".into(), prefix: "a/1/".into(), attempts: LostAttempts::NodeBound };
    assert_eq!(silent.lost(&here), [lost]);
    assert_eq!(after(&[5]).lost(&here), []);
}

#[test]
fn a_persons_word_goes_for_every_attempt_and_at_once() {
    let mut nodes = NodeObservations::default();
    nodes.read(vec![Node { state: NodeState::DeclaredDead, ..node("a", "1", 5) }], secs(0));
    let dead = Sighting::new(Liveness::Dead(Certainty::Verified), Finding::DeclaredDead);
    for bond in [Bond::NodeBound, Bond::Free] {
        assert_eq!(nodes.judge(&id("b", "1"), &process("a", "1"), bond, seen()), dead);
    }
    let lost = Lost { host: "a".into(), prefix: "a/1/".into(), attempts: LostAttempts::All };
    assert_eq!(nodes.lost(&id("b", "1")), [lost]);
    assert_eq!(nodes.judge(&id("b", "1"), &process("a", "2"), Bond::Free, seen()), seen(), "of that boot alone");
}

#[test]
fn on_ones_own_node_the_kernel_has_the_word() {
    let mut nodes = NodeObservations::default();
    nodes.read(vec![Node { state: NodeState::DeclaredDead, ..node("a", "1", 5) }], secs(0));
    let alive = Sighting::new(Liveness::Alive(Certainty::Verified), Finding::Running);
    let here = id("a", "1");
    assert_eq!(nodes.judge(&here, &process("a", "1"), Bond::NodeBound, alive.clone()), alive);
    assert_eq!(nodes.lost(&here), []);
}

#[test]
fn another_boot_of_this_host_is_dead_unless_it_still_beats() {
    let rebooted = Sighting::new(Liveness::Dead(Certainty::Verified), Finding::Rebooted);
    let shared = Sighting::new(Liveness::Unknown, Finding::HostShared);
    let (here, process) = (id("a", "2"), process("a", "1"));
    let judge = |nodes: &NodeObservations| nodes.judge(&here, &process, Bond::Free, rebooted.clone());
    assert_eq!(judge(&NodeObservations::default()), rebooted, "nothing is known of a node there");
    assert_eq!(judge(&after(&[5])), shared);
    assert_eq!(after(&[5]).doubles(&here), [], "it may have died before it was read");
    assert_eq!(judge(&after(&[5, 6])), shared);
    assert_eq!(after(&[5, 6]).doubles(&here), [id("a", "1")]);
    assert_eq!(judge(&after(&[5; 7])), rebooted);
    for state in [NodeState::Retired, NodeState::DeclaredDead] {
        let mut nodes = NodeObservations::default();
        nodes.read(vec![Node { state, ..node("a", "1", 5) }], secs(0));
        assert_eq!(judge(&nodes), rebooted);
    }
}

#[test]
fn a_time_to_live_holds_three_beats() {
    let timing = |interval, ttl| NodeTiming { interval: secs(interval), ttl: secs(ttl) };
    assert_eq!(timing(10, 30).validate(), Ok(()));
    assert_eq!(timing(10, 29).validate(), Err(TtlTooShort { ttl: secs(29), interval: secs(10) }));
    assert!(timing(0, 0).validate().is_err());
    assert_eq!(NodeTiming::default().validate(), Ok(()));
}
