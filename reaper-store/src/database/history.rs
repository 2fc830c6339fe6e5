//! The events.

use reaper_core::Timestamp;

use super::{
    Database, Statement, Texts,
    books::{deaths, event, instants, rescues},
    values::sql_limit,
};
use crate::{
    History, StoreError,
    history::{COUNTED, Deaths, EXAMPLES, Event, Query, Rescues},
};

impl<S: Database> History for S {
    fn events(&self, query: &Query) -> Result<Vec<Event>, StoreError> {
        let since = query.since.map_or(i64::MIN, |since| since.timestamp_millis());
        let limit = sql_limit(query.limit);
        let of = [("since", since.into()), ("limit", limit.into())];
        let statement = match &query.job {
            None => Statement::new(S::Driver::HISTORY, of),
            Some(job) => Statement::new(S::Driver::HISTORY_OF_JOB, of).with([("job", (&job.0).into())]),
        };
        let mut events = self.read(|connection| {
            let rows = statement.rows(connection)?;
            Ok(rows.into_iter().filter_map(event).collect::<Vec<_>>())
        })?;
        events.reverse();
        Ok(events)
    }

    fn crashes(&self, agent: &str, since: Timestamp, limit: usize) -> Result<Vec<Timestamp>, StoreError> {
        let values = [
            ("agent", agent.into()),
            ("since", since.timestamp_millis().into()),
            ("limit", sql_limit(limit).into()),
        ];
        self.read(|connection| Ok(instants(Statement::new(S::Driver::CRASHES, values.clone()).rows(connection)?)))
    }

    fn deaths(&self, since: Timestamp, agent: Option<String>) -> Result<Vec<Deaths>, StoreError> {
        let values = [
            ("since", since.timestamp_millis().into()),
            ("until", i64::MAX.into()),
            ("agent", agent.as_deref().into()),
            ("examples", i64::try_from(EXAMPLES).unwrap_or(i64::MAX).into()),
        ];
        self.read(|connection| Ok(deaths(Statement::new(S::Driver::DEATHS, values.clone()).rows(connection)?)))
    }

    fn rescues(&self, since: Timestamp) -> Result<Rescues, StoreError> {
        let values = [("since", since.timestamp_millis().into()), ("until", i64::MAX.into())];
        let late = self.late_exits(since, COUNTED)?;
        self.read(|connection| {
            Ok(rescues(Statement::new(S::Driver::RESCUES, values.clone()).first_row(connection)?, &late))
        })
    }

    fn late_exits(&self, since: Timestamp, limit: usize) -> Result<Vec<Event>, StoreError> {
        let values = [("since", since.timestamp_millis().into()), ("limit", sql_limit(limit).into())];
        let mut events = self.read(|connection| {
            let rows = Statement::new(S::Driver::LATE_EXITS, values.clone()).rows(connection)?;
            Ok(rows.into_iter().filter_map(event).collect::<Vec<_>>())
        })?;
        events.reverse();
        Ok(events)
    }

    fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let before = before.timestamp_millis();
        self.write(|connection| {
            let events = Statement::new(S::Driver::PRUNE_EVENTS, [("before", before.into())]).run(connection)?;
            let effects = Statement::new(S::Driver::PRUNE_OUTBOX, [("before", before.into())]).run(connection)?;
            let advances =
                Statement::new(S::Driver::PRUNE_ADVANCES, [("before", before.into())]).run(connection)?;
            // After the events: what they say of a node that was declared dead keeps it.
            let nodes = Statement::new(S::Driver::PRUNE_NODES, [("before", before.into())]).run(connection)?;
            let rows = [events, effects, advances, nodes].into_iter().fold(0, usize::saturating_add);
            Ok(u64::try_from(rows).unwrap_or(u64::MAX))
        })
    }
}
