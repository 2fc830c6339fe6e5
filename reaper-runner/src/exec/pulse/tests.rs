//! What a monitor may believe of its own node, with the store in memory.

use reaper_store::{
    MemoryStore, Nodes as _,
    nodes::{Beaten, Boots, NodeBeat},
};

use super::*;

const TTL: Duration = Duration::from_secs(60);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

struct Node {
    store: MemoryStore,
    beat: NodeBeat,
    pulse: Pulse,
}

impl Node {
    fn new() -> Self {
        let id = NodeId { host: "h".into(), boot: "b".into() };
        let store = MemoryStore::new("2026-05-04T10:00:00Z".parse().unwrap());
        let beat = NodeBeat { id: id.clone(), ttl: TTL, reaper: "r".into() };
        Self { store, beat, pulse: Pulse::new(id) }
    }

    fn beats(&self) -> Beaten {
        self.store.beat_node(&self.beat).unwrap()
    }

    fn read(&self, seconds: u64) -> Option<Duration> {
        self.pulse.read(&self.store, at(seconds)).unwrap();
        self.pulse.until()
    }
}

#[test]
fn a_count_that_was_not_seen_to_move_confirms_nothing() {
    let node = Node::new();
    assert_eq!(node.read(1), None, "never heard of");
    assert_eq!(node.beats(), Beaten::Up);
    assert_eq!(node.read(2), None, "it may have stood there for long");
    assert_eq!(node.read(9), None);
}

#[test]
fn a_move_counts_from_the_latest_read_that_did_not_see_it() {
    let node = Node::new();
    assert_eq!(node.beats(), Beaten::Up);
    assert_eq!((node.read(1), node.read(7)), (None, None));
    assert_eq!(node.beats(), Beaten::Up);
    assert_eq!(node.read(12), Some(at(67)), "it was written after the read at 7");
    assert_eq!(node.read(50), Some(at(67)), "silence adds nothing");
    assert_eq!(node.beats(), Beaten::Up);
    assert_eq!(node.read(51), Some(at(110)));
}

#[test]
fn one_that_was_retired_is_safe_and_must_beat_anew() {
    let node = Node::new();
    assert_eq!(node.beats(), Beaten::Up);
    node.store.retire_node(&node.beat.id).unwrap();
    assert_eq!(node.read(5), Some(at(65)));
    assert_eq!(node.beats(), Beaten::Up);
    assert_eq!(node.read(10), Some(at(65)), "it may have come back right after the read at 5");
    assert_eq!(node.beats(), Beaten::Up);
    assert_eq!(node.read(15), Some(at(70)));
}

#[test]
fn one_that_was_declared_dead_is_confirmed_no_more() {
    let node = Node::new();
    assert_eq!(node.beats(), Beaten::Up);
    assert_eq!(node.read(1), None);
    assert_eq!(node.beats(), Beaten::Up);
    assert_eq!(node.read(2), Some(at(61)));
    node.store.declare_dead("h", &Boots::All).unwrap();
    assert_eq!(node.read(3), None);
}
