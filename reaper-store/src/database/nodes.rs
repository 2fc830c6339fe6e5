//! The nodes: a small table that every tick reads whole.

use reaper_core::{NodeId, NodeState};

use super::{
    Database, Driver as _, Statement, Texts, Value,
    books::{Note, node, node_state},
    values::bounded_millis,
};
use crate::{
    Nodes, StoreError,
    nodes::{Beaten, Boots, DECLARED_TTL, NodeBeat, NodeRow},
};

impl<S: Database> Nodes for S {
    fn beat_node(&self, beat: &NodeBeat) -> Result<Beaten, StoreError> {
        // The schema is not looked at: a beat is true on a newer one, too.
        let statement = of(S::Driver::BEAT_NODE, &beat.id)
            .with([("ttl", bounded_millis(beat.ttl).into()), ("reaper", (&beat.reaper).into())]);
        Ok(match self.write_as_is(|connection| Ok(statement.run(connection)?))? {
            0 => Beaten::DeclaredDead,
            _ => Beaten::Up,
        })
    }

    fn retire_node(&self, id: &NodeId) -> Result<(), StoreError> {
        self.write(|connection| Ok(of(S::Driver::RETIRE_NODE, id).run(connection).map(drop)?))
    }

    fn revive_node(&self, id: &NodeId) -> Result<bool, StoreError> {
        self.write(|connection| {
            if of(S::Driver::REVIVE_NODE, id).run(connection)? == 0 {
                return Ok(false);
            }
            connection.note_all(&[Note::of_revival(id)])?;
            Ok(true)
        })
    }

    fn declare_dead(&self, host: &str, boots: &Boots) -> Result<Vec<NodeId>, StoreError> {
        self.write(|connection| {
            let boots = match boots {
                Boots::One(boot) => vec![boot.clone()],
                Boots::All => {
                    let rows = Statement::new(S::Driver::BOOTS, [("host", host.into())]).rows(connection)?;
                    rows.into_iter().filter_map(|mut row| row.next_text()).collect()
                }
            };
            let mut declared = Vec::new();
            for boot in boots {
                let id = NodeId { host: host.to_owned(), boot };
                let stored = of(S::Driver::NODE_STATE, &id).first_row(connection)?;
                let before = node_state(stored.and_then(|mut row| row.next_text()))?;
                if before == Some(NodeState::DeclaredDead) {
                    continue;
                }
                let ttl = Value::from(bounded_millis(DECLARED_TTL));
                of(S::Driver::DECLARE_NODE, &id).with([("ttl", ttl)]).run(connection)?;
                connection.note_all(&[Note::of_declaration(&id, before)])?;
                declared.push(id);
            }
            Ok(declared)
        })
    }

    fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        self.read(|connection| {
            let rows = Statement::new(S::Driver::NODES, []).rows(connection)?;
            Ok(rows.into_iter().map(node).collect::<Result<_, _>>()?)
        })
    }
}

fn of<'v>(sql: &'static str, id: &'v NodeId) -> Statement<'v> {
    Statement::new(sql, [("host", (&id.host).into()), ("boot", (&id.boot).into())])
}
