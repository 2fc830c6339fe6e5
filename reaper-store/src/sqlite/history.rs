//! The events.

use reaper_core::{Fence, JobId, Timestamp};

use super::{
    SqliteStore,
    row::timestamp,
    sql::{Bind, Row, execute, rows},
};
use crate::{
    History, StoreError,
    claims::EventId,
    history::{Event, Query},
};

const COLUMNS: &str = "id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence";
const PRUNE_EVENTS: &str = "DELETE FROM reaper_events WHERE at < ?";
// An order that is delivered again after this finds its next job, or its task moved on.
const PRUNE_ADVANCES: &str = "DELETE FROM reaper_advances WHERE at < datetime(? / 1000, 'unixepoch') \
    AND task_id NOT IN (SELECT task_id FROM reaper_outbox WHERE state <> 'done' AND task_id IS NOT NULL)";
const PRUNE_OUTBOX: &str = "DELETE FROM reaper_outbox WHERE state = 'done' AND created_at < ?";

/// The statement of a query: the latest ones, in the order in which they happened.
fn statement(query: &Query) -> (String, Vec<Bind>) {
    let (mut conditions, mut binds) = (Vec::new(), Vec::new());
    if let Some(job) = &query.job {
        conditions.push("job_id = ?");
        binds.push(Bind::from(job.as_int()));
    }
    if let Some(since) = query.since {
        conditions.push("at >= ?");
        binds.push(since.timestamp_millis().into());
    }
    let condition =
        if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
    binds.push(i64::try_from(query.limit).unwrap_or(i64::MAX).into());
    let latest = format!("SELECT seq, {COLUMNS} FROM reaper_events {condition} ORDER BY seq DESC LIMIT ?");
    (format!("SELECT {COLUMNS} FROM ({latest}) ORDER BY seq"), binds)
}

fn event(row: &Row) -> Event {
    let text = |column| row.text(column).unwrap_or_default();
    Event {
        id: EventId(row.int(0).unwrap_or(0)),
        at: timestamp(row.int(1).unwrap_or(0)),
        job: row.int(2).map(JobId::from),
        fence: row.int(3).map(Fence::from),
        by: text(4),
        action: text(5),
        rule: text(6),
        reason: text(7),
        from: row.text(8),
        to: row.text(9),
        // What somebody has written there by hand is shown as a text.
        evidence: serde_json::from_str(&text(10)).unwrap_or_else(|_| text(10).into()),
    }
}

impl History for SqliteStore {
    fn events(&self, query: &Query) -> Result<Vec<Event>, StoreError> {
        let (text, binds) = statement(query);
        let found = self.connections.read(|connection| Ok(rows(connection, &text, &binds)?))?;
        Ok(found.iter().map(event).collect())
    }

    fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let before = before.timestamp_millis();
        self.connections.write(|connection| {
            let events = execute(connection, PRUNE_EVENTS, &[before.into()])?;
            let effects = execute(connection, PRUNE_OUTBOX, &[before.into()])?;
            execute(connection, PRUNE_ADVANCES, &[before.into()])?;
            Ok(u64::try_from(events.saturating_add(effects)).unwrap_or(u64::MAX))
        })
    }
}
