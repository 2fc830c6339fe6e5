//! The events.

use reaper_core::{Fence, JobId, Timestamp};

use super::{
    PostgresStore,
    facts::sql_limit,
    sql,
    statement::{RawRow, Statement, int_key},
};
use crate::{
    History, StoreError,
    claims::EventId,
    history::{Event, Query},
    row::instant,
};

impl History for PostgresStore {
    fn events(&self, query: &Query) -> Result<Vec<Event>, StoreError> {
        let since = query.since.map_or(i64::MIN, |since| since.timestamp_millis());
        let limit = sql_limit(query.limit);
        let of = [("since", since.into()), ("limit", limit.into())];
        let statement = match &query.job {
            None => Statement::new(sql::HISTORY, of),
            Some(job) => Statement::new(sql::HISTORY_OF_JOB, of).with([("job", int_key(&job.0).into())]),
        };
        let mut events = self.read(|connection| {
            let rows = statement.rows(connection)?;
            Ok(rows.into_iter().filter_map(event).collect::<Vec<_>>())
        })?;
        events.reverse();
        Ok(events)
    }

    fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let before = before.timestamp_millis();
        self.write(|connection| {
            let events = Statement::new(sql::PRUNE_EVENTS, [("before", before.into())]).run(connection)?;
            let effects = Statement::new(sql::PRUNE_OUTBOX, [("before", before.into())]).run(connection)?;
            let advances = Statement::new(sql::PRUNE_ADVANCES, [("before", before.into())]).run(connection)?;
            Ok(u64::try_from(events.saturating_add(effects).saturating_add(advances)).unwrap_or(u64::MAX))
        })
    }
}

fn event(mut row: RawRow) -> Option<Event> {
    Some(Event {
        id: EventId(row.next_int()?),
        at: instant(row.next_int()?)?,
        job: row.next_int().map(JobId::from),
        fence: row.next_int().map(Fence::from),
        by: row.next_shown().unwrap_or_default(),
        action: row.next_shown().unwrap_or_default(),
        rule: row.next_shown().unwrap_or_default(),
        reason: row.next_shown().unwrap_or_default(),
        from: row.next_shown(),
        to: row.next_shown(),
        evidence: row.next_shown().map(evidence).unwrap_or_default(),
    })
}

/// What was stored as JSON; as a text where it is none.
fn evidence(text: String) -> serde_json::Value {
    serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))
}
