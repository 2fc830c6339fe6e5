//! Nodes, where instants are set by plain SQL.

use reaper_core::NodeId;
use reaper_store::{
    Facts as _, History as _, Nodes as _,
    nodes::{Beaten, Boots, NodeBeat},
};

use crate::database::Database;

/// A node that was declared dead is told so when it comes back, for as long as the declaration is remembered.
#[test]
fn a_declared_node_is_pruned_with_its_declaration() {
    let database = Database::created();
    let node = NodeId { host: "there".into(), boot: "1".into() };
    let beat = NodeBeat { id: node.clone(), ttl: std::time::Duration::from_secs(60), reaper: "there:1".into() };
    assert_eq!(database.store.beat_node(&beat).unwrap(), Beaten::Up);
    assert_eq!(database.store.declare_dead("there", &Boots::All).unwrap(), [node]);
    database.program.run("UPDATE reaper_nodes SET beat_at = 0");
    let hour_ago = database.store.now().unwrap() - chrono::TimeDelta::hours(1);
    assert_eq!(database.store.prune(hour_ago).unwrap(), 0);
    assert_eq!(database.store.beat_node(&beat).unwrap(), Beaten::DeclaredDead);
    database.program.run("UPDATE reaper_events SET at = 0");
    assert_eq!(database.store.prune(hour_ago).unwrap(), 2, "the event and the node");
    assert_eq!(database.store.nodes().unwrap(), []);
}
