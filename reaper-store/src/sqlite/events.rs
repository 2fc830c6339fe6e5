//! Events as they are written: many in one statement.

use std::sync::Arc;

use diesel::SqliteConnection;

use super::sql;
use crate::database::{Fault, Form, Named, Statement, books::Note};

/// Writes events, in their order.
pub(super) fn note_all(connection: &mut SqliteConnection, notes: &[Note<'_>]) -> Result<(), Fault> {
    let mut sets = notes.chunks_exact(sql::EVENTS_AT_ONCE);
    let mut form = None;
    for set in &mut sets {
        let values: Vec<_> =
            set.iter().zip(sql::EVENTS_NAMES).flat_map(|(note, names)| values(note, names)).collect();
        let form = form.get_or_insert_with(|| Arc::new(Form::new(sql::EVENTS, &values)));
        Statement::of(form, values).run(connection)?;
    }
    let mut form = None;
    for note in sets.remainder() {
        let values = Vec::from(values(note, sql::EVENT_NAMES));
        let form = form.get_or_insert_with(|| Arc::new(Form::new(sql::EVENT, &values)));
        Statement::of(form, values).run(connection)?;
    }
    Ok(())
}

/// The values of one event's row, under these names.
fn values<'n>(note: &'n Note<'_>, names: [&'static str; 14]) -> [Named<'n>; 14] {
    let [id, job, fence, actor, action, rule, reason, from, to, evidence, agent, signature, run, young] = names;
    [
        (id, note.id.0.into()),
        (job, note.job.into()),
        (fence, note.fence.into()),
        (actor, note.actor.as_str().into()),
        (action, note.action.into()),
        (rule, note.rule.into()),
        (reason, note.reason.as_ref().into()),
        (from, note.from.into()),
        (to, note.to.into()),
        (evidence, (&note.evidence).into()),
        (agent, note.agent.into()),
        (signature, note.signature.as_deref().into()),
        (run, note.run.into()),
        (young, note.young.into()),
    ]
}
