//! The nodes: a small table that every tick reads whole.

use std::time::Duration;

use diesel::PgConnection;
use reaper_core::{Node, NodeId, NodeState};

use super::{
    PostgresStore,
    claims::{Note, note_all},
    fault::Fault,
    sql,
    statement::{RawRow, Statement, Value},
};
use crate::{
    Nodes, StoreError,
    claims::{Actor, EventId},
    nodes::{Beaten, Boots, DECLARED_TTL, NodeBeat, NodeRow},
    row::instant,
};

impl Nodes for PostgresStore {
    fn beat_node(&self, beat: &NodeBeat) -> Result<Beaten, StoreError> {
        // The schema is not looked at: a beat is true on a newer one, too.
        let beaten = self.pool.write(|session| {
            let statement = of(sql::BEAT_NODE, &beat.id)
                .with([("ttl", signed_millis(beat.ttl).into()), ("reaper", (&beat.reaper).into())]);
            Ok(statement.run(session.connection)?)
        });
        Ok(match beaten.map_err(Self::failure)? {
            0 => Beaten::DeclaredDead,
            _ => Beaten::Up,
        })
    }

    fn retire_node(&self, id: &NodeId) -> Result<(), StoreError> {
        self.write(|connection| Ok(of(sql::RETIRE_NODE, id).run(connection).map(drop)?))
    }

    fn revive_node(&self, id: &NodeId) -> Result<bool, StoreError> {
        self.write(|connection| {
            if of(sql::REVIVE_NODE, id).run(connection)? == 0 {
                return Ok(false);
            }
            let from = Some(NodeState::DeclaredDead.as_str());
            note(connection, id, Actor::Reaper, "revive", from, NodeState::Up)?;
            Ok(true)
        })
    }

    fn declare_dead(&self, host: &str, boots: &Boots) -> Result<Vec<NodeId>, StoreError> {
        self.write(|connection| {
            let boots = match boots {
                Boots::One(boot) => vec![boot.clone()],
                Boots::All => {
                    let rows = Statement::new(sql::BOOTS, [("host", host.into())]).rows(connection)?;
                    rows.into_iter().filter_map(|mut row| row.next_text()).collect()
                }
            };
            let mut declared = Vec::new();
            for boot in boots {
                let id = NodeId { host: host.to_owned(), boot };
                let before = of(sql::NODE_STATE, &id).first_row(connection)?.and_then(|mut row| row.next_text());
                if before.as_deref() == Some(NodeState::DeclaredDead.as_str()) {
                    continue;
                }
                let ttl = Value::from(signed_millis(DECLARED_TTL));
                of(sql::DECLARE_NODE, &id).with([("ttl", ttl)]).run(connection)?;
                note(connection, &id, Actor::Person, "declare_dead", before.as_deref(), NodeState::DeclaredDead)?;
                declared.push(id);
            }
            Ok(declared)
        })
    }

    fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        self.read(|connection| {
            let rows = Statement::new(sql::NODES, []).rows(connection)?;
            rows.into_iter().map(node).collect()
        })
    }
}

fn of<'v>(sql: &'static str, id: &'v NodeId) -> Statement<'v> {
    Statement::new(sql, [("host", (&id.host).into()), ("boot", (&id.boot).into())])
}

fn signed_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn note(
    connection: &mut PgConnection,
    id: &NodeId,
    by: Actor,
    action: &str,
    from: Option<&str>,
    to: NodeState,
) -> Result<(), Fault> {
    let event = Note {
        id: EventId::draw().0,
        job: None,
        fence: None,
        actor: by.as_str(),
        action,
        rule: "",
        reason: &id.to_string(),
        from: from.unwrap_or_default(),
        to: to.as_str(),
        evidence: "null".into(),
    };
    note_all(connection, &[event])
}

fn node(mut row: RawRow) -> Result<NodeRow, Fault> {
    let corrupt = |problem: &str| StoreError::Corrupt { what: "node", problem: problem.into() };
    let host = row.next_text().ok_or_else(|| corrupt("the host is no text"))?;
    let boot = row.next_text().ok_or_else(|| corrupt("the boot is no text"))?;
    let word = row.next_text().unwrap_or_default();
    let state = NodeState::ALL.into_iter().find(|state| state.as_str() == word);
    let state = state.ok_or_else(|| corrupt(&format!("{word:?} is no state")))?;
    let beat = row.next_int().ok_or_else(|| corrupt("the beat is no number"))?;
    let beat_at = row.next_int().and_then(instant).ok_or_else(|| corrupt("the beat's time is no instant"))?;
    let ttl = row.next_int().and_then(|ttl| u64::try_from(ttl).ok()).map(Duration::from_millis);
    let ttl = ttl.ok_or_else(|| corrupt("the time to live is no duration"))?;
    let node = Node { id: NodeId { host, boot }, state, beat, ttl };
    Ok(NodeRow { node, beat_at, reaper: row.next_text().unwrap_or_default() })
}
