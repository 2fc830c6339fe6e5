//! What is recorded, read raw and parsed row by row.

use std::collections::BTreeMap;

use reaper_core::{JobId, TaskId, Timestamp};

use super::{
    Database, Driver, Fault, Statement, Texts, Value,
    books::{clock, int},
    row::{RawJob, instant, raw_job},
    values::sql_limit,
};
use crate::{
    Facts, StoreError,
    facts::{Census, Cursor, Here, Page, Row, StalledTask, Upcoming, Wanted},
};

impl<S: Database> Facts for S {
    fn now(&self) -> Result<Timestamp, StoreError> {
        self.read(now)
    }

    fn load(&self, wanted: &Wanted, from: &Cursor, limit: usize) -> Result<Page, StoreError> {
        self.page(wanted, from, limit)
    }

    fn version(&self) -> Result<Option<u64>, StoreError> {
        self.token()
    }

    fn upcoming(&self, exits_until: Timestamp, started_until: Timestamp) -> Result<Option<Upcoming>, StoreError> {
        self.next_due(exits_until, started_until)
    }

    fn job(&self, job: &JobId) -> Result<Option<Row>, StoreError> {
        self.read(|connection| {
            let row = Statement::new(S::Driver::JOB, [("job", (&job.0).into())]).first_row(connection)?;
            Ok(row.and_then(|mut row| raw_job(&mut row)).map(RawJob::parse))
        })
    }

    fn running(&self, at_most: u64) -> Result<u64, StoreError> {
        let limit = i64::try_from(at_most).unwrap_or(i64::MAX);
        self.read(|connection| {
            let counted = Statement::new(S::Driver::RUNNING, [("limit", limit.into())]);
            Ok(int(counted.first_row(connection)?).min(at_most))
        })
    }

    fn beating(&self, here: &Here, after: Timestamp, at_most: u64) -> Result<u64, StoreError> {
        let limit = i64::try_from(at_most).unwrap_or(i64::MAX);
        self.read(|connection| {
            let counted = Statement::new(
                S::Driver::BEATING,
                [
                    ("after", after.timestamp_millis().into()),
                    ("host", here.host.as_str().into()),
                    ("bare", i64::from(here.bare_pids).into()),
                    ("limit", limit.into()),
                ],
            );
            Ok(int(counted.first_row(connection)?).min(at_most))
        })
    }

    fn census(&self) -> Result<Census, StoreError> {
        self.read(|connection| {
            let mut jobs = BTreeMap::<_, u64>::new();
            for mut row in Statement::new(S::Driver::CENSUS, []).rows(connection)? {
                let status = row.next_shown().unwrap_or_else(|| "NULL".into());
                let count = jobs.entry(status).or_default();
                *count = count.saturating_add(int(Some(row)));
            }
            let oldest = Statement::new(S::Driver::OLDEST_RUNNING, []).first_row(connection)?;
            let oldest_running = oldest.and_then(|mut row| {
                let id = row.next_int()?;
                Some((JobId::from(id), instant(row.next_int()?)?))
            });
            Ok(Census { now: now(connection)?, jobs, oldest_running })
        })
    }

    fn unreadable_payloads(&self, limit: usize) -> Result<Vec<JobId>, StoreError> {
        let limit = sql_limit(limit);
        self.read(|connection| {
            let rows =
                Statement::new(S::Driver::UNREADABLE_PAYLOADS, [("limit", limit.into())]).rows(connection)?;
            Ok(rows.into_iter().filter_map(|mut row| row.next_int().map(JobId::from)).collect())
        })
    }

    fn stalled(&self, final_stages: &[String], limit: usize) -> Result<Vec<StalledTask>, StoreError> {
        let stages = Value::texts(final_stages, |stage| Some(stage));
        let stalled =
            Statement::new(S::Driver::STALLED, [("final_stages", stages), ("limit", sql_limit(limit).into())]);
        self.read(|connection| {
            let tasks = stalled.rows(connection)?.into_iter().filter_map(|mut row| {
                let task = TaskId::from(row.next_int()?);
                let (work_item, stage) = (row.next_shown(), row.next_shown().unwrap_or_default());
                Some(StalledTask { task, work_item, stage })
            });
            Ok(tasks.collect())
        })
    }
}

/// The database's clock.
fn now<D: Driver>(connection: &mut D) -> Result<Timestamp, Fault> {
    let row = Statement::new(D::NOW, []).first_row(connection)?;
    Ok(clock(row.and_then(|mut row| row.next_int()))?)
}
